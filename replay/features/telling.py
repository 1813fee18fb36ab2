"""What may be told of a group: its batches and views, and who used them."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from replay.ask import Ground, ask
from replay.ask.seen import seen
from replay.features.groups import batches_of, views_of
from replay.features.values import Batch, Group, View
from replay.lineage import EdgeType, Kind
from replay.query import Direction, Query

_T = TypeVar("_T", Batch, View)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A group as the asker may see it."""

    group: Group
    batches: tuple[Batch, ...]
    views: tuple[View, ...]
    hidden: int = 0
    """How many batches and views the asker may not see."""


def tell(group: Group, ground: Ground, *, users: bool = True) -> Told:
    """The batches and views of a group, in the order of writing and reading.

    Args:
        group: Which group.
        ground: Where it is recorded, and what may be seen there.
        users: Say of each view which runs used it and which models stand on it.
    """
    store = ground.places[0].store
    batches, views = batches_of(group, store), views_of(group, store)
    shown_batches, shown_views = _visible(batches, ground), _visible(views, ground)
    return Told(
        group=group,
        batches=shown_batches,
        views=tuple(_with_users(view, ground) for view in shown_views) if users else shown_views,
        hidden=len(batches) + len(views) - len(shown_batches) - len(shown_views),
    )


def _visible(items: list[_T], ground: Ground) -> tuple[_T, ...]:
    there = seen([item.uid for item in items], ground)
    return tuple(item for item in items if item.uid in there)


def _with_users(view: View, ground: Ground) -> View:
    """The view with the runs that used it and the models that stand on it, as far as the asker may see them."""
    kinds = (Kind.RUN, Kind.MODEL_VERSION)
    entries = ask(Query(start=(view.uid,), direction=Direction.DOWN, kinds=kinds, include_edges=False), ground).nodes
    store = ground.places[0].store
    used = {e.source for e, _ in store.neighbours(view.uid, direction="down") if e.type is EdgeType.USED}
    return msgspec.structs.replace(
        view,
        runs=tuple(entry.identity["run"] for uid, entry in entries.items() if uid in used and entry.kind is Kind.RUN),
        models=tuple(sorted(entry.name for entry in entries.values() if entry.kind is Kind.MODEL_VERSION)),
    )
