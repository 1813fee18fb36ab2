"""The seam between the store and a database: rows in, rows out. SQL is written once, with ``?`` for values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

Row = tuple[Any, ...]
REVISION = "0001"
"""The newest schema this program knows; those before it are `migrating.REVISIONS`."""


class Cursor(ABC):
    """One write transaction."""

    @abstractmethod
    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run one statement; what it returns."""

    @abstractmethod
    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows that give every column of ``table`` in its order."""


class Database(ABC):
    """A lineage database that is open. One thread at a time.

    Attributes:
        place: What it is called in messages; never with a password.
    """

    place: str
    any: str
    """SQL after a column: it is one of the integers in the one value `many` made."""

    @abstractmethod
    def many(self, numbers: Iterable[int]) -> Any:
        """A value for `any`."""

    @abstractmethod
    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Read with one statement.

        Raises:
            StoreError: The database cannot be read.
        """

    @abstractmethod
    def stream(self, sql: str, values: Sequence[Any] = ()) -> Iterator[Row]:
        """Read with one statement whose answer may not fit into memory.

        Raises:
            StoreError: The database cannot be read.
        """

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[None]:
        """All reads of the body see one state of the database."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[Cursor]:
        """Keep every other writer out, and end in one durable commit; an exception takes everything back.

        Raises:
            StoreError: The database cannot be written; nothing was.
            StoreBusyError: Another process wrote for too long.
        """

    @abstractmethod
    def loading(self) -> AbstractContextManager[Cursor]:
        """As `writing`, for very many rows; an empty database gets its indexes at the end."""

    @abstractmethod
    def close(self) -> None:
        """Close all connections."""
