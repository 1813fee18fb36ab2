"""Doctor: what this machine can replay, what is missing, and what each finding means. Prints nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from replay.doctor.check import Check, Status

if TYPE_CHECKING:
    from replay.progress import Progress

__all__ = ["Check", "Status", "check", "fix"]


def check(root: Path | None = None) -> list[Check]:
    """Every finding, the most needed first. Nothing is changed, and nothing here raises for what it finds.

    Args:
        root: The folder whose disk is looked at; the working directory without it.
    """
    from replay.doctor import docker, host

    return [*docker.checks(), *host.checks(root or Path.cwd())]


def fix(progress: Progress) -> str:
    """Install and start a Docker Engine where that is possible; returns one sentence that says what was done.

    Raises:
        EngineUnavailableError: None answers, and none can be started here.
    """
    from replay.rebuild.start import start_engine

    return start_engine(progress)
