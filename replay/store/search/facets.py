"""What was said of nodes on its way into the index: each value from the transaction that said it until the next one."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from replay.lineage import Kind
from replay.search.times import microseconds
from replay.store.interface import Database, Row
from replay.store.rows import KIND_CODES
from replay.store.search.documents import Documents
from replay.store.search.extract import facet, units
from replay.store.search.index import State
from replay.store.shares import is_private

_FACETS = (
    "SELECT f.id, f.node, f.key, f.value, f.tx, t.created FROM facets f JOIN transactions t ON t.tx = f.tx "
    "WHERE f.node {which} ORDER BY f.node, f.id"
)
_SPOKEN_OF = "SELECT DISTINCT node FROM facets WHERE id > ? AND id <= ? AND node <= ?"
_VERSIONS = "SELECT name, version, node, tx FROM model_versions WHERE "
_VERSION = (
    "SELECT v.node FROM model_versions v JOIN nodes g ON g.name = v.name "
    "WHERE g.id = ? AND g.kind = ? AND v.version = ?"
)
_GROUP = KIND_CODES[Kind.COLLECTION]
_MANY = 500


class _Said(NamedTuple):
    """What holds of a node for a while."""

    facet: int
    node: int
    key: str
    value: Any
    since: int
    until: int | None


class Facets:
    """Adds facets, names of model versions, and when a node was last spoken of."""

    def __init__(self, documents: Documents, record: Database) -> None:
        self._documents = documents
        self._record = record

    def add_new(self, nodes: Sequence[Row], created: Mapping[int, int]) -> None:
        """Everything about nodes that come into the index now."""
        first, last = nodes[0][0], nodes[-1][0]
        self._add_versions("node >= ? AND node <= ?", (first, last))
        histories = self._histories("BETWEEN ? AND ?", (first, last))
        for row in nodes:
            node, tx = row[0], row[-1]
            spoken = _latest(histories.get(node, []))
            times = [(tx, created[tx]), *((since, time) for since, time in spoken if since > tx)]
            for (since, time), (until, _) in zip(times, [*times[1:], (None, 0)], strict=True):
                self._documents.add_fields(node, (("modified", time),), since, until)
            for one in self._said(histories.get(node, [])):
                self._add(one)

    def add_late(self, before: State, goal: State) -> None:
        """What was said since of nodes that are in the index already."""
        self._add_versions("tx > ? AND node <= ?", (before.tx, before.node))
        nodes = [row[0] for row in self._record.rows(_SPOKEN_OF, (before.facet, goal.facet, before.node))]
        for start in range(0, len(nodes), _MANY):
            which, value = self._record.any, self._record.many(nodes[start : start + _MANY])
            for history in self._histories(which, (value,)).values():
                self._add_history(history, before)

    def _add_history(self, history: Sequence[Row], before: State) -> None:
        node, spoken = history[0][1], _latest(history)
        fresh = [moment for moment in spoken if moment[0] > before.tx]
        self._documents.end_open(node, "modified", fresh[0][0])
        for (since, time), (until, _) in zip(fresh, [*fresh[1:], (None, 0)], strict=True):
            self._documents.add_fields(node, (("modified", time),), since, until)
        for one in self._said(history):
            if one.since > before.tx:
                self._add(one)
            elif one.until is not None and one.until > before.tx:
                self._end(one, one.until)

    def _add(self, one: _Said) -> None:
        fields = list(facet(one.key, one.value)) if one.facet else [(one.key, one.value)]
        self._documents.add_fields(one.node, fields, one.since, one.until)
        if one.facet:
            texts = [one.key, *(value for _, value in fields if isinstance(value, str))]
            self._documents.add_texts(one.node, units(texts), one.since, one.until, one.facet)

    def _end(self, one: _Said, until: int) -> None:
        keys = {key for key, _ in facet(one.key, one.value)} if one.facet else {one.key}
        for key in keys:
            self._documents.end(one.node, key, one.since, until)
        if one.facet:
            self._documents.end_texts(one.facet, until)

    def _said(self, history: Sequence[Row]) -> Iterator[_Said]:
        """What each facet of a node says, and until when."""
        by_key: dict[str, list[Row]] = {}
        for row in history:
            by_key.setdefault(row[2], []).append(row)
        for key, rows in by_key.items():
            if is_private(key):  # an index of another team's store is asked by those who may not know how it shares
                continue
            for row, after in zip(rows, [*rows[1:], None], strict=True):
                number, node, _, text, since, _ = row
                until = after[4] if after is not None else None
                value = msgspec.json.decode(text)
                if until == since or value is None:
                    continue
                yield _Said(number, node, key, value, since, until)
                if key.startswith("alias:") and isinstance(value, int):
                    for (version,) in self._record.rows(_VERSION, (node, _GROUP, value)):
                        yield _Said(0, version, "alias", key.partition(":")[2], since, until)

    def _histories(self, which: str, values: Collection[Any]) -> dict[int, list[Row]]:
        found: dict[int, list[Row]] = {}
        for row in self._record.rows(_FACETS.replace("{which}", which), tuple(values)):
            found.setdefault(row[1], []).append(row)
        return found

    def _add_versions(self, which: str, values: tuple[int, int]) -> None:
        for name, version, node, tx in self._record.rows(f"{_VERSIONS}{which}", values):
            self._documents.add_fields(node, (("model", name), ("version", version)), tx)


def _latest(history: Sequence[Row]) -> list[tuple[int, int]]:
    """The transactions that spoke of a node, with their times in microseconds."""
    times = {row[4]: row[5] for row in history}
    return [(tx, microseconds(datetime.datetime.fromisoformat(time))) for tx, time in times.items()]
