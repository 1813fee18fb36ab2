"""What a walk needs: stores to walk in, and somebody who says which nodes the asker may see."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, TypeVar

from replay.errors import AttachedStoreError, NotRecordedError, ResolveError
from replay.lineage import Kind
from replay.store.database import Store

T = TypeVar("T")


class Seen(Protocol):
    """What a guard gets to know of a node. Who may see it depends on this and on the groups that it is in."""

    @property
    def uid(self) -> str:
        """Its uid."""

    @property
    def kind(self) -> Kind:
        """Its kind."""

    @property
    def type(self) -> str:
        """Its type."""

    @property
    def name(self) -> str:
        """Its name."""


class Place:
    """A store on the walk; ``name`` is empty for one's own."""

    def __init__(self, store: Store, name: str = "") -> None:
        self.store = store
        self.name = name


class Guard(ABC):
    """Says what the asker may see."""

    @abstractmethod
    def readable(self, place: Place, nodes: Collection[Seen]) -> set[str]:
        """The uids of those nodes of a store that the asker may read."""

    def refuse(self, uids: Collection[str]) -> None:  # noqa: B027 - silence is the default
        """Say openly that one of these nodes may not be read, if that may be said. By default it may not.

        Raises:
            PolicyError: It may be said: the node is one of one's own store, and a policy forbids to read it.
        """


class Ground:
    """Where a question is asked: one's own store first, then those that are attached."""

    def __init__(
        self, places: Sequence[Place], guard: Guard | None = None, missing: Mapping[str, str] | None = None
    ) -> None:
        self.places = places
        self.guard = guard
        """Without one everything may be seen."""
        self.missing = dict(missing or {})
        """Attached stores that cannot be asked: name → why. No answer is complete without them."""

    @classmethod
    def of(cls, store: Store) -> Ground:
        """One store, all of it."""
        return cls([Place(store)])

    def not_recorded(self, what: str, hint: str) -> ResolveError:
        """The error for something that is not recorded; another one when a store that may have it was not asked."""
        kind = ResolveError if self.missing else NotRecordedError
        gaps = "".join(f"; the attached store {name} was not asked: {why}" for name, why in self.missing.items())
        return kind(f"{what}{gaps}", hint=hint)

    def without(self, error: AttachedStoreError) -> Ground:
        """The same ground without an attached store that was lost."""
        kept = [place for place in self.places if place.name != error.name]
        return Ground(kept, self.guard, self.missing | {error.name: str(error)})

    def ask(self, question: Callable[[Ground], T]) -> T:
        """Ask; an attached store that is lost meanwhile is left out, and the rest is asked again."""
        ground = self
        while True:
            try:
                return question(ground)
            except AttachedStoreError as error:
                if error.name in ground.missing:  # it was left out already, so this is not about asking it
                    raise
                ground = ground.without(error)
