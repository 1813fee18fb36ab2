"""Signals as a request that threads look at, so that no clean-up is torn apart by an exception."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from replay.errors import InterruptedReplayError


class Cancellation:
    """A request to stop, made by a signal or by another thread; made once, it stands until `clear`."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._signal: int | None = None
        self._trapped = False

    @property
    def requested(self) -> bool:
        """Whether somebody wants everything stopped."""
        return self._event.is_set()

    def request(self, signum: int | None = None) -> None:
        """Ask for a stop; ``signum`` says by which signal."""
        if self._signal is None:
            self._signal = signum
        self._event.set()

    def clear(self) -> None:
        """Forget a request that no signal made."""
        if self._signal is None:
            self._event.clear()

    def error(self, what: str) -> InterruptedReplayError:
        """The error to raise for ``what`` was stopped."""
        by = signal.Signals(self._signal).name if self._signal else "another step's failure"
        return InterruptedReplayError(
            f"{what} was stopped by {by}", signum=self._signal, hint="its container is removed, its log is kept"
        )

    def check(self, what: str) -> None:
        """Go on only when no stop is requested.

        Raises:
            InterruptedReplayError: One is.
        """
        if self.requested:
            raise self.error(what)

    @contextlib.contextmanager
    def trap(self) -> Iterator[None]:
        """Turn SIGINT and SIGTERM into a request while inside; only the main thread can, elsewhere it does nothing.

        The body has to look at `requested`, and to raise `error` when it has cleaned up.
        """
        if self._trapped or threading.current_thread() is not threading.main_thread():
            yield
            return

        def handle(signum: int, _frame: FrameType | None) -> None:
            self.request(signum)

        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
        self._trapped = True
        try:
            yield
        finally:
            self._trapped = False
            for number, handler in before.items():
                signal.signal(number, handler)
