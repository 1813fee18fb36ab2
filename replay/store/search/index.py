"""The seam between the search and the database that its index lies in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from replay.store.interface import Row


class State(NamedTuple):
    """What an index was made from, and how far it goes."""

    store: str
    tx: int
    """The last transaction of the record that is in it."""
    leaf: bytes
    """Of that transaction: another record with the same number of transactions has another one."""
    node: int
    facet: int
    text: int
    """The last number given to a text."""
    part: int
    """The last number given to a part, which are below zero."""


class IndexCursor(ABC):
    """One change of the index, all or nothing."""

    @abstractmethod
    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Run one statement; what it returns."""

    @abstractmethod
    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Insert rows that give every column; those whose key is there already are left out."""

    @abstractmethod
    def insert_texts(self, rows: Sequence[Row]) -> None:
        """Insert rows of ``search_texts``, each with its words, one after the other, in a last column."""


class IndexDatabase(ABC):
    """A database for a search index; it need not be there yet.

    Attributes:
        place: What it is called in messages; never with a password.
    """

    place: str
    any: str
    """SQL after a column: it is one of the integers in the one value `many` made."""
    position: str
    """The function that finds one text in another."""
    few: int
    """For up to so many nodes values are looked up one by one; for more, all values of the field are read at once."""

    @abstractmethod
    def many(self, numbers: Iterable[int]) -> Any:
        """A value for `any`."""

    @abstractmethod
    def state(self) -> State | None:
        """How far the index goes; ``None`` when there is none, or none that can be used.

        Raises:
            StoreError: The database cannot be read.
        """

    @abstractmethod
    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        """Read with one statement.

        Raises:
            StoreError: The database cannot be read.
        """

    @abstractmethod
    def reading(self) -> AbstractContextManager[None]:
        """All reads of the body see one state of the index."""

    @abstractmethod
    def alone(self, waiting: Callable[[], None] = lambda: None) -> AbstractContextManager[None]:
        """No other process changes this index; waits until it is one's turn, and says so with ``waiting``.

        Raises:
            StoreBusyError: Another process kept it for very long.
            StoreError: It cannot be written here.
        """

    @abstractmethod
    def updating(self) -> AbstractContextManager[IndexCursor]:
        """Change the index, all or nothing.

        Raises:
            StoreError: It cannot be written; it is as it was.
        """

    @abstractmethod
    def rebuilding(self) -> AbstractContextManager[IndexCursor]:
        """Make an index from nothing; the one that was there is replaced at the end, all or nothing.

        Raises:
            StoreError: It cannot be written; it is as it was.
        """

    @abstractmethod
    def matching(self, words: Sequence[str], *, begins: bool) -> tuple[str, Any]:
        """SQL that says of a row ``t`` of ``search_texts`` whether these words stand in it, and its one value."""

    @abstractmethod
    def close(self) -> None:
        """Close all connections."""
