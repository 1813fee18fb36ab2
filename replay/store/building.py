"""Making a database file beside its place: whoever looks there finds nothing, what was there before, or all of it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from replay.errors import StoreBusyError
from replay.store import fsops


@contextlib.contextmanager
def beside(file: Path) -> Iterator[Path]:
    """A folder of one's own beside ``file``, for a new file that `fsops.move` gives its place; removed at the end.

    What one left there that was killed is removed first.

    Raises:
        StoreBusyError: Another process is at it.
        StoreError: The disk is full, not writable, or failed.
    """
    work = _folder(file)
    with _mine(work, file):
        for left in sorted(work.iterdir()):
            fsops.remove_tree(left)
        try:
            yield work
        finally:
            fsops.remove_tree(work)


def sweep(file: Path) -> None:
    """Remove what one left beside ``file`` that was killed.

    Raises:
        StoreBusyError: Another process is at it.
    """
    if _folder(file).exists():
        with beside(file):
            pass


def _folder(file: Path) -> Path:
    return file.with_name(f".{file.name}.new")


@contextlib.contextmanager
def _mine(work: Path, file: Path) -> Iterator[None]:
    """The folder, locked for as long as this process lives: so one that another left can be told."""
    while True:
        fsops.make_dir(work)
        with fsops.guard(work):
            fd = os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StoreBusyError(
                    f"{file}: another process is making it", hint="wait for it to finish, then run the same again"
                ) from error
            if os.fstat(fd).st_nlink:  # else its owner removed it between the two calls
                yield
                return
        finally:
            os.close(fd)
