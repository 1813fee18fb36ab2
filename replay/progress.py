"""What is told to whoever watches: a step of the work started, advanced, finished."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """An observer of long work; every method must return at once."""

    def started(self, task: str, total: int | None = None) -> None:
        """``task`` begins; ``total`` is its size in its own unit when known."""

    def advanced(self, task: str, note: str = "", amount: int = 0) -> None:
        """``task`` went on by ``amount``; ``note`` is one line for people."""

    def finished(self, task: str, note: str = "") -> None:
        """``task`` ended well; ``note`` says what came out (errors travel as exceptions)."""


class Silent:
    """A `Progress` that tells nobody."""

    def started(self, task: str, total: int | None = None) -> None:
        """Say nothing."""

    def advanced(self, task: str, note: str = "", amount: int = 0) -> None:
        """Say nothing."""

    def finished(self, task: str, note: str = "") -> None:
        """Say nothing."""
