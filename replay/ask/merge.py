"""What the walks met in the stores, as one graph of uids."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence, Set

from replay.ask.interface import Ground, Guard, Place
from replay.ask.walk import Met, brief
from replay.lineage import Edge, EdgeType, Facet, Kind
from replay.query import Entry
from replay.store import reads
from replay.store.interface import Row
from replay.store.rows import EDGE_CODES, GENERATED, KINDS, SAME_AS, edge_of, node_of
from replay.store.shares import is_private
from replay.uid import text_of

SAMENESS = EdgeType.SAME_AS
_NO_USE = {EDGE_CODES[EdgeType.SPECIALIZES], SAME_AS}


class Graph:
    """Nodes by uid in the order of their distance, and the edges between them."""

    def __init__(self, ground: Ground, walks: Sequence[list[Met]]) -> None:
        self._walks = walks
        self._rows: dict[str, tuple[Met, Row]] = {}
        self._homes: dict[str, list[str]] = {}
        self._names: dict[int, dict[int, str]] = {}
        self.depth: dict[str, int] = {}
        self.roles: dict[str, set[str]] = {}
        self.cut: set[str] = set()
        for mets in walks:
            for met in mets:
                self._add(met)
        order = sorted(self.depth, key=self.depth.__getitem__)  # stable: as met within a level
        self.depth = {uid: self.depth[uid] for uid in order}
        self.hidden: set[str] = self._hide(ground)

    def _add(self, met: Met) -> None:
        with met.place.store.reading() as database:
            rows = reads.node_rows(database, met.depth) if met.depth else {}
        names = {number: text_of(row[1]) for number, row in rows.items()}
        self._names[id(met)] = names
        for number, depth in met.depth.items():
            uid = names[number]
            self.depth[uid] = min(depth, self.depth.get(uid, depth))
            if number in met.silent:
                continue
            self._rows.setdefault(uid, (met, rows[number]))
            homes = self._homes.setdefault(uid, [])
            if met.place.name not in homes:
                homes.append(met.place.name)
        for number, roles in met.roles.items():
            if number in names:  # else it was met and is hidden
                self.roles.setdefault(names[number], set()).update(roles)
        self.cut |= {names[number] for number in met.cut}

    def kind(self, uid: str) -> Kind:
        """The kind of a node."""
        return KINDS[self._rows[uid][1][2]]

    def type(self, uid: str) -> str:
        """The type of a node."""
        return str(self._rows[uid][1][3])

    def links(self) -> Iterator[tuple[str, str, bool]]:
        """Younger end, older end, and whether they are the same thing, of every edge between nodes that were met."""
        for met, names in self._each():
            for younger, older, code, _ in met.edges:
                if younger in names and older in names:
                    yield names[younger], names[older], code == SAME_AS

    def has_rivals(self, *, others: bool = False) -> bool:
        """Whether some bytes that were met were made by several runs, ``others`` that were not met among them."""
        for met, names in self._each():
            made = [key[0] for key in met.edges if key[2] == GENERATED and key[0] in names]
            if len(made) != len(set(made)):
                return True
            if others and made:
                with met.place.store.reading() as database:
                    if reads.count_makers(database, made) != len(made):
                        return True
        several = [names.values() for _, names in self._each()]
        return len(several) > 1 and len(set().union(*several)) != sum(map(len, several))

    def drop(self, uids: Set[str]) -> None:
        """Take nodes out of what was met."""
        self.depth = {uid: depth for uid, depth in self.depth.items() if uid not in uids}
        self._names = {
            key: {number: uid for number, uid in names.items() if uid not in uids} for key, names in self._names.items()
        }
        self.cut -= uids

    def locators_used(self) -> set[str]:
        """Locators at the end of an edge that is not their version's."""
        found = set()
        for met, names in self._each():
            for younger, older, code, _ in met.edges:
                if code in _NO_USE or younger not in names or older not in names:
                    continue
                if self.kind(names[older]) is Kind.LOCATOR:
                    found.add(names[older])
        return found

    def edges(self, among: Collection[str]) -> list[Edge]:
        """The edges between these nodes; sameness is told once."""
        found: dict[tuple[str, str, str, str], Edge] = {}
        for met, names in self._each():
            for row in met.edges.values():
                if names.get(row[0]) in among and names.get(row[1]) in among:
                    edge = edge_of(row[:6], names)
                    if edge.type is not SAMENESS or edge.source < edge.target:
                        found.setdefault((edge.source, edge.type, edge.role, edge.target), edge)
        return list(found.values())

    def has_late_edges(self) -> bool:
        """Whether an edge leads from a node to one that was recorded after it: only then can there be a cycle."""
        several = len(self._walks) > 1 or any(len(mets) > 1 for mets in self._walks)
        keys = (key for met, _ in self._each() for key in met.edges)
        return several or any(younger <= older and code != SAME_AS for younger, older, code, _ in keys)

    def entries(self, uids: Iterable[str]) -> dict[str, Entry]:
        """These nodes in full."""
        by_met: dict[int, tuple[Met, list[str]]] = {}
        for uid in uids:
            met = self._rows[uid][0]
            by_met.setdefault(id(met), (met, []))[1].append(uid)
        made: dict[str, Entry] = {}
        for met, members in by_met.values():
            numbers = {self._rows[uid][1][0]: uid for uid in members}
            with met.place.store.reading() as database:
                facets = reads.facets(database, numbers, met.last_tx)
                created = reads.created_at(database, {self._rows[uid][1][-1] for uid in members})
            for number, uid in numbers.items():
                row, said = self._rows[uid][1], facets.get(number, [])
                if met.place.name:
                    said = [facet for facet in said if not is_private(facet.key)]
                made[uid] = self._entry(uid, row, created[row[-1]], said)
        return {uid: made[uid] for uid in uids}

    def _entry(self, uid: str, row: Row, created: str, facets: list[Facet]) -> Entry:
        node = node_of(row[1:-1])
        homes = self._homes[uid]
        return Entry(
            uid=uid,
            kind=node.kind,
            type=node.type,
            name=node.name,
            identity=node.identity,
            attrs=node.attrs,
            facets={key: value for key, value in {f.key: f.value for f in facets}.items() if value is not None},
            evidence=node.evidence,
            basis=node.basis,
            depth=self.depth[uid],
            created=created,
            modified=facets[-1].recorded if facets else "",
            stores=tuple(homes) if homes != [""] else (),
        )

    def _each(self) -> Iterator[tuple[Met, dict[int, str]]]:
        for mets in self._walks:
            for met in mets:
                yield met, self._names[id(met)]

    def _hide(self, ground: Ground) -> set[str]:
        """Take out what the asker may not see, and say what that is."""
        if ground.guard is None:
            return set()
        for place in ground.places:
            if not place.name:  # the others were asked on the way
                self._take_out(place, ground.guard)
        unseen = {uid for mets in self._walks for met in mets for uid in met.hidden.values()}
        unseen |= self.depth.keys() - self._homes.keys()
        self.depth = {uid: depth for uid, depth in self.depth.items() if uid in self._homes}
        self.cut &= self.depth.keys()
        return unseen - self.depth.keys()

    def _take_out(self, place: Place, guard: Guard) -> None:
        """Take what may not be read in this store out of what was met there. Another store may show it all the same."""
        here = {uid: brief(self._rows[uid][1]) for uid, homes in self._homes.items() if place.name in homes}
        gone = here.keys() - guard.readable(place, here.values())
        if not gone:
            return
        for met, names in self._each():
            if met.place is place:
                self._names[id(met)] = {number: uid for number, uid in names.items() if uid not in gone}
        for uid in gone:
            self._homes[uid].remove(place.name)
            if not self._homes[uid]:
                del self._homes[uid], self._rows[uid]
        self._find_rows(gone & self._rows.keys())

    def _find_rows(self, uids: Collection[str]) -> None:
        """Tell these nodes as one of the stores has them that show them."""
        for met, names in self._each():
            numbers = {number: uid for number, uid in names.items() if uid in uids and number not in met.silent}
            if numbers:
                with met.place.store.reading() as database:
                    rows = reads.node_rows(database, numbers)
                self._rows |= {uid: (met, rows[number]) for number, uid in numbers.items()}
