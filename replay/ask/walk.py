"""The walk itself: level by level, in every store at once; nodes are met once, however many ways lead there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from replay.ask.interface import Ground, Place
from replay.lineage import Kind
from replay.query import Direction, Query
from replay.store import reads
from replay.store.interface import Row
from replay.store.rows import EDGE_CODES, KIND_CODES, KINDS
from replay.uid import text_of

WAYS: dict[Direction, tuple[tuple[reads.Direction, ...], ...]] = {
    Direction.UP: (("up",),),
    Direction.DOWN: (("down",),),
    Direction.UPDOWN: (("up",), ("down",)),
    Direction.CONNECTED: (("up", "down"),),
}
"""Of each direction the walks it takes, and the ways each of them goes from every node."""

_TX = 6


class Brief(NamedTuple):
    """A node as its guard sees it."""

    uid: str
    kind: Kind
    type: str
    name: str


def brief(row: Row) -> Brief:
    """The node of a row of `reads.node_rows`."""
    return Brief(text_of(row[1]), KINDS[row[2]], row[3], row[4])


class Met:
    """What one walk met in one store, by the numbers of that store."""

    def __init__(self, place: Place, last_tx: int | None) -> None:
        self.place = place
        self.last_tx = last_tx
        """Nothing recorded later counts."""
        self.depth: dict[int, int] = {}
        """Nodes in the order in which they were met."""
        self.edges: dict[tuple[int, int, int, str], Row] = {}
        self.roles: dict[int, set[str]] = {}
        """Of each node the roles of the edges by which it was met."""
        self.cut: set[int] = set()
        """Nodes at the greatest depth from which an edge leads on."""
        self.silent: set[int] = set()
        """Nodes that this store does not show, while another one does: what this one says of them is not told."""
        self.hidden: dict[int, str] = {}
        """Nodes at which the walk ended, because no store shows them, with their uids."""

    def step(self, front: Sequence[int], ways: Iterable[reads.Direction], follow: set[int]) -> list[int]:
        """What is one edge away from ``front`` and was not met yet."""
        fresh: dict[int, None] = {}
        for way in ways:
            for row, far in self._edges(front, way, follow):
                self.edges[row[:4]] = row
                self.roles.setdefault(far, set()).add(row[3])
                if far not in self.depth and far not in self.hidden:
                    fresh[far] = None
        return list(fresh)

    def beyond(self, front: Sequence[int], ways: Iterable[reads.Direction], follow: set[int]) -> dict[int, set[int]]:
        """What is one edge away from ``front`` and will not be met, and from where; edges between what was met."""
        found: dict[int, set[int]] = {}
        for way in ways:
            for row, far in self._edges(front, way, follow):
                if far in self.depth:
                    self.edges[row[:4]] = row
                    self.roles.setdefault(far, set()).add(row[3])
                elif far not in self.hidden:
                    found.setdefault(far, set()).add(row[0] if way == "up" else row[1])
        return found

    def meet(self, numbers: Iterable[int], depth: int) -> list[int]:
        """Take in those of these nodes that were not met yet."""
        fresh = [number for number in numbers if number not in self.depth]
        self.depth.update(dict.fromkeys(fresh, depth))
        return fresh

    def _edges(self, front: Sequence[int], way: reads.Direction, follow: set[int]) -> Iterable[tuple[Row, int]]:
        with self.place.store.reading() as database:
            rows = reads.edge_rows(database, front, way)
        end = 1 if way == "up" else 0
        for row in rows:
            if (self.last_tx is None or row[_TX] <= self.last_tx) and (not follow or row[2] in follow):
                yield row, row[end]


def walk(ground: Ground, query: Query, last: Sequence[int | None]) -> list[list[Met]]:
    """Every walk of the query: of each, what was met in each store.

    Args:
        ground: Where to walk.
        query: From where, in which direction, how far.
        last: Of each store the last transaction that counts.
    """
    return [_walk(ground, query, ways, last) for ways in WAYS[query.direction]]


def _walk(ground: Ground, query: Query, ways: Sequence[reads.Direction], last: Sequence[int | None]) -> list[Met]:
    mets = [Met(place, tx) for place, tx in zip(ground.places, last, strict=True)]
    follow = {EDGE_CODES[type_] for type_ in query.follow}
    fronts = _meet(ground, mets, [_known(met, query.start) for met in mets], 0)
    depth = 0
    while any(fronts):
        going = [_going(met, front, query) if depth else front for met, front in zip(mets, fronts, strict=True)]
        if depth == query.max_depth:
            _stop(ground, mets, [met.beyond(front, ways, follow) for met, front in zip(mets, going, strict=True)])
            break
        depth += 1
        found = [met.step(front, ways, follow) if front else [] for met, front in zip(mets, going, strict=True)]
        fronts = _meet(ground, mets, found, depth)
    return mets


def _meet(ground: Ground, mets: list[Met], found: list[list[int]], depth: int) -> list[list[int]]:
    """Take a level in. In one's own store the walk also goes on behind what may not be read (see `merge.Graph`)."""
    if len(mets) == 1:
        return [mets[0].meet(found[0], depth)]
    level = _Level(ground, mets, found)
    fronts = []
    for met, nodes, readable in zip(mets, level.nodes, level.readable, strict=True):
        for number, node in nodes.items():
            if met.place.name and node.uid not in level.shown:
                met.hidden[number] = node.uid
            elif met.place.name and node.uid not in readable:
                met.silent.add(number)
        fronts.append(met.meet([number for number in nodes if number not in met.hidden], depth))
    return fronts


def _stop(ground: Ground, mets: list[Met], beyond: list[dict[int, set[int]]]) -> None:
    """Remember from where the walk could go on, to what the asker may see."""
    level = _Level(ground, mets, [list(found) for found in beyond]) if len(mets) > 1 else None
    for number, (met, found) in enumerate(zip(mets, beyond, strict=True)):
        for far, near in found.items():
            if level is None or not met.place.name or level.nodes[number][far].uid in level.shown:
                met.cut |= near


class _Level:
    """What all stores found at one level: what one of them found, the others that hold it have found too.

    Content has the same uid everywhere. A node may be seen when one of the stores that hold it shows it, and then the
    walk goes on from it in all of them. From what no store shows, another team's store is not walked any further.
    """

    def __init__(self, ground: Ground, mets: list[Met], found: list[list[int]]) -> None:
        self.nodes = [_briefs(met, numbers) for met, numbers in zip(mets, found, strict=True)]
        everywhere = {node.uid for nodes in self.nodes for node in nodes.values()}
        for met, nodes in zip(mets, self.nodes, strict=True):
            others = everywhere.difference(node.uid for node in nodes.values())
            nodes |= _briefs(met, [n for n in _known(met, others) if n not in met.depth and n not in met.hidden])
        self.readable = [_readable(ground, met, nodes.values()) for met, nodes in zip(mets, self.nodes, strict=True)]
        self.shown: set[str] = set().union(*self.readable)


def _briefs(met: Met, numbers: Sequence[int]) -> dict[int, Brief]:
    if not numbers:
        return {}
    with met.place.store.reading() as database:
        rows = reads.node_rows(database, numbers)
    return {number: brief(rows[number]) for number in numbers}


def _readable(ground: Ground, met: Met, nodes: Collection[Brief]) -> set[str]:
    return ground.guard.readable(met.place, nodes) if ground.guard else {node.uid for node in nodes}


def _known(met: Met, uids: Collection[str]) -> list[int]:
    """The numbers of those that the store holds (as of its last transaction that counts)."""
    if not uids:
        return []
    with met.place.store.reading() as database:
        numbers = list(reads.node_ids(database, uids).values())
        if met.last_tx is not None and numbers:
            rows = reads.node_rows(database, numbers)
            numbers = [number for number in numbers if rows[number][-1] <= met.last_tx]
    return numbers


def _going(met: Met, front: list[int], query: Query) -> list[int]:
    """The nodes of a level from which the walk goes on."""
    if not query.stop_at or not front:
        return front
    stopping = {KIND_CODES[kind] for kind in query.stop_at}
    with met.place.store.reading() as database:
        rows = reads.node_rows(database, front)
    return [number for number in front if rows[number][2] not in stopping]
