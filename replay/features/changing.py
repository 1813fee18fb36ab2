"""A change that depends on what is recorded: looked at and written while nobody else can write."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from replay.lineage import Edge, Facet, Node
from replay.store.database import Store


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be added; nothing by default."""

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    facets: tuple[Facet, ...] = ()


def change(store: Store, build: Callable[[], Change]) -> Change:
    """Record what ``build`` returns; what it reads of ``store`` still holds when that is recorded.

    `Store.append` takes its nodes once it has the database for itself, and they are only made then.

    Raises:
        StoreError: As `Store.append`; and whatever ``build`` raises. Nothing was recorded.
    """
    made: list[Change] = []

    def nodes() -> Iterator[Node]:
        made.append(build())
        yield from made[0].nodes

    def edges() -> Iterator[Edge]:
        yield from made[0].edges

    def facets() -> Iterator[Facet]:
        yield from made[0].facets

    store.append(nodes(), edges(), facets())
    return made[0]
