"""Writing to an SQLite file: one transaction."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from replay.store.interface import Cursor, Row
from replay.store.sqlite_errors import translated

_MAX_VALUES = 900
_FEW = 20


class SqliteCursor(Cursor):
    """A write transaction on ``connection`` to the file ``path``."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run one statement."""
        with translated(self._path):
            return self._connection.execute(sql, values).fetchall()

    def stream(self, sql: str, values: Sequence[Any] = ()) -> Generator[Row, None, None]:
        """Read bit by bit, what was written here included."""
        with translated(self._path):
            yield from self._connection.execute(sql, values)

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Insert whole rows, many with one statement."""
        if rows:
            with translated(self._path):
                insert_many(self._connection, f"INSERT INTO {table}", rows)


def insert_many(connection: sqlite3.Connection, statement: str, rows: Sequence[Row]) -> None:
    """Run an ``INSERT INTO …`` for rows, of which there is at least one. Raises what the driver raises."""
    width = len(rows[0])
    one = f"({','.join('?' * width)})"
    if len(rows) < _FEW:
        connection.executemany(f"{statement} VALUES {one}", rows)
        return
    # Many rows in one statement: a third less time than one by one, most of it in C without the interpreter's lock.
    count = _MAX_VALUES // width
    whole = len(rows) - len(rows) % count
    many = f"{statement} VALUES {','.join([one] * count)}"
    for start in range(0, whole, count):
        connection.execute(many, list(itertools.chain.from_iterable(rows[start : start + count])))
    connection.executemany(f"{statement} VALUES {one}", rows[whole:])
