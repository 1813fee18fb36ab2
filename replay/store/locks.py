"""One holder at a time, across processes and threads."""

from __future__ import annotations

import contextlib
import fcntl
import os
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
