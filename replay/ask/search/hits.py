"""Nodes that were found, as they are told."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from replay.ask.search.looking import Looking, Placed
from replay.search.expression import Value
from replay.search.parts import fields_named
from replay.search.request import Hit, Search
from replay.store import reads
from replay.store.rows import node_of
from replay.store.search.searcher import Shown

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_OWN = ("kind", "type", "id", "created", "modified")
"""Fields that every hit tells by itself."""


def columns_of(query: Search) -> list[str]:
    """The fields that an answer tells of every hit: those that the search names, in its order."""
    named = [*fields_named(query.where), *([query.sort] if query.sort else [])]
    return [name for name in dict.fromkeys(named) if name not in _OWN]


def hits_of(query: Search, page: Sequence[Sequence[Placed]]) -> tuple[Hit, ...]:
    """The hits of a page, each with the stores that show it."""
    columns = columns_of(query)
    by_place: dict[int, tuple[Looking, list[int]]] = {}
    for stores in page:
        for one, number in stores:
            by_place.setdefault(id(one), (one, []))[1].append(number)
    told = {key: _Told(one, nodes, columns) for key, (one, nodes) in by_place.items()}
    return tuple(_hit(stores, told, columns) for stores in page)


class _Told:
    """What one store tells of some nodes."""

    def __init__(self, one: Looking, nodes: list[int], columns: list[str]) -> None:
        with one.place.store.reading() as database:
            self.rows = reads.node_rows(database, nodes)
        self.times = {name: one.searcher.values(nodes, name) for name in ("created", "modified")}
        self.values = {name: one.searcher.values(nodes, name) for name in columns}

    def time(self, name: str, node: int) -> str:
        moment = _EPOCH + datetime.timedelta(microseconds=int(self.times[name][node][0]))
        return moment.isoformat(timespec="microseconds")


def _hit(stores: Sequence[Placed], told: dict[int, _Told], columns: list[str]) -> Hit:
    (first, number), *_ = stores
    known = told[id(first)]
    node = node_of(known.rows[number][1:-1])
    names = tuple(one.place.name for one, _ in stores)
    return Hit(
        uid=node.uid,
        kind=node.kind,
        type=node.type,
        name=node.name,
        identity=node.identity,
        created=known.time("created", number),
        modified=known.time("modified", number),
        values={name: _values(name, stores, told) for name in columns},
        stores=names if names != ("",) else (),
    )


def _values(name: str, stores: Sequence[Placed], told: dict[int, _Told]) -> tuple[Value, ...]:
    found: list[Shown] = []
    for one, number in stores:
        found += told[id(one)].values[name].get(number, [])
    numbers = sorted({value for value in found if not isinstance(value, str)})
    texts = sorted({value for value in found if isinstance(value, str)})
    return (*numbers, *texts)
