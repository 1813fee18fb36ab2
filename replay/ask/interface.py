"""What a walk needs: stores to walk in, and somebody who says which nodes the asker may see."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence

from replay.query import Entry
from replay.store.database import Store


class Place:
    """A store on the walk; ``name`` is empty for one's own."""

    def __init__(self, store: Store, name: str = "") -> None:
        self.store = store
        self.name = name


class Guard(ABC):
    """Says what the asker may see."""

    @abstractmethod
    def readable(self, place: Place, entries: Collection[Entry]) -> set[str]:
        """The uids of those nodes of a store that the asker may read."""


class Ground:
    """Where a question is asked: one's own store first, then those that are attached."""

    def __init__(self, places: Sequence[Place], guard: Guard | None = None) -> None:
        self.places = places
        self.guard = guard
        """Without one everything may be seen."""

    @classmethod
    def of(cls, store: Store) -> Ground:
        """One store, all of it."""
        return cls([Place(store)])
