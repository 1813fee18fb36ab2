"""Making and removing directories."""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from replay.errors import StoreError
from replay.store.steps import checkpoint, guard, sync_directory


def make_dir(path: Path) -> None:
    """Make a directory and its missing parents, durably; nothing happens when it is there.

    Raises:
        StoreError: Something else has that name, or the disk is full, not writable, or failed.
    """
    with guard(path):
        if path.is_dir():
            return
        make_dir(path.parent)
        checkpoint("make-directory", path)
        try:
            path.mkdir()
        except FileExistsError as error:
            if not path.is_dir():  # another process may have been faster
                raise StoreError(f"{path}: is there already, expected a directory", hint="move it away") from error
        sync_directory(path.parent)


def remove_tree(path: Path) -> None:
    """Remove a file or a directory with all that is in it, however deep and whatever its permissions.

    Links are removed, never followed. Nothing happens when there is nothing. Directories are moved up before they
    are emptied, so neither the depth of the tree nor the length of a path is a limit.

    Raises:
        StoreError: Something in it cannot be removed; the message names it.
    """
    with guard(path):
        try:
            status = path.lstat()
        except FileNotFoundError:
            return
        checkpoint("remove", path)
        if not stat.S_ISDIR(status.st_mode):
            path.unlink()
            return
    with guard(path):
        path.chmod(0o700)
        fresh = (path / f".replay-removed-{os.urandom(8).hex()}" for _ in itertools.count())
        while children := list(os.scandir(path)):
            for child in children:
                _remove_child(child, fresh)
        path.rmdir()


def _remove_child(child: os.DirEntry[str], fresh: Iterator[Path]) -> None:
    with guard(Path(child.path)):
        if not child.is_dir(follow_symlinks=False):
            Path(child.path).unlink()
            return
        Path(child.path).chmod(0o700)
        for inner in list(os.scandir(child.path)):
            if inner.is_dir(follow_symlinks=False):
                Path(inner.path).chmod(0o700)  # a directory that moves has its ".." written
                Path(inner.path).rename(next(fresh))
            else:
                Path(inner.path).unlink()
        Path(child.path).rmdir()
