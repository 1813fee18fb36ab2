"""Edges on their way into the index: links along which values come, and elements of lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from replay.lineage import EdgeType, Kind
from replay.store.interface import Database, Row
from replay.store.rows import EDGE_CODES, KIND_CODES
from replay.store.search.edges import Link, class_of, is_deployed, is_deployment, item, items_of, links_of
from replay.store.search.index import IndexCursor, IndexDatabase, State
from replay.store.search.links import close

_OTHER_END = (
    "SELECT n.id, e.tx FROM edges e JOIN nodes n ON n.id = e.{far} WHERE e.{near} = ? AND e.type = ? AND n.kind = ?"
)
_USED, _GENERATED = EDGE_CODES[EdgeType.USED], EDGE_CODES[EdgeType.GENERATED]
_VERSION, _DEPLOYMENT = KIND_CODES[Kind.MODEL_VERSION], KIND_CODES[Kind.DEPLOYMENT]


class Relations:
    """Adds links and elements."""

    def __init__(self, before: State, goal: State, index: IndexDatabase, cursor: IndexCursor, record: Database) -> None:
        self._first = before.node + 1
        self._classes = bytearray(goal.node - before.node)
        self._old: dict[int, int] = {}
        self._index = index
        self._cursor = cursor
        self._record = record
        self._deployed: set[tuple[int, int]] = set()

    def add_nodes(self, rows: Sequence[Row], links: list[Link]) -> None:
        """Nodes that come into the index now, with the links that they have by themselves."""
        for row in rows:
            self._classes[row[0] - self._first] = class_of(row[2], row[3])
        self._insert(links)

    def add_edges(self, rows: Sequence[Row]) -> None:
        """Edges in the order of their transactions."""
        self._know({end for row in rows for end in row[:2] if end < self._first})
        links: list[Link] = []
        items: list[Row] = []
        for row in rows:
            younger, older = self._class(row[0]), self._class(row[1])
            links += links_of(row, younger, older)
            items += items_of(row, younger, older)
            if is_deployment(row, younger, older):
                items += self._deployments(action=row[1], deployment=row[0], tx=row[5])
            elif is_deployed(row, younger, older):
                items += self._deployments(action=row[0], version=row[1], tx=row[5])
        self._cursor.insert("search_items", items)
        self._insert(close(links, self._cursor, self._index))

    def _insert(self, links: Iterable[Link]) -> None:
        self._cursor.insert("search_links", sorted((int(a), int(f), int(d), t) for a, f, d, t in links))

    def _deployments(self, *, action: int, tx: int, version: int = 0, deployment: int = 0) -> Iterable[Row]:
        """What the other edge of an action tells: of a deployment the versions, of a version the deployments."""
        end = ("older", "younger", _USED, _VERSION) if deployment else ("younger", "older", _GENERATED, _DEPLOYMENT)
        far, near, type_, kind = end
        query = _OTHER_END.replace("{far}", far).replace("{near}", near)
        for other, also in self._record.rows(query, (action, type_, kind)):
            pair = (other, deployment) if deployment else (version, other)
            if pair not in self._deployed:
                self._deployed.add(pair)
                yield item("deployments", pair[0], pair[1], "", "", "", max(tx, also))

    def _class(self, number: int) -> int:
        return self._classes[number - self._first] if number >= self._first else self._old[number]

    def _know(self, numbers: Iterable[int]) -> None:
        wanted = [number for number in numbers if number not in self._old]
        if wanted:
            query = f"SELECT node, class FROM search_nodes WHERE node {self._index.any}"
            self._old.update(self._cursor.rows(query, (self._index.many(wanted),)))
