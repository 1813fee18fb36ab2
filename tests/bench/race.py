"""Two ways of doing the same, timed alternately in one run, so that what else the machine does hits both."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]
BIN = Path(sys.executable).parent
ENVIRONMENT = os.environ | {"DVC_NO_ANALYTICS": "1", "PYTHONWARNINGS": "ignore"}


def command(*words: str | Path, cwd: Path | None = None) -> Callable[[], float]:
    """Something that runs a command to its end and says how long that took, in seconds."""

    def work() -> float:
        begun = time.perf_counter()
        done = subprocess.run([*map(str, words)], cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - begun
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(map(str, words))} exited with {done.returncode}: {done.stderr[-2000:]}")
        return seconds

    return work


def called(function: Callable[[], object]) -> Callable[[], float]:
    """Something that calls a function and says how long that took, in seconds."""

    def work() -> float:
        begun = time.perf_counter()
        function()
        return time.perf_counter() - begun

    return work


def medians(works: Sequence[Callable[[], float]], rounds: int) -> list[float]:
    """The median seconds of each, after one round that does not count (it warms every cache)."""
    for work in works:
        work()
    taken = [[work() for work in works] for _ in range(rounds)]
    return [statistics.median(column) for column in zip(*taken, strict=True)]


def ratio(name: str, goal: float, ours: float, theirs: float, note: str = "") -> Row:
    """A row: how long ours takes, in units of theirs."""
    value = round(ours / theirs, 3)
    told = f"{duration(ours)} against {duration(theirs)}" + (f"; {note}" if note else "")
    return {"name": name, "value": value, "unit": "×", "goal": goal, "ok": value <= goal, "note": told}


def told(name: str, seconds: float, note: str = "") -> Row:
    """A row without a goal."""
    unit, value = ("s", round(seconds, 2)) if seconds >= 1 else ("ms", round(seconds * 1000))
    return {"name": name, "value": value, "unit": unit, "goal": None, "ok": None, "note": note}


def duration(seconds: float) -> str:
    """``12 ms`` or ``1.23 s``."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
