"""What it costs to start: every command of a user waits for this."""

from __future__ import annotations

import sys
from pathlib import Path

from race import BIN, Row, command, medians, ratio, told

ROUNDS = 15


def rows(demo: Path) -> list[Row]:
    """Whole processes, warm and byte-compiled; ``demo`` is a laid-out demo repository."""
    replay = BIN / "replay"
    nothing, helped, version, show = medians(
        [
            command(sys.executable, "-c", "pass"),
            command(replay, "--help"),
            command(replay, "--version"),
            command(replay, "show", "momentum:1", cwd=demo),
        ],
        ROUNDS,
    )
    plan, status = medians(
        [command(replay, "momentum:1", "--plan", cwd=demo), command(BIN / "dvc", "status", cwd=demo)], ROUNDS
    )
    return [
        ratio("`replay --help` / `python -c pass`", 5, helped, nothing),
        ratio("`replay momentum:1 --plan` / `dvc status`", 0.5, plan, status, "same repository, warm"),
        told("`replay --version`", version),
        told("`replay show momentum:1`", show),
    ]
