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
QUIET, PATIENCE = 0.15, 30
"""A round starts when other processes use at most this share of the CPUs, or after so many seconds."""
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


def settle() -> None:
    """Wait until the machine is quiet: what runs on both CPUs gains nothing on a machine that has one to spare."""
    until = time.monotonic() + PATIENCE
    while _busy(0.5) > QUIET and time.monotonic() < until:
        pass


def written() -> None:
    """Wait until all that was written before is on the disk: that is no cost of what writes next."""
    os.sync()
    settle()


def _busy(seconds: float) -> float:
    """The share of all CPUs that was in use during the next seconds."""
    before = _ticks()
    time.sleep(seconds)
    total, idle = (now - then for now, then in zip(_ticks(), before, strict=True))
    return 1 - idle / total if total else 0.0


def _ticks() -> tuple[int, int]:
    """CPU time since boot, all of it and what was idle."""
    numbers = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return sum(numbers), numbers[3] + numbers[4]


def medians(works: Sequence[Callable[[], float]], rounds: int) -> list[float]:
    """The median seconds of each, after one round that does not count (it warms every cache)."""
    for work in works:
        work()
    taken = []
    for _ in range(rounds):
        settle()
        taken.append([work() for work in works])
    return [statistics.median(column) for column in zip(*taken, strict=True)]


def ratio(name: str, goal: float, ours: float, theirs: float, note: str = "") -> Row:
    """A row: how long ours takes, in units of theirs."""
    value = round(ours / theirs, 3)
    told = f"{duration(ours)} against {duration(theirs)}" + (f"; {note}" if note else "")
    return {"name": name, "value": value, "unit": "×", "goal": goal, "ok": value <= goal, "note": told}


def within(name: str, goal: float, seconds: float, note: str = "") -> Row:
    """A row: how many milliseconds it takes, at most ``goal``."""
    value = round(seconds * 1000, 3 if seconds < 0.01 else 1)
    return {"name": name, "value": value, "unit": "ms", "goal": goal, "ok": value <= goal, "note": note}


def at_least(name: str, goal: float, value: float, unit: str, note: str = "") -> Row:
    """A row: the more the better, at least ``goal``."""
    told = round(value)
    return {"name": name, "value": told, "unit": unit, "goal": goal, "ok": told >= goal, "note": note, "sign": "≥"}


def told(name: str, seconds: float, note: str = "") -> Row:
    """A row without a goal."""
    unit, value = ("s", round(seconds, 2)) if seconds >= 1 else ("ms", round(seconds * 1000))
    return {"name": name, "value": value, "unit": unit, "goal": None, "ok": None, "note": note}


def duration(seconds: float) -> str:
    """``0.117 ms``, ``12 ms`` or ``1.23 s``."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.{0 if seconds >= 0.002 else 3}f} ms"
