"""The lineage database as an SQLite file: the default. Never imports SQLAlchemy."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from replay.errors import StoreCorruptError, StoreError
from replay.store import fsops
from replay.store.interface import Cursor, Database, Row
from replay.store.sqlite_errors import translated, trouble

APPLICATION_ID = 0x52504C59  # "RPLY": tells our file from any other SQLite database
BUSY_SECONDS = 30.0
VERSION_1 = 1
"""``PRAGMA user_version`` of the file of release 0.1; today alembic keeps the revision, and it is 0."""

_MAGIC = b"SQLite format 3\0"
_LOAD_CACHE_KIB = 256 << 10
_LOADED_FIRST = "SELECT name, sql FROM sqlite_master WHERE name IN ('nodes_uid', 'edges_reverse')"
"""The indexes that are made after a load into an empty file."""


def connect(path: Path, *, write: bool = False, query: str = "mode=rw") -> sqlite3.Connection:
    """Open the database file, which must be there, in autocommit mode.

    Raises:
        StoreError: It cannot be opened.
    """
    with translated(path):
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?{query}",
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
            connection.execute("PRAGMA mmap_size = 4294967296")
            connection.execute("PRAGMA cache_size = -65536")
    return connection


class SqliteDatabase(Database):
    """The file ``path``. Several processes may read and write it at once."""

    shared = False
    any = "IN (SELECT value FROM json_each(?))"

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open the file.

        Args:
            path: The file, which is there.
            read_only: It belongs to somebody else: nothing is written, not even beside it where that can be.

        Raises:
            StoreError: It cannot be opened, or was made by a newer program.
            StoreCorruptError: It is no lineage database, or damaged.
        """
        self.path = path
        self.place = str(path)
        self._read_only = read_only
        require_magic(path)
        if not read_only:
            _require_writable(path)
        self._reader = connect(path, query=quiet_query(path) if read_only else "mode=rw")
        self._writer: sqlite3.Connection | None = None
        try:
            self._require_ours()
        except BaseException:
            self.close()
            raise

    def many(self, numbers: Iterable[int]) -> Any:
        """The numbers as one value."""
        return f"[{','.join(map(str, numbers))}]"

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Read with one statement."""
        try:
            return self._reader.execute(sql, values).fetchall()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise trouble(error, self.path) from error

    def stream(self, sql: str, values: Sequence[Any] = ()) -> Generator[Row, None, None]:
        """Read bit by bit."""
        with translated(self.path):
            yield from self._reader.execute(sql, values)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """One state for all reads of the body."""
        if self._reader.in_transaction:
            yield
            return
        self.rows("BEGIN")
        try:
            yield
        finally:
            self.rows("COMMIT")

    @contextlib.contextmanager
    def auditing(self) -> Iterator[None]:
        """As `snapshot`, and text that is no UTF-8 comes as its bytes."""
        self._reader.text_factory = _text_or_bytes
        try:
            with self.snapshot():
                yield
        finally:
            self._reader.text_factory = str

    def damages(self) -> Iterator[tuple[str, str]]:
        """What SQLite finds wrong with its file, and rows that name a row that is not there."""
        for (answer,) in self.stream("PRAGMA integrity_check"):
            if answer != "ok":
                yield "database", answer
        for table, row, parent, _ in self.stream("PRAGMA foreign_key_check"):
            yield f"table {table}", f"row {row} names a row of {parent} that is not there"

    @contextlib.contextmanager
    def writing(self) -> Iterator[Cursor]:
        """Keep other writers out; one commit at the end."""
        self._require_mine()
        with self._turn(), self._transaction(self._write_connection()) as cursor:
            yield cursor

    @contextlib.contextmanager
    def loading(self) -> Iterator[Cursor]:
        """As `writing`. An empty file is written without its log, and indexed once all rows are in."""
        self._require_mine()
        with self._turn(), contextlib.closing(connect(self.path, write=True)) as connection:
            with translated(self.path):
                connection.execute(f"PRAGMA cache_size = -{_LOAD_CACHE_KIB}")
                connection.execute("PRAGMA foreign_keys = OFF")  # the writer looks up both ends of each edge itself
                empty = connection.execute("SELECT 1 FROM nodes LIMIT 1").fetchone() is None
            if empty:
                with self._without_log(connection), self._transaction(connection) as cursor:
                    built = cursor.rows(_LOADED_FIRST)
                    for name, _ in built:
                        cursor.rows(f"DROP INDEX {name}")
                    yield cursor
                    for _, sql in built:
                        cursor.rows(sql)
            else:
                with self._transaction(connection) as cursor:
                    yield cursor

    def close(self) -> None:
        """Close all connections."""
        self._reader.close()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _turn(self) -> contextlib.AbstractContextManager[None]:
        return fsops.turn(self.path.with_suffix(".lock"), BUSY_SECONDS)

    def _require_mine(self) -> None:
        if self._read_only:
            raise StoreError(f"{self.path}: is open for reading only", hint="write to the store it belongs to")

    def _write_connection(self) -> sqlite3.Connection:
        if self._writer is None:
            self._writer = connect(self.path, write=True)
            with translated(self.path):
                _enter_wal(self._writer)  # a load that was killed left it
        return self._writer

    @contextlib.contextmanager
    def _without_log(self, connection: sqlite3.Connection) -> Iterator[None]:
        self.close()  # any open connection keeps the log in use
        try:
            with translated(self.path):
                _leave_wal(connection)
            yield
        finally:
            with translated(self.path):
                _enter_wal(connection)
            self._reader = connect(self.path)

    @contextlib.contextmanager
    def _transaction(self, connection: sqlite3.Connection) -> Iterator[Cursor]:
        from replay.store.sqlite_cursor import SqliteCursor

        with translated(self.path):
            connection.execute("BEGIN IMMEDIATE")
        try:
            yield SqliteCursor(connection, self.path)
            with fsops.guard(self.path):
                fsops.checkpoint("commit", self.path)
            with translated(self.path):
                connection.execute("COMMIT")
        except BaseException:
            with translated(self.path):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            raise

    def _require_ours(self) -> None:
        from replay.store.migrating import require_known

        application = int(self.rows("PRAGMA application_id")[0][0])
        if application != APPLICATION_ID:
            raise StoreCorruptError(
                f"{self.path}: got an SQLite database with application id {application:#x}, "
                f"expected {APPLICATION_ID:#x}",
                hint="this file was not made by replay; move it away",
            )
        if self.rows("PRAGMA user_version") == [(VERSION_1,)]:
            raise StoreError(
                f"{self.path}: was made by release 0.1, whose tables were others",
                hint="`replay store migrate` writes today's, and keeps the old file beside",
            )
        require_known(self)


def _text_or_bytes(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _enter_wal(connection: sqlite3.Connection) -> None:
    """Let readers and a writer work at once. Whoever reads without the log forbids it; the next writer tries again."""
    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL")


def _leave_wal(connection: sqlite3.Connection) -> None:
    """Write pages once, in place. Other processes that read this moment forbid it, and then it stays as it is."""
    connection.execute("PRAGMA busy_timeout = 0")
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")


def may_write(path: Path) -> bool:
    """Whether this user may write a file and its directory, as even readers of the log must."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def quiet_query(path: Path) -> str:
    """How to open a file that is not to be changed: without the index of its log, which readers write, if it can be."""
    log = path.with_name(f"{path.name}-wal")
    quiet = not log.exists() or log.stat().st_size == 0
    return "mode=ro&immutable=1" if quiet and not os.access(path.parent, os.W_OK) else "mode=ro"


def require_magic(path: Path) -> None:
    """Check that a file begins as SQLite's do.

    Raises:
        StoreError: It cannot be read.
        StoreCorruptError: It begins in another way.
    """
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
