"""Does each row make sense by itself and among the others? The chain says only that it is as recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from replay.errors import ReplayError
from replay.identity import canonical_json
from replay.lineage import Kind
from replay.store.findings import Finding
from replay.store.interface import Database, Row
from replay.store.rows import EDGE_TYPES, KIND_CODES, NODE, evidence_of, node_of
from replay.store.verify_names import name_of
from replay.uid import forms_of

_BAD = (ReplayError, msgspec.MsgspecError, ValueError, TypeError, AttributeError, KeyError, RecursionError)


def check(database: Database) -> Iterator[Finding]:
    """Check every node, edge, facet and model version; name each bad one and go on."""
    for one in CHECKS.values():
        yield from one(database)


def _nodes(database: Database) -> Iterator[Finding]:
    for row in database.stream(f"SELECT n.id, {NODE} FROM nodes n ORDER BY n.id"):
        for problem in _node(row[1:]):
            yield Finding(place=name_of(database, "nodes", row), problem=problem)


def _facets(database: Database) -> Iterator[Finding]:
    for row in database.stream("SELECT id, node, key, value, evidence FROM facets ORDER BY id"):
        problem = _text(row[3], row[4])
        if problem:
            yield Finding(place=name_of(database, "facets", row), problem=problem)


def _node(row: Row) -> list[str]:
    try:
        node = node_of(row)
        problems = [] if forms_of(node.identity)[1] == row[0] else [f"got an identity whose uid is {node.uid}"]
        if canonical_json(node.attrs).decode() != row[5]:
            problems.append("got attrs that are no canonical JSON")
    except _BAD as error:
        return [f"bad data: {error}"]
    return problems


def _edges(database: Database) -> Iterator[Finding]:
    query = (
        "SELECT e.younger, e.older, e.type, e.role, e.attrs, e.evidence, e.late, e.tx, y.tx, o.tx FROM edges e "
        "LEFT JOIN nodes y ON y.id = e.younger LEFT JOIN nodes o ON o.id = e.older"
    )
    for *row, young, old in database.stream(query):
        for problem in _edge(tuple(row), young, old):
            yield Finding(place=name_of(database, "edges", tuple(row)), problem=problem)


def _edge(row: Row, young: Any, old: Any) -> list[str]:
    problems = [f"its {end} end is no node" for end, tx in (("younger", young), ("older", old)) if tx is None]
    if row[2] not in EDGE_TYPES:
        problems.append(f"got the unknown type {row[2]!r}")
    try:
        if young is not None and row[6] != int(young < row[7]):
            problems.append(f"got late = {row[6]}, expected {int(young < row[7])}")
    except _BAD as error:
        problems.append(f"bad data: {error}")
    if problem := _text(row[4], row[5]):
        problems.append(problem)
    return problems


def _text(value: Any, evidence: Any) -> str:
    try:
        canonical = canonical_json(msgspec.json.decode(value)).decode()
        evidence_of(evidence)
    except _BAD as error:
        return f"bad data: {error}"
    return "" if canonical == value else "got a value that is no canonical JSON"


def _versions(database: Database) -> Iterator[Finding]:
    query = "SELECT v.name, v.version, n.kind FROM model_versions v LEFT JOIN nodes n ON n.id = v.node"
    for name, version, kind in database.rows(query):
        if kind != KIND_CODES[Kind.MODEL_VERSION]:
            yield Finding(
                place=name_of(database, "model_versions", (name, version)), problem="its node is no model version"
            )
    query = "SELECT name, count(*), max(version), min(version) FROM model_versions GROUP BY name"
    for name, count, newest, oldest in database.rows(query):
        if (oldest, newest) != (1, count):
            yield Finding(place=f"model {name}", problem=f"got {count} versions up to {newest}, expected 1 to {newest}")


CHECKS: dict[str, Callable[[Database], Iterator[Finding]]] = {
    "nodes": _nodes,
    "edges": _edges,
    "facets": _facets,
    "model_versions": _versions,
}
"""By table. Each stands for itself: where one cannot be read on, the others still can."""
