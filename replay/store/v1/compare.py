"""Is everything that a database of release 0.1 held in the one that was made of it, each row in its transaction?"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator

from replay.store.findings import Finding
from replay.store.interface import Database, Row
from replay.store.rows import EDGE_CODES, NODE, edge_rows, facet_row, node_of
from replay.store.v1.convert import alias_facet, edge_of
from replay.store.v1.convert import node_of as today
from replay.store.v1.tables import Written, written
from replay.store.v1.versions import facts_of
from replay.uid import raw_of


def differences(old: sqlite3.Connection, new: Database) -> Iterator[Finding]:
    """Name each row of the old database that the new one lacks or has otherwise."""
    uids: dict[int, str] = {}
    for one in written(old):
        created = new.rows("SELECT created FROM transactions WHERE tx = ?", (one.tx,))
        if not created or created[0][0] < one.created:
            yield Finding(place=f"transaction {one.tx}", problem=f"got the time {created}, expected {one.created}")
        for check in (_nodes, _edges, _registered):
            yield from check(one, new, uids)


_Check = Callable[[Written, Database, dict[int, str]], Iterator[Finding]]


def _nodes(one: Written, new: Database, uids: dict[int, str]) -> Iterator[Finding]:
    facts = facts_of(one)
    for number, *row in one.rows["nodes"]:
        node = today(tuple(row), facts.get(number))
        uids[number] = node.uid
        found = new.rows(f"SELECT {NODE}, n.tx FROM nodes n WHERE n.uid = ?", (raw_of(node.uid),))
        if not found or node_of(found[0][:7]) != node or found[0][7] != one.tx:
            yield _lost(f"node {number}", node.uid, one.tx)


def _edges(one: Written, new: Database, uids: dict[int, str]) -> Iterator[Finding]:
    query = (
        "SELECT e.younger, e.older, e.type, e.role, e.attrs, e.evidence, e.late, e.tx FROM edges e "
        "JOIN nodes y ON y.id = e.younger JOIN nodes o ON o.id = e.older "
        "WHERE y.uid = ? AND o.uid = ? AND e.type = ? AND e.role = ?"
    )
    for row in one.rows["edges"]:
        edge = edge_of(row, uids)
        key = edge.younger, edge.older, EDGE_CODES[edge.type], edge.role
        (expected,) = edge_rows({key: edge}, dict.fromkeys(key[:2], 0), 0, one.tx)
        found = new.rows(query, (raw_of(edge.younger), raw_of(edge.older), expected[2], expected[3]))
        if not found or _kept(found[0]) != _kept(expected):
            yield _lost(f"edge {row[0]} {row[1]} {row[2]} {row[3]}", f"{edge.source} {edge.target}", one.tx)


def _kept(row: Row) -> Row:
    return row[2:6] + row[7:]


def _registered(one: Written, new: Database, uids: dict[int, str]) -> Iterator[Finding]:
    tx = one.tx
    query = "SELECT v.name, v.version, n.uid FROM model_versions v JOIN nodes n ON n.id = v.node WHERE v.tx = ?"
    versions = {(name, version, raw_of(uids[number])) for name, version, number in one.rows["model_versions"]}
    if versions != set(new.rows(query, (tx,))):
        yield _lost("model versions", str(sorted(row[:2] for row in versions)), tx)
    query = "SELECT n.uid, f.key, f.value FROM facets f JOIN nodes n ON n.id = f.node WHERE f.tx = ? ORDER BY f.id"
    moves = [alias_facet(*row) for row in one.rows["alias_moves"]]
    expected = [(raw_of(facet.node), *facet_row(0, 0, facet, None, tx)[2:4]) for facet in moves]
    if expected != new.rows(query, (tx,)):
        yield _lost("moves of aliases", str(one.rows["alias_moves"]), tx)
    if set(one.rows["blobs"]) != set(new.rows("SELECT sha256, size FROM blobs WHERE tx = ?", (tx,))):
        yield _lost("blobs", str([raw.hex() for raw, _ in one.rows["blobs"]]), tx)


def _lost(place: str, what: str, tx: int) -> Finding:
    return Finding(place=place, problem=f"{what} is not in the new database as it was (transaction {tx})")
