"""What goes wrong with an SQLite file, in words."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from replay.errors import StoreBusyError, StoreCorruptError, StoreError

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_NOT_OURS = ("no such table", "no such column", "Could not decode to UTF-8")
"""The driver's own words for what has no code: tables and text that this program did not write."""


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn an error of the driver in the body into a `StoreError` that names ``path`` and a remedy."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter: the message quotes a damaged name
        raise trouble(error, path) from error


def trouble(error: BaseException, path: Path) -> StoreError:
    """The `StoreError` for an error of the driver."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _BUSY:
        return StoreBusyError(f"{path}: {error}", hint="another process writes; run the same command again")
    if code in _CORRUPT or isinstance(error, UnicodeDecodeError) or str(error).startswith(_NOT_OURS):
        return StoreCorruptError(f"{path}: {error}", hint="bring the file back from a backup; nothing was changed")
    if code == sqlite3.SQLITE_FULL:
        return StoreError(f"{path}: {error}", hint=f"free space on the disk of {path.parent}; nothing was half-written")
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
        return StoreError(f"{path}: {error}", hint=f"make {path} and its directory readable and writable")
    return StoreError(f"{path}: {error}")
