"""Every write of a kept thing: atomic and durable.

A file appears under its name only when all of it is on disk: temporary file in the same directory, fsync, rename,
fsync of the directory. Each such step passes `checkpoint` first, where crash tests stop it (see ``steps``).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from replay.errors import StoreError
from replay.store.locks import lock, turn
from replay.store.opening import kind_of, open_regular
from replay.store.steps import checkpoint, guard, sync_directory
from replay.store.trees import make_dir, remove_tree

__all__ = [
    "add_name",
    "append_line",
    "checkpoint",
    "copy_file",
    "guard",
    "kind_of",
    "link_or_copy",
    "lock",
    "make_dir",
    "move",
    "open_regular",
    "publish",
    "remove_tree",
    "sweep",
    "sync_directory",
    "temporary",
    "turn",
    "write_all",
    "write_bytes",
]

_TEMP = ".replay-tmp-"
_LINK = ".replay-link-"
_OPEN = os.O_CLOEXEC | os.O_NOFOLLOW
_BLOCK = 64 << 20
_NO_RANGE_COPY = {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF}
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS}


def _new_temp(directory: Path) -> tuple[Path, int]:
    """A new temporary file, locked for as long as it is open, so that `sweep` can tell a dead writer's."""
    while True:
        temp = directory / f"{_TEMP}{os.getpid()}-{os.urandom(8).hex()}"
        checkpoint("create", temp)
        fd = os.open(temp, os.O_RDWR | os.O_CREAT | os.O_EXCL | _OPEN, 0o600)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(fd).st_nlink:
                return temp, fd
        os.close(fd)  # a sweep was faster than the lock, and removes or has removed it: take another name


@contextlib.contextmanager
def temporary(directory: Path) -> Iterator[tuple[Path, int]]:
    """A temporary file in ``directory`` and its open descriptor; removed at the end unless it was published.

    Raises:
        StoreError: The disk is full, not writable, or failed.
    """
    with guard(directory / _TEMP):
        temp, fd = _new_temp(directory)
        try:
            yield temp, fd
        finally:
            os.close(fd)
            with contextlib.suppress(FileNotFoundError):
                temp.unlink()


def publish(temp: Path, fd: int, path: Path, *, mode: int, durable: bool = True, exclusive: bool = False) -> None:
    """Give a finished `temporary` file its name; with ``exclusive`` only when that name is free.

    Raises:
        StoreError: ``exclusive`` and something is there; or the disk is full, not writable, or failed.
    """
    with guard(path):
        os.fchmod(fd, mode)
        if durable:
            checkpoint("fsync", temp)
            os.fsync(fd)
        checkpoint("rename", path)
        if exclusive:
            try:
                os.link(temp, path)
            except FileExistsError as error:
                raise StoreError(f"{path}: is there already and is written once", hint="nothing was changed") from error
        else:
            temp.rename(path)
        if durable:
            sync_directory(path.parent)


def move(src: Path, dst: Path, *, exclusive: bool = False) -> None:
    """Give a finished file, which nobody has open, its place in another directory of the same file system.

    Raises:
        StoreError: ``exclusive`` and something is there; or the disk is full, not writable, or failed.
    """
    with guard(dst):
        fd = os.open(src, os.O_RDONLY | _OPEN)
        try:
            publish(src, fd, dst, mode=stat.S_IMODE(os.fstat(fd).st_mode), exclusive=exclusive)
        finally:
            os.close(fd)


def add_name(path: Path, other: Path) -> None:
    """Give a file one more name, or a copy where no link can be made; nothing happens when it has that name.

    The file is not opened, since closing it would let go of the locks that this process has on it.

    Raises:
        StoreError: Something else has that name; or the disk is full, not writable, or failed.
    """
    with guard(other):
        checkpoint("link", other)
        try:
            os.link(path, other, follow_symlinks=False)
        except FileExistsError as error:
            if not other.samefile(path):
                raise StoreError(f"{other}: is there already", hint="move it away; nothing was changed") from error
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            copy_file(path, other)
        sync_directory(other.parent)


def write_all(fd: int, data: bytes | memoryview, path: Path) -> None:
    """Write all of ``data``; a short write is continued."""
    checkpoint("write", path)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def write_bytes(path: Path, data: bytes, mode: int = 0o644, *, exclusive: bool = False, durable: bool = True) -> None:
    """Write a whole file: after a crash there is the old content or the new one.

    Args:
        path: Its name; the directory is there.
        data: Its content.
        mode: Its permissions.
        exclusive: Refuse to replace what is there.
        durable: Fsync file and directory. A workspace that is made anew after a crash needs none (16 × faster).

    Raises:
        StoreError: The disk is full, not writable, or failed; or ``exclusive`` and the file is there.
    """
    with temporary(path.parent) as (temp, fd):
        write_all(fd, data, path)
        publish(temp, fd, path, mode=mode, exclusive=exclusive, durable=durable)


def append_line(path: Path, line: bytes) -> None:
    """Append ``line`` and a newline durably; a failed write is taken back. The caller holds the file's `lock`.

    Raises:
        StoreError: The disk is full, not writable, or failed.
    """
    with guard(path):
        new = not path.exists()
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _OPEN, 0o644)
        try:
            size = os.fstat(fd).st_size
            try:
                write_all(fd, line + b"\n", path)
                checkpoint("fsync", path)
                os.fsync(fd)
            except OSError:
                os.ftruncate(fd, size)
                raise
        finally:
            os.close(fd)
        if new:
            sync_directory(path.parent)


def copy_file(src: Path, dst: Path, *, mode: int | None = None, durable: bool = True) -> None:
    """Copy a regular file atomically, inside the kernel (shared extents where the file system can).

    Args:
        src: The file; not a link.
        dst: Its copy; replaced when it is there.
        mode: Permissions of the copy; those of ``src`` by default.
        durable: Fsync file and directory. A workspace that is made anew after a crash needs none (16 × faster).

    Raises:
        UsageError: ``src`` is not a readable regular file.
        StoreError: The disk is full, not writable, or failed.
    """
    source = open_regular(src)
    try:
        status = os.fstat(source)
        with temporary(dst.parent) as (temp, fd):
            checkpoint("write", dst)
            if (copied := _copy_bytes(source, fd)) != status.st_size:
                raise StoreError(f"{src}: got {copied} bytes, expected {status.st_size}", hint="it changed meanwhile")
            permissions = stat.S_IMODE(status.st_mode) & 0o777 if mode is None else mode
            publish(temp, fd, dst, mode=permissions, durable=durable)
    finally:
        os.close(source)


def _copy_bytes(source: int, target: int) -> int:
    total = 0
    with contextlib.suppress(_RangeCopyUnsupported):
        while count := _copy_range(source, target):
            total += count
    while count := os.sendfile(target, source, None, _BLOCK):  # None: at the file's own offset
        total += count
    return total


class _RangeCopyUnsupported(Exception):  # noqa: N818  # a signal between two functions, not an error
    pass


def _copy_range(source: int, target: int) -> int:
    try:
        return os.copy_file_range(source, target, _BLOCK)
    except OSError as error:
        if error.errno in _NO_RANGE_COPY:
            raise _RangeCopyUnsupported from error
        raise


def link_or_copy(src: Path, dst: Path, *, durable: bool = False) -> bool:
    """Make ``dst`` a hard link to ``src``, or a copy where no link can be made; say whether it is a link.

    A link shares its bytes with ``src``: give it only to readers.

    Raises:
        UsageError: ``src`` is not a readable regular file.
        StoreError: The disk is full, not writable, or failed.
    """
    os.close(open_regular(src))
    temp = dst.parent / f"{_LINK}{os.getpid()}-{os.urandom(8).hex()}"
    with guard(dst):
        checkpoint("link", dst)
        try:
            os.link(src, temp, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            copy_file(src, dst, durable=durable)
            return False
        try:
            temp.rename(dst)
        finally:
            temp.unlink(missing_ok=True)  # rename does nothing when both names are one file already
        if durable:
            sync_directory(dst.parent)
    return True


def sweep(directory: Path) -> int:
    """Remove the temporary files that dead writers left in ``directory``; say how many.

    Raises:
        StoreError: The directory is not writable, or the disk failed.
    """
    removed = 0
    with guard(directory):
        for temp in sorted(directory.glob(f"{_TEMP}*")):
            with contextlib.suppress(FileNotFoundError, BlockingIOError):  # published meanwhile, or still written
                fd = os.open(temp, os.O_RDONLY | _OPEN)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    temp.unlink()
                    removed += 1
                finally:
                    os.close(fd)
    return removed
