"""The lineage database as an SQLite file: the default. Never imports SQLAlchemy."""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from replay.errors import StoreBusyError, StoreCorruptError, StoreError
from replay.store import fsops
from replay.store.interface import Cursor, Database, Row

APPLICATION_ID = 0x52504C59  # "RPLY": tells our file from any other SQLite database
BUSY_SECONDS = 30.0

_MAGIC = b"SQLite format 3\0"
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_MAX_VALUES = 900
_LOAD_CACHE_KIB = 256 << 10


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


class _SqliteCursor(Cursor):
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._connection.execute(sql, values).fetchall()

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        if not rows:
            return
        width = len(rows[0])
        one = f"({','.join('?' * width)})"
        if len(rows) < 20:
            self._connection.executemany(f"INSERT INTO {table} VALUES {one}", rows)
            return
        # Many rows in one statement: a third less time than one by one, most of it in C without the interpreter's lock.
        count = _MAX_VALUES // width
        whole = len(rows) - len(rows) % count
        many = f"INSERT INTO {table} VALUES {','.join([one] * count)}"
        for start in range(0, whole, count):
            self._connection.execute(many, list(itertools.chain.from_iterable(rows[start : start + count])))
        self._connection.executemany(f"INSERT INTO {table} VALUES {one}", rows[whole:])


class SqliteDatabase(Database):
    """The file ``path``. Several processes may read and write it at once."""

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
        _require_magic(path)
        if not read_only:
            _require_writable(path)
        self._reader = connect(path, query=_query(path) if read_only else "mode=rw")
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

    def stream(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Row]:
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
    def writing(self) -> Iterator[Cursor]:
        """Keep other writers out; one commit at the end."""
        with self._turn(), self._transaction(self._write_connection()) as cursor:
            yield cursor

    @contextlib.contextmanager
    def loading(self) -> Iterator[Cursor]:
        """As `writing`. An empty file is written without its log, and indexed once all rows are in."""
        with self._turn():
            connection = self._write_connection()
            empty = connection.execute("SELECT count(*) FROM (SELECT 1 FROM nodes LIMIT 1)").fetchone()[0] == 0
            connection.execute(f"PRAGMA cache_size = -{_LOAD_CACHE_KIB}")
            connection.execute("PRAGMA foreign_keys = OFF")  # the writer looks up both ends of each edge itself
            try:
                if not empty:
                    with self._transaction(connection) as cursor:
                        yield cursor
                    return
                self._reader.close()  # any open connection keeps the log in use
                with translated(self.path):
                    _leave_wal(connection)
                with self._transaction(connection) as cursor:
                    built = cursor.rows(
                        "SELECT name, sql FROM sqlite_master WHERE name IN ('nodes_uid', 'edges_reverse')"
                    )
                    for name, _ in built:
                        cursor.rows(f"DROP INDEX {name}")
                    yield cursor
                    for _, sql in built:
                        cursor.rows(sql)
            finally:
                with translated(self.path):
                    connection.execute("PRAGMA journal_mode = WAL")
                    connection.execute("PRAGMA foreign_keys = ON")
                    connection.execute("PRAGMA cache_size = -2000")
                self._reader = connect(self.path)

    def close(self) -> None:
        """Close all connections."""
        self._reader.close()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def raw(self) -> sqlite3.Connection:
        """The reading connection, for audits."""
        return self._reader

    def _turn(self) -> contextlib.AbstractContextManager[None]:
        return fsops.turn(self.path.with_suffix(".lock"), BUSY_SECONDS)

    def _write_connection(self) -> sqlite3.Connection:
        if self._read_only:
            raise StoreError(f"{self.path}: is open for reading only", hint="write to the store it belongs to")
        if self._writer is None:
            self._writer = connect(self.path, write=True)
        return self._writer

    @contextlib.contextmanager
    def _transaction(self, connection: sqlite3.Connection) -> Iterator[Cursor]:
        with translated(self.path):
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield _SqliteCursor(connection)
                with fsops.guard(self.path):
                    fsops.checkpoint("commit", self.path)
                connection.execute("COMMIT")
            except BaseException:
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
        require_known(self)


def _leave_wal(connection: sqlite3.Connection) -> None:
    """Write pages once, in place. Other processes that read this moment forbid it, and then it stays as it is."""
    connection.execute("PRAGMA busy_timeout = 0")
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")


def _query(path: Path) -> str:
    """How to open a file that is not to be changed: without the index of its log, which readers write, if it can be."""
    log = path.with_name(f"{path.name}-wal")
    quiet = not log.exists() or log.stat().st_size == 0
    return "mode=ro&immutable=1" if quiet and not os.access(path.parent, os.W_OK) else "mode=ro"


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
