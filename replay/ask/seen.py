"""Nodes in full, in one look."""

from __future__ import annotations

from collections.abc import Collection

from replay.ask.interface import Ground
from replay.ask.merge import Graph
from replay.ask.pages import page_of
from replay.ask.walk import walk
from replay.lineage import EdgeType
from replay.query import Entry, Query


def seen(uids: Collection[str], ground: Ground, *, as_of: str | None = None) -> dict[str, Entry]:
    """Those of these nodes that are recorded and that the asker may see."""
    if not uids:
        return {}
    return ground.ask(lambda whole: _seen(uids, whole, as_of))


def _seen(uids: Collection[str], ground: Ground, as_of: str | None) -> dict[str, Entry]:
    query = Query(start=tuple(uids), max_depth=0, follow=(EdgeType.SAME_AS,), as_of=as_of)
    graph = Graph(ground, walk(ground, query, page_of(query, ground).last))
    return graph.entries([uid for uid in uids if uid in graph.depth])
