"""The lineage database in PostgreSQL, for teams. The only importer of psycopg."""

from __future__ import annotations

import contextlib
import functools
import itertools
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo

from replay.errors import CommitLostError, StoreBusyError, StoreCorruptError, StoreError
from replay.store.interface import Cursor, Database, Row
from replay.store.steps import checkpoint, guard

BUSY_SECONDS = 30
TURN = 0x52504C59
"""Key of the advisory lock that writers take turns by."""
_COPY_FROM = 200
"""So many rows go by COPY; fewer by INSERT."""
_FETCH = 20_000
_STREAMS = itertools.count(1)
_WHOLE = "SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on"
"""Tables that are read whole want the plans that the hot reads switch off."""
# The hot reads follow a recursion of unknown size row by row; the planner would rather scan whole tables for it.
_OPTIONS = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off -c enable_material=off"

_FORM = (
    "write postgresql://USER@HOST:PORT/DATABASE; the password comes from PGPASSWORD or ~/.pgpass, "
    "or stands in the address with its @ as %40 and its / as %2F"
)
_REFUSED = (
    "is the server up, and are user, password and database right? The password comes from PGPASSWORD or ~/.pgpass"
)
_NO_TABLES = "is it the right database? `replay store init` makes the tables in a new one"
_AGAIN = "nothing was half-written; when the server is back, run the same command again"


def place_of(url: str) -> str:
    """The address without its password, for people.

    Raises:
        StoreError: It is no PostgreSQL address.
    """
    unreadable = StoreError("got an address that PostgreSQL cannot read", hint=_FORM)
    try:
        parts = {key: str(part or "") for key, part in conninfo.conninfo_to_dict(url).items()}
    except psycopg.ProgrammingError:
        raise unreadable from None  # its own message repeats the address, and with it the password
    host, port, name = (parts.get(key, "") for key in ("host", "port", "dbname"))
    if "@" in host + name or not re.fullmatch("[0-9,]*", port):
        raise unreadable  # these are parts of a password that has an @ or a /
    return f"postgresql://{host or 'local socket'}{port and ':'}{port}/{name or parts.get('user', '')}"


def connect(url: str, **options: Any) -> psycopg.Connection[Row]:
    """Connect to ``url``.

    Raises:
        StoreError: No server answers, or it refuses.
    """
    try:
        # UTF-8 whatever the server's or the user's settings say: else a name could be refused, or come back as bytes.
        return psycopg.connect(url, connect_timeout=10, client_encoding="utf8", application_name="replay", **options)
    except psycopg.OperationalError as error:
        raise StoreError(f"{place_of(url)}: {_first(error)}", hint=_REFUSED) from error


@contextlib.contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn an error of the driver in the body into a `StoreError` that names ``place`` and a remedy."""
    try:
        yield
    except psycopg.errors.LockNotAvailable as error:
        raise StoreBusyError(
            f"{place}: other writers held it for more than {BUSY_SECONDS} s", hint="run the same command again"
        ) from error
    except psycopg.OperationalError as error:
        raise StoreError(f"{place}: {_first(error)}", hint=_AGAIN) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise StoreError(f"{place}: {_first(error)}", hint="ask its owner for the right to do this") from error
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
        raise StoreCorruptError(f"{place}: {_first(error)}", hint=_NO_TABLES) from error
    except psycopg.Error as error:
        raise StoreError(f"{place}: {_first(error)}") from error


def _first(error: psycopg.Error) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@functools.lru_cache(maxsize=1024)
def _native(sql: str) -> str:
    return sql.replace("?", "%s")


class _PostgresCursor(Cursor):
    def __init__(self, connection: psycopg.Connection[Row], place: str) -> None:
        self._connection = connection
        self._place = place

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        with translated(self._place):
            cursor = self._connection.execute(_native(sql), values or None)
            return cursor.fetchall() if cursor.description else []

    def stream(self, sql: str, values: Sequence[Any] = ()) -> Generator[Row, None, None]:
        with translated(self._place):
            self._connection.execute(_WHOLE, prepare=False)
            with self._connection.cursor(name=f"stream_{next(_STREAMS)}") as cursor:
                cursor.itersize = _FETCH
                cursor.execute(_native(sql), values or None)
                yield from cursor

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        if not rows:
            return
        with translated(self._place), self._connection.cursor() as cursor:
            if len(rows) < _COPY_FROM:
                cursor.executemany(f"INSERT INTO {table} VALUES ({','.join(['%s'] * len(rows[0]))})", rows)
                return
            with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)


class PostgresDatabase(Database):
    """The database at ``url``; its tables are found by the search path."""

    shared = True
    any = "= ANY(?)"

    def __init__(self, url: str) -> None:
        """Connect.

        Raises:
            StoreError: No server answers, it refuses, or the tables were made by an older or newer program.
            StoreCorruptError: It holds no lineage tables.
        """
        from replay.store.migrating import require_known

        self.url = url
        self.place = place_of(url)
        self._snapshots = 0
        self._reader: psycopg.Connection[Row] | None = None
        self._writer: psycopg.Connection[Row] | None = None
        try:
            require_known(self)
        except BaseException:
            self.close()
            raise

    def many(self, numbers: Iterable[int]) -> Any:
        """The numbers as one value."""
        return list(numbers)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Read with one statement."""
        with translated(self.place):
            cursor = self._read(_native(sql), values)
            return cursor.fetchall() if cursor.description else []

    def stream(self, sql: str, values: Sequence[Any] = ()) -> Generator[Row, None, None]:
        """Read bit by bit."""
        with self.snapshot(), translated(self.place):
            reader = self._reading()
            reader.execute(_WHOLE, prepare=False)
            with reader.cursor(name=f"stream_{next(_STREAMS)}") as cursor:
                cursor.itersize = _FETCH
                cursor.execute(_native(sql), values or None)
                yield from cursor

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """One state for all reads of the body."""
        if not self._snapshots:
            with translated(self.place):
                self._read("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self._snapshots += 1
        try:
            yield
        finally:
            self._snapshots -= 1
            if not self._snapshots and not self._lost(self._reader):
                with translated(self.place):
                    self._reading().execute("COMMIT")

    def auditing(self) -> contextlib.AbstractContextManager[None]:
        """As `snapshot`: the server refuses text that is no UTF-8."""
        return self.snapshot()

    def damages(self) -> Iterator[tuple[str, str]]:
        """Nothing: the server checks its pages itself."""
        return iter(())

    @contextlib.contextmanager
    def writing(self) -> Iterator[Cursor]:
        """Keep other writers out; one commit at the end."""
        connection = self._begin()
        try:
            yield _PostgresCursor(connection, self.place)
            with guard(Path(self.place)):
                checkpoint("commit", self.place)
            self._commit(connection)
        except BaseException:
            _take_back(connection)
            raise

    def loading(self) -> contextlib.AbstractContextManager[Cursor]:
        """As `writing`: rows go by COPY."""
        return self.writing()

    def close(self) -> None:
        """Close all connections."""
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()
        self._reader = self._writer = None

    def _read(self, sql: str, values: Sequence[Any] = ()) -> psycopg.Cursor[Row]:
        """Ask; once more on a new connection when the old one broke while nothing hung on it."""
        try:
            return self._reading().execute(sql, values or None)
        except psycopg.OperationalError:
            if self._snapshots or not self._lost(self._reader):
                raise
            return self._reading().execute(sql, values or None)

    def _begin(self) -> psycopg.Connection[Row]:
        """A connection in a transaction, whose turn it is."""
        # Else a server that defaults to another level would show what there was before the turn came.
        begin = f"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '{BUSY_SECONDS}s'"
        with translated(self.place):
            try:
                self._writing().execute(begin, prepare=False)
            except psycopg.OperationalError:
                if not self._lost(self._writer):
                    raise
                self._writing().execute(begin, prepare=False)
            connection = self._writing()
            try:
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (TURN,))
            except BaseException:
                _take_back(connection)
                raise
        return connection

    def _commit(self, connection: psycopg.Connection[Row]) -> None:
        with translated(self.place):
            try:
                ended = connection.execute("COMMIT").statusmessage
            except psycopg.OperationalError as error:
                if not self._lost(connection):
                    raise
                raise CommitLostError(f"{self.place}: {_first(error)}", hint=_AGAIN) from error
        if ended != "COMMIT":  # the server's way to say that an earlier statement had failed
            raise StoreError(f"{self.place}: got {ended} from the server, expected COMMIT", hint="nothing was written")

    def _reading(self) -> psycopg.Connection[Row]:
        # Never a new one in the middle of a snapshot: it would show another state.
        if self._reader is None or (self._reader.closed and not self._snapshots):
            self._reader = self._connect()
        return self._reader

    def _writing(self) -> psycopg.Connection[Row]:
        if self._writer is None or self._writer.closed:
            self._writer = self._connect()
        return self._writer

    def _connect(self) -> psycopg.Connection[Row]:
        given = conninfo.conninfo_to_dict(self.url).get("options") or ""
        return connect(self.url, options=f"{given} {_OPTIONS}".strip(), autocommit=True, prepare_threshold=2)

    @staticmethod
    def _lost(connection: psycopg.Connection[Row] | None) -> bool:
        return connection is None or connection.closed or connection.broken


def _take_back(connection: psycopg.Connection[Row]) -> None:
    try:
        connection.execute("ROLLBACK")
    except psycopg.Error:
        connection.close()  # the server takes it back when the connection ends
