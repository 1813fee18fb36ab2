"""Searching a store: its index brought up to date, and questions to it at one transaction of the record."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from replay.errors import UsageError
from replay.search.expression import Expression
from replay.search.fields import Column, Flow, Form, field_of
from replay.search.parts import Reach, keys_named
from replay.store.database import Store
from replay.store.interface import Row
from replay.store.rows import KIND_CODES
from replay.store.search.compile import Compiler, Sql, Subject, joined
from replay.store.search.edges import LIST_CODES
from replay.store.search.index import IndexDatabase
from replay.uid import ranges_of

_DOCUMENT = Subject("d.node", kind="d.kind")
_ALL = (1 << 62) - 1
_HOLDS = "f.since <= ? AND (f.until IS NULL OR f.until > ?)"
_MANY = 500
# `+` keeps SQLite from looking through everything under the key instead of what the node has.


Shown = float | int | str


class Match(NamedTuple):
    """A node that was found, by its number, with what it is sorted by."""

    node: int
    num: float | None
    text: str | None


class Searcher:
    """Asks the index of one store, in one state."""

    def __init__(self, store: Store, index: IndexDatabase, at: int) -> None:
        """Begin.

        Args:
            store: The record.
            index: Its index, which goes up to ``at`` or further.
            at: The last transaction that counts.
        """
        self._store = store
        self._index = index
        self._at = at

    def count(self, where: Expression) -> int:
        """How many nodes match."""
        which = self._which(where)
        return int(self._index.rows(f"SELECT count(*) FROM search_nodes d WHERE {which.text}", which.values)[0][0])

    def page(
        self, where: Expression, *, sort: str | None, descending: bool, skip: int, limit: int
    ) -> tuple[int, list[int]]:
        """How many nodes match, and some of them in order.

        Args:
            where: What must hold of them.
            sort: As `find`.
            descending: The greatest first.
            skip: So many of the first are left out.
            limit: At most so many.
        """
        if sort not in {None, "created"}:
            total = self.count(where)
            found = self.find(where, sort=sort, descending=descending, skip=skip, limit=limit, expected=total)
            return total, [match.node for match in found]
        which, way = (
            self._which(where),
            "DESC" if descending else "ASC",
        )  # nodes have their numbers in the order of time
        sql = (
            f"WITH hits AS MATERIALIZED (SELECT d.node AS node FROM search_nodes d WHERE {which.text}) "
            f"SELECT h.node, (SELECT count(*) FROM hits) FROM hits h ORDER BY h.node {way} LIMIT ? OFFSET ?"
        )
        rows = self._index.rows(sql, (*which.values, limit, skip))
        return (rows[0][1], [row[0] for row in rows]) if rows else (self.count(where) if skip else 0, [])

    def find(
        self,
        where: Expression,
        *,
        sort: str | None = None,
        descending: bool = True,
        skip: int = 0,
        limit: int | None = None,
        expected: int | None = None,
    ) -> list[Match]:
        """Nodes that match, with what they are sorted by; what lacks that comes last, of equal ones the newest first.

        Args:
            where: What must hold of them.
            sort: A field; when they were recorded, by default.
            descending: The greatest first.
            skip: So many of the first are left out.
            limit: At most so many.
            expected: So many match.
        """
        which, way = self._which(where), "DESC" if descending else "ASC"
        few = expected is not None and expected <= self._index.few
        num, text, joins = self._sorted(sort or "created", descending=descending, few=few)
        last = way if sort in {None, "created"} else "DESC"
        sql = (
            f"SELECT d.node, {num.text} AS num, {text.text} AS text FROM search_nodes d {joins.text}WHERE {which.text} "
            f"ORDER BY num {way} NULLS LAST, text {way} NULLS LAST, d.node {last} LIMIT ? OFFSET ?"
        )
        values = (*num.values, *text.values, *joins.values, *which.values, _ALL if limit is None else limit, skip)
        return [Match(*row) for row in self._index.rows(sql, values)]

    def values(self, nodes: Sequence[int], name: str) -> dict[int, list[Shown]]:
        """The values that nodes have of a field, numbers first."""
        field = field_of(name)
        found: dict[int, list[Shown]] = {}
        if isinstance(field, Column) or not field.sources:
            return found
        keys = self._numbers([key for key, _ in field.sources])
        for kind, columns in (("numbers", "f.num, f.exact"), ("strings", "f.head, f.rest")):
            for key, flow in field.sources:
                if key in keys:
                    for node, one, other in self._valued(nodes, kind, columns, keys[key], flow):
                        value: Shown = _shown_number(one, other) if kind == "numbers" else one + other
                        if value not in (values := found.setdefault(node, [])):
                            values.append(value)
        return found

    def carriers(self, nodes: Sequence[int], reach: Reach) -> dict[int, set[int]]:
        """Of each node all others that an expression may have looked at to find it."""
        flows = reach.flows | {Flow.VALUES} if reach.lists else reach.flows
        found = self._linked(nodes, flows)
        if reach.lists:
            owners = set(nodes).union(*found.values())
            elements = self._elements(owners, reach)
            beyond = self._linked(sorted(set().union(*elements.values())), reach.flows)
            for node in nodes:
                more = {one for owner in (node, *found.get(node, ())) for one in elements.get(owner, ())}
                found.setdefault(node, set()).update(more, *(beyond.get(one, ()) for one in more))
        return found

    def recorded(self, key: str) -> tuple[bool, bool]:
        """Whether a key of the index has numbers, and whether it has texts."""
        number = self._numbers([key]).get(key)
        if number is None:
            return False, False
        has = (f"SELECT 1 FROM search_{kind} WHERE key = ? LIMIT 1" for kind in ("numbers", "strings"))
        numbers, strings = (bool(self._index.rows(sql, (number,))) for sql in has)
        return numbers, strings

    def keys_like(self, before: str) -> list[str]:
        """The keys of the index that begin so."""
        sql = "SELECT name FROM search_keys WHERE name >= ? AND name < ? ORDER BY name"
        return [row[0] for row in self._index.rows(sql, (before, before + "\U0010ffff"))]

    def sample(self, key: str) -> list[int]:
        """Some nodes that have a value under a key of the index, themselves."""
        number = self._numbers([key]).get(key)
        sql = "SELECT DISTINCT node FROM search_{} WHERE key = ? AND node > 0 LIMIT 20"
        rows = (row for kind in ("numbers", "strings") for row in self._index.rows(sql.format(kind), (number,)))
        return [row[0] for row in rows]

    def _which(self, where: Expression) -> Sql:
        keys = self._numbers(keys_named(where))
        condition = Compiler(self._index, self._at, keys, self._with_id).condition(where, _DOCUMENT)
        return Sql(f"d.since <= ? AND {condition.text}", (self._at, *condition.values))

    def _sorted(self, sort: str, *, descending: bool, few: bool) -> tuple[Sql, Sql, Sql]:
        """What gives the number and the text that a node is sorted by, and the joins that this needs."""
        field = field_of(sort)
        if isinstance(field, Column) or field.form is Form.UID:
            raise UsageError(f"nothing can be sorted by {sort}")
        if field.form is Form.KIND:
            names = " ".join(f"WHEN {code} THEN '{kind.value}'" for kind, code in KIND_CODES.items())
            return Sql("NULL"), Sql(f"CASE d.kind {names} END"), Sql("")
        pick, key = "max" if descending else "min", field.sources[0][0]
        number = self._numbers([key]).get(key)
        if number is None:
            return Sql("NULL"), Sql("NULL"), Sql("")
        wanted = (("numbers", f"{pick}(f.num + 0)"), ("strings", f"{pick}(f.head || f.rest)"))
        if few:  # node by node
            one, other = (self._best(kind, what, number, field.sources[0][1]) for kind, what in wanted)
            return one, other, Sql("")
        joins = [self._bests(kind, what, number, field.sources[0][1]) for kind, what in wanted]
        return Sql("numbers.best"), Sql("strings.best"), joined("", joins)

    def _best(self, kind: str, what: str, key: int, flow: Flow) -> Sql:
        """The greatest or least value that a node has."""
        values = (key, self._at, self._at)
        if flow is Flow.OWN:
            return Sql(
                f"(SELECT {what} FROM search_{kind} f WHERE f.node = d.node AND +f.key = ? AND {_HOLDS})", values
            )
        return Sql(
            f"(SELECT {what} FROM search_links l CROSS JOIN search_{kind} f WHERE l.doc = d.node AND l.flow = ? "
            f"AND l.since <= ? AND f.node = l.carrier AND +f.key = ? AND {_HOLDS})",
            (int(flow), self._at, *values),
        )

    def _bests(self, kind: str, what: str, key: int, flow: Flow) -> Sql:
        """The greatest or least values of all nodes at once."""
        values: tuple[int, ...] = (key, self._at, self._at)
        if flow is Flow.OWN:
            every = (
                f"SELECT f.node AS node, {what} AS best FROM search_{kind} f WHERE f.key = ? AND {_HOLDS} GROUP BY 1"
            )
        else:
            every = (
                f"SELECT l.doc AS node, {what} AS best FROM search_{kind} f CROSS JOIN search_links l WHERE f.key = ? "
                f"AND {_HOLDS} AND l.carrier = f.node AND l.flow = ? AND l.since <= ? GROUP BY 1"
            )
            values = (*values, int(flow), self._at)
        return Sql(f"LEFT JOIN ({every}) {kind} ON {kind}.node = d.node ", values)

    def _valued(self, nodes: Sequence[int], kind: str, columns: str, key: int, flow: Flow) -> Iterator[Row]:
        any_, many = self._index.any, self._index.many(nodes)
        values = (key, self._at, self._at)
        if flow is Flow.OWN:
            sql = f"SELECT f.node, {columns} FROM search_{kind} f WHERE f.node {any_} AND +f.key = ? AND {_HOLDS}"
            yield from self._index.rows(sql, (many, *values))
            return
        sql = (
            f"SELECT l.doc, {columns} FROM search_links l CROSS JOIN search_{kind} f WHERE l.doc {any_} AND l.flow = ? "
            f"AND l.since <= ? AND f.node = l.carrier AND +f.key = ? AND {_HOLDS}"
        )
        yield from self._index.rows(sql, (many, int(flow), self._at, *values))

    def _linked(self, nodes: Sequence[int], flows: Collection[Flow]) -> dict[int, set[int]]:
        """Of each node those whose values come to it."""
        found: dict[int, set[int]] = {}
        codes = ",".join(str(int(flow)) for flow in flows)
        sql = f"SELECT doc, carrier FROM search_links WHERE doc {self._index.any} AND flow IN ({codes}) AND carrier > 0"
        for some in _parts(nodes) if codes else ():
            for node, other in self._index.rows(sql, (self._index.many(some),)):
                found.setdefault(node, set()).add(other)
        return found

    def _elements(self, owners: Collection[int], reach: Reach) -> dict[int, set[int]]:
        """Of each node the elements of its own lists."""
        found: dict[int, set[int]] = {}
        lists = ",".join(str(LIST_CODES[name]) for name in reach.lists)
        sql = f"SELECT owner, node FROM search_items WHERE owner {self._index.any} AND list IN ({lists}) AND node > 0"
        for some in _parts(sorted(owners)):
            for owner, element in self._index.rows(sql, (self._index.many(some),)):
                found.setdefault(owner, set()).add(element)
        return found

    def _numbers(self, keys: Iterable[str]) -> dict[str, int]:
        wanted = list(keys)
        found: dict[str, int] = {}
        for some in _parts(wanted):
            marks = ",".join("?" * len(some))
            found.update(self._index.rows(f"SELECT name, id FROM search_keys WHERE name IN ({marks})", some))
        return found

    def _with_id(self, start: str) -> list[int]:
        """The numbers of the nodes whose id begins so."""
        with self._store.reading() as record:
            sql = "SELECT id FROM nodes WHERE uid >= ? AND uid <= ? AND tx <= ?"
            ranges = ranges_of(start.removeprefix("rp_"))
            return [row[0] for ends in ranges for row in record.rows(sql, (*ends, self._at))]


def _shown_number(num: float, exact: str) -> Shown:
    if math.isinf(num):  # JSON has no such number
        return "Infinity" if num > 0 else "-Infinity"
    if exact:
        return int(exact)
    return int(num) if num.is_integer() else num


def _parts(items: Sequence[int] | Sequence[str]) -> Iterator[Sequence]:  # type: ignore[type-arg]
    for start in range(0, len(items), _MANY):
        yield items[start : start + _MANY]
