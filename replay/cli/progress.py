"""Progress for people: live with rich on a terminal, plain lines elsewhere. Always on stderr."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from replay.cli.common import printable
from replay.progress import Progress, Silent

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

QUIET_SECONDS = 30.0
"""On no terminal, a long task says one line at most this often."""


class Lines:
    """Plain lines, for logs and CI."""

    def __init__(self, verbosity: int) -> None:
        self._verbosity = verbosity
        self._said: dict[str, float] = {}
        self._begun: dict[str, float] = {}
        self._lock = threading.Lock()

    def started(self, task: str, total: int | None = None) -> None:
        """Say that it begins."""
        with self._lock:
            self._begun[task] = self._said[task] = time.monotonic()
        self._line(f"· {task}")

    def advanced(self, task: str, note: str = "", amount: int = 0) -> None:
        """Say it when asked for details, else now and then."""
        now = time.monotonic()
        with self._lock:
            due = now - self._said.get(task, now) >= QUIET_SECONDS
            if due:
                self._said[task] = now
        if note and (due or self._verbosity > 0):
            self._line(f"  {task}: {note}")

    def finished(self, task: str, note: str = "") -> None:
        """Say what came out, and how long it took."""
        self._line(f"● {task}{': ' + note if note else ''}{_since(self._begun.pop(task, None))}")

    def _line(self, text: str) -> None:
        with self._lock:
            print(printable(text), file=sys.stderr, flush=True)


class Live:
    """Spinners that become lines when their task is done."""

    def __init__(self, bars: Bars, verbosity: int) -> None:
        self._bars = bars
        self._verbosity = verbosity
        self._tasks: dict[str, TaskID] = {}
        self._begun: dict[str, float] = {}
        self._lock = threading.Lock()

    def started(self, task: str, total: int | None = None) -> None:
        """Show a spinner."""
        with self._lock:
            self._begun[task] = time.monotonic()
            if task not in self._tasks:
                self._tasks[task] = self._bars.add_task(printable(task), total=total, note="")

    def advanced(self, task: str, note: str = "", amount: int = 0) -> None:
        """Show the note beside the spinner."""
        with self._lock:
            known = self._tasks.get(task)
        if known is not None:
            self._bars.update(known, advance=amount, note=printable(note)[:80])
        if self._verbosity > 0 and note:
            self._bars.console.print(f"  {printable(task)}: {printable(note)}", markup=False)

    def finished(self, task: str, note: str = "") -> None:
        """Replace the spinner by a line."""
        with self._lock:
            known = self._tasks.pop(task, None)
            since = _since(self._begun.pop(task, None))
        if known is not None:
            self._bars.remove_task(known)
        self._bars.console.print(f"● {printable(task)}{': ' + printable(note) if note else ''}{since}", markup=False)


class Patient:
    """Passes on what goes on once it has gone on for a while: what is quick needs no words."""

    def __init__(self, progress: Progress, seconds: float = 2.0) -> None:
        self._progress = progress
        self._due = time.monotonic() + seconds
        self._waiting: dict[str, int | None] = {}
        self._told: set[str] = set()

    def started(self, task: str, total: int | None = None) -> None:
        """Tell it now, or when it goes on for long."""
        self._waiting[task] = total
        self._tell()

    def advanced(self, task: str, note: str = "", amount: int = 0) -> None:
        """Tell it, if it goes on for long."""
        self._tell()
        if task in self._told:
            self._progress.advanced(task, note, amount)

    def finished(self, task: str, note: str = "") -> None:
        """Tell the end of what was told to begin."""
        self._waiting.pop(task, None)
        if task in self._told:
            self._told.remove(task)
            self._progress.finished(task, note)

    def _tell(self) -> None:
        if time.monotonic() >= self._due:
            for task, total in self._waiting.items():
                self._progress.started(task, total)
            self._told |= self._waiting.keys()
            self._waiting.clear()


def _since(begun: float | None) -> str:
    return "" if begun is None else f" ({time.monotonic() - begun:.1f} s)"


@contextlib.contextmanager
def watching(verbosity: int) -> Iterator[Progress]:
    """The observer that fits stderr; ``verbosity`` is −1 for ``-q``, 0, or 1 for ``-v``."""
    if verbosity < 0:
        yield Silent()
    elif not sys.stderr.isatty():
        yield Lines(verbosity)
    else:
        from rich.progress import Progress as Bars
        from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

        from replay.cli.common import console

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False, style="dim"),
        )
        with Bars(*columns, console=console(stderr=True), transient=True) as bars:
            yield Live(bars, verbosity)
