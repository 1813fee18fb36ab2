"""One holder at a time, across processes and threads.

`lock` is for rare, long holders. `turn` is for many short ones that ask again at once: whoever waits is served before
the one who just had it (a lock alone lets one process starve the others for seconds).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from replay.errors import StoreBusyError
from replay.store.steps import guard

_PAUSE = 0.02
_WIDTH = 20


@contextlib.contextmanager
def lock(path: Path, timeout: float = 30.0) -> Iterator[None]:
    """Hold the lock file ``path`` for the body; it falls free when the process dies, and is never removed.

    Not re-entrant: the same thread asking twice waits for itself.

    Raises:
        StoreBusyError: Another holder kept it for ``timeout`` seconds; the message names its process id.
        StoreError: The lock file cannot be made.
    """
    with guard(path):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        _acquire(fd, path, timeout)
        try:
            with guard(path):
                os.pwrite(fd, str(os.getpid()).ljust(_WIDTH).encode(), 0)  # fixed width: a full disk still takes it
            yield
        finally:
            fcntl.flock(fd, fcntl.LOCK_UN)
    finally:
        os.close(fd)


def _acquire(fd: int, path: Path, timeout: float) -> None:
    end = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= end:
                holder = os.pread(fd, _WIDTH, 0).decode("ascii", "replace").strip() or "unknown"
                raise StoreBusyError(
                    f"{path}: held by process {holder} for more than {timeout:g} s",
                    hint="wait for it to finish, then run the same command again",
                ) from error
            time.sleep(_PAUSE)
        else:
            return


@contextlib.contextmanager
def turn(path: Path, timeout: float = 30.0) -> Iterator[None]:
    """Hold the lock file ``path`` for the body, first come, first served; a second file beside it is the queue.

    The head of the queue waits holding the queue's file, so that the last holder, who asks again, comes behind it.

    Raises:
        StoreBusyError: Others kept it for ``timeout`` seconds.
        StoreError: The lock files cannot be made.
    """
    end = time.monotonic() + timeout
    with _waited(path.with_suffix(".queue"), end, path, timeout) as queue, _waited(path, end, path, timeout):
        fcntl.flock(queue, fcntl.LOCK_UN)
        yield


@contextlib.contextmanager
def _waited(file: Path, end: float, path: Path, timeout: float) -> Iterator[int]:
    with guard(file):
        fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        free = _takes(fd)
    if not free and not _Waiting(fd).until(end):
        raise StoreBusyError(
            f"{path}: other writers held it for more than {timeout:g} s",
            hint="wait for them to finish, then run the same command again",
        )
    try:
        yield fd
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)  # closing would leave it to the children that were forked meanwhile
        os.close(fd)


def _takes(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class _Waiting:
    """Waits for a lock in a thread: the kernel wakes it in turn, and it can be given up, which `flock` cannot."""

    def __init__(self, fd: int) -> None:
        self._came = False
        self._given_up = False
        self._state = threading.Lock()
        self._fd = fd
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()

    def until(self, end: float) -> bool:
        """Whether the lock came before the clock says ``end``; if not, the descriptor is closed as soon as it comes."""
        came = False
        try:
            self._thread.join(max(0.0, end - time.monotonic()))
            came = self._came
        finally:  # Ctrl-C gives up too: a lock that came after it would be nobody's, and held for good
            if not came:
                self._give_up()
        return came

    def _give_up(self) -> None:
        with self._state:
            self._given_up = True
            if self._came:
                os.close(self._fd)

    def _wait(self) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        with self._state:
            self._came = True
            if self._given_up:
                os.close(self._fd)
