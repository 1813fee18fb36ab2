"""Opening files that somebody else wrote: regular files only, links never followed."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from replay.errors import UsageError
from replay.store.steps import trouble

_UNREADABLE = {errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP}


def kind_of(mode: int) -> str:
    """What a file mode says in words, such as ``a symbolic link``."""
    kinds = {
        stat.S_IFREG: "a regular file",
        stat.S_IFDIR: "a directory",
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
        stat.S_IFBLK: "a block device",
        stat.S_IFCHR: "a character device",
    }
    return kinds.get(stat.S_IFMT(mode), "an unknown kind of file")


def open_regular(path: Path | str, *, dir_fd: int | None = None, shown: str | None = None) -> int:
    """Open a regular file for reading; never follows a link, never waits on a FIFO. The caller closes.

    Raises:
        UsageError: Nothing there, no permission, or not a regular file.
        StoreError: The disk failed.
    """
    place = shown or str(path)
    try:
        # Looked at before it is opened: opening a device can already do something.
        mode = os.stat(path, dir_fd=dir_fd, follow_symlinks=False).st_mode
        if stat.S_ISREG(mode):
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=dir_fd)
            if stat.S_ISREG(mode := os.fstat(fd).st_mode):
                return fd
            os.close(fd)
    except FileNotFoundError as error:
        raise UsageError(f"{place}: does not exist, expected a regular file") from error
    except OSError as error:
        if error.errno in _UNREADABLE:
            raise UsageError(f"{place}: {error.strerror}, expected a readable regular file") from error
        raise trouble(error, Path(place)) from error
    raise UsageError(f"{place}: got {kind_of(mode)}, expected a regular file")
