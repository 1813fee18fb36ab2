"""The walk itself: level by level, in every store at once; nodes are met once, however many ways lead there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from replay.ask.interface import Ground, Place
from replay.query import Direction, Query
from replay.store import reads
from replay.store.interface import Row
from replay.store.rows import EDGE_CODES, KIND_CODES

WAYS: dict[Direction, tuple[tuple[reads.Direction, ...], ...]] = {
    Direction.UP: (("up",),),
    Direction.DOWN: (("down",),),
    Direction.UPDOWN: (("up",), ("down",)),
    Direction.CONNECTED: (("up", "down"),),
}
"""Of each direction the walks it takes, and the ways each of them goes from every node."""

_TX = 6


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

    def step(self, front: Sequence[int], ways: Iterable[reads.Direction], follow: set[int], depth: int) -> list[int]:
        """Meet what is one edge away from ``front``."""
        fresh: list[int] = []
        for way in ways:
            for row, far in self._edges(front, way, follow):
                self.edges[row[:4]] = row
                self.roles.setdefault(far, set()).add(row[3])
                if far not in self.depth:
                    self.depth[far] = depth
                    fresh.append(far)
        return fresh

    def stop(self, front: Sequence[int], ways: Iterable[reads.Direction], follow: set[int]) -> None:
        """Do not go on from ``front``, but see from where it could."""
        for way in ways:
            for row, far in self._edges(front, way, follow):
                if far in self.depth:
                    self.edges[row[:4]] = row
                    self.roles.setdefault(far, set()).add(row[3])
                else:
                    self.cut.add(row[0] if way == "up" else row[1])

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
    fronts = [_known(met, query.start) for met in mets]
    for met, front in zip(mets, fronts, strict=True):
        met.depth.update(dict.fromkeys(front, 0))
    depth = 0
    while any(fronts):
        going = [_going(met, front, query) if depth else front for met, front in zip(mets, fronts, strict=True)]
        if depth == query.max_depth:
            for met, front in zip(mets, going, strict=True):
                met.stop(front, ways, follow)
            break
        depth += 1
        fronts = [met.step(front, ways, follow, depth) if front else [] for met, front in zip(mets, going, strict=True)]
        if len(mets) > 1:
            _cross(mets, fronts, depth)
    return mets


def _known(met: Met, uids: Iterable[str]) -> list[int]:
    """The numbers of those that the store holds (as of its last transaction that counts)."""
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


def _cross(mets: list[Met], fronts: list[list[int]], depth: int) -> None:
    """What one store met, the others that hold it have met too: content has the same uid everywhere."""
    names: list[dict[int, str]] = []
    for met, front in zip(mets, fronts, strict=True):
        with met.place.store.reading() as database:
            names.append(reads.uids(database, front) if front else {})
    for number, met in enumerate(mets):
        others = {uid for place, found in enumerate(names) if place != number for uid in found.values()}
        for known in _known(met, others) if others else ():
            if known not in met.depth:
                met.depth[known] = depth
                fronts[number].append(known)
