"""Connections to the lineage database, and its errors in words. Never imports SQLAlchemy."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from replay.errors import StoreBusyError, StoreCorruptError, StoreError

VERSION = 1
APPLICATION_ID = 0x52504C59  # "RPLY": tells our file from any other SQLite database
BUSY_SECONDS = 30.0

_MAGIC = b"SQLite format 3\0"
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}


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
    if code in _CORRUPT or isinstance(error, UnicodeDecodeError):
        return StoreCorruptError(f"{path}: {error}", hint="bring the file back from a backup; nothing was changed")
    if code == sqlite3.SQLITE_FULL:
        return StoreError(f"{path}: {error}", hint=f"free space on the disk of {path.parent}; nothing was half-written")
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
        return StoreError(f"{path}: {error}", hint=f"make {path} and its directory readable and writable")
    return StoreError(f"{path}: {error}")


def connect(path: Path, *, write: bool = False) -> sqlite3.Connection:
    """Open the database file, which must be there, in autocommit mode.

    Raises:
        StoreError: It cannot be opened.
    """
    with translated(path):
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=rw",
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute("PRAGMA trusted_schema = OFF")  # the file may come from elsewhere
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA recursive_triggers = ON")  # or REPLACE would get past the triggers
        if write:
            connection.execute("PRAGMA synchronous = FULL")
        else:
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA mmap_size = 268435456")
    return connection


def require_ours(path: Path) -> None:
    """Check that the file is a lineage database that this program can use.

    Raises:
        StoreError: Not writable, or made by a newer program.
        StoreCorruptError: Not a lineage database, or damaged.
    """
    _require_magic(path)
    _require_writable(path)
    with contextlib.closing(connect(path)) as connection, translated(path):
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        application = int(connection.execute("PRAGMA application_id").fetchone()[0])
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID:
        raise StoreCorruptError(
            f"{path}: got an SQLite database with application id {application:#x}, expected {APPLICATION_ID:#x}",
            hint="this file was not made by replay; move it away",
        )
    if version > VERSION:
        raise StoreError(
            f"{path}: got schema version {version}, expected at most {VERSION}",
            hint="install a newer release of replay",
        )


def _require_magic(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}", hint=f"make {path} readable for this user") from error
    if head != _MAGIC:
        raise StoreCorruptError(f"{path}: got {head!r} at its start, expected an SQLite database", hint="move it away")


def _require_writable(path: Path) -> None:
    for needed in (path, path.parent):
        if not os.access(needed, os.W_OK):
            raise StoreError(
                f"{needed}: is read-only, expected write permission",
                hint="even readers share the write-ahead log; copy the store to a writable place",
            )
