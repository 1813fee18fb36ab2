"""The lineage database in PostgreSQL, for teams. The only importer of psycopg."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import psycopg
from psycopg import conninfo

from replay.errors import StoreBusyError, StoreCorruptError, StoreError
from replay.store.interface import Cursor, Database, Row
from replay.store.steps import checkpoint

BUSY_SECONDS = 30
_TURN = 0x52504C59
"""Key of the advisory lock that writers take turns by."""
_COPY_FROM = 200
"""So many rows go by COPY; fewer by INSERT."""
_FETCH = 20_000
# The hot reads follow a recursion of unknown size row by row; the planner would rather scan whole tables for it.
_OPTIONS = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off -c enable_material=off"


def place_of(url: str) -> str:
    """The address without its password, for people.

    Raises:
        StoreError: It is no PostgreSQL address.
    """
    try:
        parts = conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise StoreError(f"got an address that PostgreSQL cannot read: {error}", hint=_FORM) from error
    host = parts.get("host") or "local socket"
    port = f":{parts['port']}" if parts.get("port") else ""
    return f"postgresql://{host}{port}/{parts.get('dbname') or parts.get('user') or ''}"


_FORM = "write postgresql://USER@HOST:PORT/DATABASE; the password comes from PGPASSWORD or ~/.pgpass"


@functools.lru_cache(maxsize=1024)
def _native(sql: str) -> str:
    return sql.replace("?", "%s")


class _PostgresCursor(Cursor):
    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        cursor = self._connection.execute(_native(sql), values or None)
        return cursor.fetchall() if cursor.description else []

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        if not rows:
            return
        with self._connection.cursor() as cursor:
            if len(rows) < _COPY_FROM:
                cursor.executemany(f"INSERT INTO {table} VALUES ({','.join(['%s'] * len(rows[0]))})", rows)
                return
            with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)


class PostgresDatabase(Database):
    """The database at ``url``; its tables are found by the search path."""

    any = "= ANY(?)"

    def __init__(self, url: str) -> None:
        """Connect.

        Raises:
            StoreError: No server answers, it refuses, or the tables were made by a newer program.
        """
        from replay.store.migrating import require_known

        self.url = url
        self.place = place_of(url)
        self._streams = itertools.count(1)
        self._reader: psycopg.Connection[Row] | None = None
        self._writer: psycopg.Connection[Row] | None = None
        require_known(self)

    def many(self, numbers: Iterable[int]) -> Any:
        """The numbers as one value."""
        return list(numbers)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Read with one statement."""
        with self._translated():
            try:
                cursor = self._reading().execute(_native(sql), values or None)
            except psycopg.OperationalError:
                if not self._lost(self._reader):
                    raise
                self._reader = None  # the server was restarted: ask the new one
                cursor = self._reading().execute(_native(sql), values or None)
            return cursor.fetchall() if cursor.description else []

    def stream(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Row]:
        """Read bit by bit."""
        with self._translated(), contextlib.ExitStack() as stack:
            reader = self._reading()
            if reader.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
                stack.enter_context(reader.transaction())
            # Tables that are read whole want the plans that the hot reads switch off.
            reader.execute("SET LOCAL enable_seqscan = on; SET LOCAL enable_hashjoin = on")
            cursor = stack.enter_context(reader.cursor(name=f"stream_{next(self._streams)}"))
            cursor.itersize = _FETCH
            cursor.execute(_native(sql), values or None)
            yield from cursor

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """One state for all reads of the body."""
        reader = self._reading()
        if reader.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            yield
            return
        with self._translated():
            reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield
        finally:
            if not self._lost(reader):
                reader.execute("COMMIT")

    @contextlib.contextmanager
    def writing(self) -> Iterator[Cursor]:
        """Keep other writers out; one commit at the end."""
        with self._translated():
            connection = self._writing()
            connection.execute("BEGIN")
            try:
                connection.execute(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_TURN,))
                yield _PostgresCursor(connection)
                checkpoint("commit", self.place)
                connection.execute("COMMIT")
            except BaseException:
                if self._lost(connection):
                    self._writer = None
                else:
                    connection.execute("ROLLBACK")
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

    def _reading(self) -> psycopg.Connection[Row]:
        if self._reader is None or self._reader.closed:
            self._reader = self._connect()
        return self._reader

    def _writing(self) -> psycopg.Connection[Row]:
        if self._writer is None or self._writer.closed:
            self._writer = self._connect()
        return self._writer

    def _connect(self) -> psycopg.Connection[Row]:
        parts = conninfo.conninfo_to_dict(self.url)
        options = f"{parts.get('options') or ''} {_OPTIONS}".strip()
        return psycopg.connect(
            self.url,
            options=options,
            autocommit=True,
            connect_timeout=10,
            application_name="replay",
            prepare_threshold=2,
        )

    @staticmethod
    def _lost(connection: psycopg.Connection[Row] | None) -> bool:
        return connection is None or connection.closed or connection.broken

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.errors.LockNotAvailable as error:
            raise StoreBusyError(
                f"{self.place}: other writers held it for more than {BUSY_SECONDS} s", hint="run the same command again"
            ) from error
        except psycopg.OperationalError as error:
            raise StoreError(
                f"{self.place}: {_first(error)}",
                hint="nothing was half-written; when the server is back, run the same command again",
            ) from error
        except psycopg.errors.InsufficientPrivilege as error:
            raise StoreError(f"{self.place}: {_first(error)}", hint="ask its owner for the right to do this") from error
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn) as error:
            raise StoreCorruptError(
                f"{self.place}: {_first(error)}", hint="`replay store init` makes the tables"
            ) from error
        except psycopg.Error as error:
            raise StoreError(f"{self.place}: {_first(error)}") from error


def _first(error: psycopg.Error) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
