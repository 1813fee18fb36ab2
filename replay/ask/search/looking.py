"""Stores while they are searched."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from replay.ask.interface import Ground, Place
from replay.errors import UsageError
from replay.progress import Progress
from replay.store.search.build import refresh
from replay.store.search.places import index_of
from replay.store.search.searcher import Searcher


class Looking(NamedTuple):
    """A store that is searched."""

    place: Place
    searcher: Searcher
    at: int
    """The last transaction of the record that counts."""


Placed = tuple[Looking, int]
"""A node that was found, by its number, and where."""


@contextlib.contextmanager
def looking(ground: Ground, pins: Mapping[str, int] | None, progress: Progress) -> Iterator[list[Looking]]:
    """The stores of a ground with their indexes, as they are now or at the transactions that are pinned.

    Raises:
        UsageError: A store has no such transaction any more.
        StoreError: A store cannot be read, or its index cannot be written.
    """
    with contextlib.ExitStack() as stack:
        found = []
        for place in ground.places:
            index = index_of(place.store, own=ground.places[0].store, attached=bool(place.name))
            stack.callback(index.close)
            newest = refresh(index, place.store, progress)
            at = newest if pins is None else pins[place.name]
            if at > newest:
                raise UsageError(
                    f"{place.store.database.place}: got a cursor of transaction {at}, the newest here is {newest}",
                    hint="the store was set back; ask again without the cursor",
                )
            stack.enter_context(index.reading())
            found.append(Looking(place, Searcher(place.store, index, at), at))
        yield found
