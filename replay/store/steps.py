"""The steps of every write: counted for crash tests, and their errors in words.

For tests only: ``REPLAY_CRASH_AT=N`` ends the process without any clean-up before the N-th step; with
``REPLAY_FAULT=ENOSPC`` (or another errno name) the N-th and all later steps fail with that error instead.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from replay.errors import StoreError

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS}

_crash_at = int(os.environ.get("REPLAY_CRASH_AT", "0"))
_fault = os.environ.get("REPLAY_FAULT", "")
_steps = itertools.count(1)


def checkpoint(op: str, path: Path | str) -> None:
    """Count one step of a write; a test makes it the last one (see the module's text)."""
    if not _crash_at or (step := next(_steps)) < _crash_at:
        return
    if _fault:
        code = getattr(errno, _fault)
        raise OSError(code, f"{os.strerror(code)} (injected at step {step}, {op})", str(path))
    os._exit(137)


@contextlib.contextmanager
def guard(path: Path) -> Iterator[None]:
    """Turn an `OSError` of the body into a `StoreError` that names ``path`` and a remedy."""
    try:
        yield
    except OSError as error:
        raise trouble(error, path) from error


def trouble(error: OSError, path: Path) -> StoreError:
    """The `StoreError` for a failed system call on ``path``, with a remedy where there is one."""
    if error.errno in _NO_SPACE:
        return StoreError(
            f"{path}: {error.strerror}", hint=f"free space on the disk of {path.parent}; nothing was half-written"
        )
    if error.errno in _NOT_WRITABLE:
        return StoreError(f"{path}: {error.strerror}", hint=f"make {path.parent} writable for this user")
    return StoreError(f"{path}: {error.strerror or error}")


def sync_directory(directory: Path) -> None:
    """Make the names in ``directory`` durable."""
    checkpoint("fsync-directory", directory)
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
