"""The search index as tables in the PostgreSQL database that holds the record."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import psycopg

from replay.errors import StoreError
from replay.store.interface import Row
from replay.store.postgres import connect, place_of, translated
from replay.store.search import schema
from replay.store.search.index import IndexCursor, IndexDatabase, State

WAIT_SECONDS = 3600
_BUILD, _READ = 0x52504C60, 0x52504C61
"""Keys of the advisory locks: who changes the index; who reads it, and may not have its tables taken away."""
_OPTIONS = "-c jit=off -c work_mem=256MB -c random_page_cost=1.1 -c max_parallel_workers_per_gather=0"
"""The sets that a search makes, and the index, are in memory; compiling and workers take longer than most searches."""
_STATE = "SELECT store, tx, leaf, node, facet, text, part FROM search_state"

_ROLES = (
    "SELECT quote_ident(r.rolname), bool_or(a.privilege_type = 'INSERT') FROM pg_class c "
    "CROSS JOIN aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a JOIN pg_roles r ON r.oid = a.grantee "
    "WHERE c.oid = to_regclass('nodes') AND a.privilege_type IN ('SELECT', 'INSERT') AND r.rolname <> current_user "
    "GROUP BY 1"
)


class _Cursor(IndexCursor):
    def __init__(self, connection: psycopg.Connection[Row], place: str) -> None:
        self._connection = connection
        self._place = place

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return _ask(self._connection, self._place, sql, values)

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        if table in {"search_links", "search_keys", "search_parts"}:
            self._insert_new(table, rows)
        else:
            self._copy(table, rows)

    def insert_texts(self, rows: Sequence[Row]) -> None:
        self._copy("search_texts", [(*row[:-1], _vector(row[-1])) for row in rows])

    def _insert_new(self, table: str, rows: Sequence[Row]) -> None:
        if rows:
            self.rows(f"CREATE TEMPORARY TABLE IF NOT EXISTS new_{table} (LIKE {table}) ON COMMIT DROP")
            self._copy(f"new_{table}", rows)
            self.rows(f"INSERT INTO {table} SELECT * FROM new_{table} ON CONFLICT DO NOTHING")
            self.rows(f"TRUNCATE new_{table}")

    def _copy(self, table: str, rows: Sequence[Row]) -> None:
        if not rows:
            return
        with translated(self._place), self._connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as c:
            for row in rows:
                c.write_row(row)


class PostgresIndex(IndexDatabase):
    """The index in the database at ``url``; its tables are found by the search path."""

    any = "= ANY(?)"
    position = "strpos"
    few = 200

    def __init__(self, url: str) -> None:
        """Nothing is opened or made before it is needed."""
        self.place = place_of(url)
        self._url = url
        self._connection: psycopg.Connection[Row] | None = None

    def many(self, numbers: Iterable[int]) -> Any:
        """The numbers as one value."""
        return list(numbers)

    def state(self) -> State | None:
        """How far the index goes."""
        if self.rows("SELECT to_regclass('search_state')")[0][0] is None:
            return None
        made = self.rows("SELECT obj_description(to_regclass('search_state'), 'pg_class')")[0][0]
        if made != str(schema.VERSION):
            return None
        found = self.rows(_STATE)  # empty after a crash of the server, as all of it is
        return State(*found[0]) if found else None

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Read with one statement."""
        return _ask(self._open(), self.place, sql, values)

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """One state for all reads of the body, and its tables stay."""
        self.rows("SELECT pg_advisory_lock_shared(?)", (_READ,))
        try:
            self.rows("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield
        finally:
            self._let_go("SELECT pg_advisory_unlock_shared(?)", _READ)

    @contextlib.contextmanager
    def alone(self, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Keep every other process out."""
        self.rows(f"SET lock_timeout = '{WAIT_SECONDS}s'")
        if not self.rows("SELECT pg_try_advisory_lock(?)", (_BUILD,))[0][0]:
            waiting()
            self.rows("SELECT pg_advisory_lock(?)", (_BUILD,))
        try:
            yield
        finally:
            self._let_go("SELECT pg_advisory_unlock(?)", _BUILD)

    @contextlib.contextmanager
    def updating(self) -> Iterator[IndexCursor]:
        """One transaction."""
        connection = self._open()
        self.rows("BEGIN ISOLATION LEVEL READ COMMITTED")
        try:
            yield _Cursor(connection, self.place)
            self.rows("COMMIT")
        except BaseException:
            with contextlib.suppress(psycopg.Error):
                connection.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def rebuilding(self) -> Iterator[IndexCursor]:
        """The tables anew, while nobody reads them."""
        self._require_right()
        with self.updating() as cursor:
            cursor.rows("SELECT pg_advisory_xact_lock(?)", (_READ,))
            for statement in schema.postgres():
                cursor.rows(statement)
            yield cursor
            for statement in schema.postgres_indexes():
                cursor.rows(statement)
            cursor.rows(f"COMMENT ON TABLE search_state IS '{schema.VERSION}'")
            self._share(cursor)
        for table in schema.TABLES:
            self.rows(f"ANALYZE {table}")

    def matching(self, words: Sequence[str], *, begins: bool) -> tuple[str, Any]:
        """Words have only letters and digits in them, so nothing in them can mean anything to the server."""
        return "t.words @@ ?::tsquery", " <-> ".join(f"'{word}'" for word in words) + (":*" if begins else "")

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> psycopg.Connection[Row]:
        if self._connection is None or self._connection.closed:
            given = psycopg.conninfo.conninfo_to_dict(self._url).get("options") or ""
            options = f"{given} {_OPTIONS}".strip()
            self._connection = connect(self._url, options=options, autocommit=True, prepare_threshold=None)
        return self._connection

    def _let_go(self, sql: str, key: int) -> None:
        """End a transaction that is open, and give back a lock; a connection that is lost has none."""
        connection = self._open()
        with contextlib.suppress(psycopg.Error):
            connection.execute("ROLLBACK" if connection.info.transaction_status else "SELECT 1")
            connection.execute(sql.replace("?", "%s"), (key,))

    @staticmethod
    def _share(cursor: IndexCursor) -> None:
        """Whoever may read the record may read its index, and whoever may write it may bring the index up to date."""
        for role, writes in cursor.rows(_ROLES):
            rights = "SELECT, INSERT, UPDATE, DELETE" if writes else "SELECT"
            cursor.rows(f"GRANT {rights} ON {', '.join(schema.TABLES)} TO {role}")

    def _require_right(self) -> None:
        allowed = "SELECT has_schema_privilege(current_schema(), 'CREATE')"
        if not self.rows(allowed)[0][0]:
            raise StoreError(
                f"{self.place}: this user may not make tables here, and the search keeps its index in tables",
                hint="let somebody who may run `replay search` once, or GRANT CREATE ON SCHEMA public; "
                "a store that is attached for reading keeps its index here",
            )


def _ask(connection: psycopg.Connection[Row], place: str, sql: str, values: Sequence[Any]) -> list[Row]:
    with translated(place):
        cursor = connection.execute(sql.replace("?", "%s"), values or None)
        return cursor.fetchall() if cursor.description else []


def _vector(words: str) -> str:
    """Words with their places, as the server keeps them."""
    return " ".join(f"'{word}':{place}" for place, word in enumerate(words.split(), start=1) if word != "¶")
