"""The seam between the store and a database: rows in, rows out. SQL is written once, with ``?`` for values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

Row = tuple[Any, ...]
REVISION = "0001"
"""The newest schema this program knows; those before it are `migrating.REVISIONS`."""


class Cursor(ABC):
    """One write transaction."""

    @abstractmethod
    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run one statement; what it returns.

        Raises:
            StoreError: The database refuses, or is gone.
        """

    @abstractmethod
    def stream(self, sql: str, values: Sequence[Any] = ()) -> Generator[Row, None, None]:
        """Read with one statement whose answer may not fit into memory, what was written here included.

        Raises:
            StoreError: The database cannot be read.
        """

    @abstractmethod
    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows that give every column of ``table`` in its order.

        Raises:
            StoreError: The database refuses, or is gone.
        """


class Database(ABC):
    """A lineage database that is open. One thread at a time.

    Attributes:
        place: What it is called in messages; never with a password.
    """

    place: str
    shared: bool
    """Whether several ``.replay`` directories, each with a journal of its own, may have their lineage in it."""
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
    def stream(self, sql: str, values: Sequence[Any] = ()) -> Generator[Row, None, None]:
        """Read with one statement whose answer may not fit into memory.

        Raises:
            StoreError: The database cannot be read.
        """

    @abstractmethod
    def snapshot(self) -> AbstractContextManager[None]:
        """All reads of the body see one state of the database.

        Raises:
            StoreError: The database cannot be read.
        """

    @abstractmethod
    def auditing(self) -> AbstractContextManager[None]:
        """As `snapshot`, for an audit: text that is no UTF-8 comes as its bytes, so that its row can be named."""

    @abstractmethod
    def damages(self) -> Iterator[tuple[str, str]]:
        """Place and problem of everything that the database itself finds damaged.

        Raises:
            StoreError: The database cannot be read.
        """

    @abstractmethod
    def writing(self) -> AbstractContextManager[Cursor]:
        """Keep every other writer out, and end in one durable commit; an exception takes everything back.

        What the body raises is raised as it is.

        Raises:
            StoreError: The database cannot be written; nothing was.
            StoreBusyError: Another process wrote for too long.
            CommitLostError: No answer came to the commit.
        """

    @abstractmethod
    def loading(self) -> AbstractContextManager[Cursor]:
        """As `writing`, for very many rows; an empty database gets its indexes at the end."""

    @abstractmethod
    def close(self) -> None:
        """Close all connections."""


Reads = Database | Cursor
"""What has ``rows`` and ``stream``."""
