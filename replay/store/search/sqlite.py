"""The search index as an SQLite file of its own, which may be deleted at any time."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from replay.errors import StoreBusyError, StoreCorruptError
from replay.store import fsops
from replay.store.interface import Row
from replay.store.search import schema
from replay.store.search.index import IndexCursor, IndexDatabase, State
from replay.store.sqlite import connect
from replay.store.sqlite_cursor import insert_many
from replay.store.sqlite_errors import translated

SHORT_SECONDS = 1.0
WAIT_SECONDS = 3600.0
"""Making the index of a great store takes its time."""
_CACHE_KIB = 256 << 10
_STATE = "SELECT store, tx, leaf, node, facet, text, part FROM search_state"
_OURS = "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'search~_%' ESCAPE '~' AND sql IS NOT NULL"
_FAST = ("synchronous = OFF", "journal_mode = OFF")
"""For a file that nobody sees before it is whole and on disk."""


class SqliteCursor(IndexCursor):
    """A change of an index in a file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run one statement."""
        return self._connection.execute(sql, values).fetchall()

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Insert what is not there."""
        if rows:
            insert_many(self._connection, f"INSERT OR IGNORE INTO {table}", rows)

    def insert_texts(self, rows: Sequence[Row]) -> None:
        """Insert texts, and their words beside them."""
        self.insert("search_texts", [row[:-1] for row in rows])
        self.insert("search_words (rowid, words)", [(row[0], row[-1]) for row in rows])


class SqliteIndex(IndexDatabase):
    """The index in the file ``path``."""

    any = "IN (SELECT value FROM json_each(?))"
    position = "instr"
    few = 5_000

    def __init__(self, path: Path, *, mode: int = 0o644) -> None:
        """Nothing is opened or made before it is needed.

        Args:
            path: The file.
            mode: Its permissions when it is made.
        """
        self.path = path
        self._mode = mode
        self.place = str(path)
        self._reader: sqlite3.Connection | None = None

    def many(self, numbers: Iterable[int]) -> Any:
        """The numbers as one value."""
        return f"[{','.join(map(str, numbers))}]"

    def state(self) -> State | None:
        """How far the index goes."""
        if not self.path.is_file():
            return None
        try:
            if self.rows("PRAGMA user_version")[0][0] != schema.VERSION:
                return None
            found = self.rows(_STATE)
        except StoreCorruptError:
            self.close()
            return None
        return State(*found[0]) if found else None

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Read with one statement."""
        with translated(self.path):
            return self._reading().execute(sql, values).fetchall()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """One state for all reads of the body."""
        self.rows("BEGIN")
        try:
            yield
        finally:
            self.rows("COMMIT")

    @contextlib.contextmanager
    def alone(self, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Keep every other process out."""
        fsops.make_dir(self.path.parent)
        file = self.path.with_suffix(".lock")
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(fsops.lock(file, SHORT_SECONDS))
            except StoreBusyError:
                waiting()
                stack.enter_context(fsops.lock(file, WAIT_SECONDS))
            yield

    @contextlib.contextmanager
    def updating(self) -> Iterator[IndexCursor]:
        """One transaction."""
        with self._changing(self.path) as connection:
            yield SqliteCursor(connection)

    @contextlib.contextmanager
    def rebuilding(self) -> Iterator[IndexCursor]:
        """Inside the file that is there, since others may read it; else, or when that is damaged, in a new file."""
        if self._is_whole():
            with self._changing(self.path) as connection:
                for (table,) in connection.execute(_OURS).fetchall():
                    if table == "search_words" or not table.startswith("search_words_"):  # those go with it
                        connection.execute(f"DROP TABLE {table}")
                yield from _made(connection)
            return
        self.close()
        for rest in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + rest).unlink(missing_ok=True)
        fsops.sweep(self.path.parent)
        with fsops.temporary(self.path.parent) as (temp, fd):
            with self._changing(temp, *_FAST) as connection:
                yield from _made(connection)
            with contextlib.closing(connect(temp, write=True)) as connection, translated(self.path):
                connection.execute("PRAGMA journal_mode = WAL")  # stays with the file
            fsops.publish(temp, fd, self.path, mode=self._mode)

    def _is_whole(self) -> bool:
        if not self.path.is_file():
            return False
        try:
            return self.rows("PRAGMA quick_check(1)") == [("ok",)]
        except StoreCorruptError:
            return False

    @contextlib.contextmanager
    def _changing(self, path: Path, *settings: str) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(connect(path, write=True)) as connection, translated(self.path):
            # What is lost with the machine's power is made again, so a commit need not wait for the disk.
            for setting in (f"cache_size = -{_CACHE_KIB}", "synchronous = NORMAL", *settings):
                connection.execute(f"PRAGMA {setting}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def matching(self, words: Sequence[str], *, begins: bool) -> tuple[str, Any]:
        """Words have only letters and digits in them, so nothing in them can mean anything to FTS5."""
        phrase = f'"{" ".join(words)}"{" *" if begins else ""}'
        return "t.id IN (SELECT rowid FROM search_words WHERE search_words MATCH ?)", phrase

    def close(self) -> None:
        """Close the reading connection."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _reading(self) -> sqlite3.Connection:
        if self._reader is None:
            self._reader = connect(self.path)
        return self._reader


def _made(connection: sqlite3.Connection) -> Iterator[IndexCursor]:
    """Make the tables, let them be filled, make the indexes."""
    for statement in schema.sqlite():
        connection.execute(statement)
    yield SqliteCursor(connection)
    for statement in schema.sqlite_indexes():
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {schema.VERSION}")
