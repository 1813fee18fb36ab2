"""The hot reads: prepared SQL, rows into values."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

import msgspec

from replay.lineage import Edge, Facet, Kind, Lineage, Node
from replay.store.interface import Database, Row
from replay.store.rows import EDGE, GENERATED, KIND_CODES, NODE, SAME_AS, edge_of, facet_of, node_of
from replay.uid import ranges_of, raw_of, text_of

Direction = Literal["up", "down"]

# UNION, never UNION ALL: in dense diamonds the latter visits every path (10 s instead of 0.3 ms at 12 levels).
WALK = {
    "up": (
        "WITH RECURSIVE walk(x) AS (SELECT id FROM nodes WHERE uid = ? "
        "UNION SELECT e.older FROM walk JOIN edges e ON e.younger = walk.x) "
    ),
    "down": (
        "WITH RECURSIVE walk(x) AS (SELECT id FROM nodes WHERE uid = ? "
        "UNION SELECT e.younger FROM walk JOIN edges e ON e.older = walk.x) "
    ),
}
_IDS = {way: f"{walk} SELECT x FROM walk" for way, walk in WALK.items()}
# CROSS JOIN keeps SQLite to the order of the walk.
_NODES = {
    way: (
        f"{walk}, cut AS (SELECT x FROM walk LIMIT ?) "
        f"SELECT n.id, {NODE} FROM cut CROSS JOIN nodes n WHERE n.id = cut.x"
    )
    for way, walk in WALK.items()
}
_NEAR = {
    way: (f"SELECT {EDGE}, n.id, {NODE} FROM edges e JOIN nodes n ON n.id = e.{far} WHERE e.{near} = ? ORDER BY n.id")
    for way, near, far in (("up", "younger", "older"), ("down", "older", "younger"))
}
_NO_LIMIT = (1 << 62) - 1
_MANY = 500


class ModelRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One registered model version; ``uid`` is its node's, ``aliases`` are those that point to it now."""

    name: str
    version: int
    created: str
    uid: str
    aliases: tuple[str, ...] = ()


def reach(database: Database, uid: str, direction: Direction) -> list[int]:
    """The numbers of a node and of all that is upstream or downstream of it; empty when it is not recorded."""
    return [row[0] for row in database.rows(_IDS[direction], (raw_of(uid),))]


def node_id(database: Database, uid: str) -> int | None:
    """The number of a node inside this database."""
    found = database.rows("SELECT id FROM nodes WHERE uid = ?", (raw_of(uid),))
    return found[0][0] if found else None


def node_ids(database: Database, uids: Iterable[str]) -> dict[str, int]:
    """The numbers of those nodes that are recorded."""
    wanted = {raw_of(uid): uid for uid in uids}
    found: dict[str, int] = {}
    for start in range(0, len(raws := list(wanted)), _MANY):
        part = raws[start : start + _MANY]
        marks = ",".join("?" * len(part))
        found |= {wanted[raw]: n for raw, n in database.rows(f"SELECT uid, id FROM nodes WHERE uid IN ({marks})", part)}
    return found


def node(database: Database, uid: str) -> Node | None:
    """The node, or ``None``."""
    found = database.rows(f"SELECT {NODE} FROM nodes n WHERE n.uid = ?", (raw_of(uid),))
    return node_of(found[0]) if found else None


def node_rows(database: Database, numbers: Collection[int]) -> dict[int, Row]:
    """Number, `NODE` and ``tx`` of many nodes."""
    query = f"SELECT n.id, {NODE}, n.tx FROM nodes n WHERE n.id {database.any}"
    return {row[0]: row for row in database.rows(query, (database.many(numbers),))}


def uids(database: Database, numbers: Iterable[int]) -> dict[int, str]:
    """The uids of many nodes."""
    query = f"SELECT id, uid FROM nodes WHERE id {database.any}"
    return {number: text_of(raw) for number, raw in database.rows(query, (database.many(numbers),))}


def edge_rows(database: Database, numbers: Iterable[int], direction: Direction) -> list[Row]:
    """`EDGE` and ``tx`` of all edges that go up or down from many nodes, by the key of the edges."""
    end = "younger" if direction == "up" else "older"
    query = f"SELECT {EDGE}, e.tx FROM edges e WHERE e.{end} {database.any}"
    return database.rows(query, (database.many(numbers),))


def count_makers(database: Database, numbers: Collection[int]) -> int:
    """How many runs made these artifacts, all together."""
    query = f"SELECT count(*) FROM edges e WHERE e.younger {database.any} AND e.type = ?"
    return int(database.rows(query, (database.many(numbers), GENERATED))[0][0])


def closure(database: Database, uid: str, direction: Direction, limit: int | None) -> Lineage:
    """Everything upstream or downstream of a node, nearest first, at most ``limit`` nodes."""
    with database.snapshot():
        size = _NO_LIMIT if limit is None else limit + 1
        found = database.rows(_NODES[direction], (raw_of(uid), size))
        cut = limit is not None and len(found) > limit
        kept = found[:limit] if cut else found
        names = {row[0]: text_of(row[1]) for row in kept}
        edges = edge_rows(database, names, direction)
    return Lineage(
        focal=uid,
        nodes={names[row[0]]: node_of(row[1:]) for row in kept},
        edges=tuple(
            edge_of(row[:6], names) for row in edges if row[0] in names and row[1] in names and _once(row, names)
        ),
        complete=not cut,
        truncated_by=(f"limit of {limit} nodes",) if cut else (),
    )


def neighbours(database: Database, uid: str, number: int, direction: Direction) -> list[tuple[Edge, Node]]:
    """The edges one step up or down, with the nodes at their other end, in the order of recording."""
    found = []
    for row in database.rows(_NEAR[direction], (number,)):
        found.append((edge_of(row[:6], {number: uid, row[6]: text_of(row[7])}), node_of(row[7:])))
    return found


def prefixed(database: Database, prefix: str, limit: int) -> list[Node]:
    """The nodes whose uid begins with ``prefix`` (see `uid.ranges_of`), at most ``limit``."""
    query = f"SELECT {NODE} FROM nodes n WHERE n.uid >= ? AND n.uid <= ? ORDER BY n.uid LIMIT ?"
    rows = [row for ends in ranges_of(prefix) for row in database.rows(query, (*ends, limit))]
    return [node_of(row) for row in rows[:limit]]


def named(database: Database, name: str, limit: int) -> list[Node]:
    """The nodes of a kind in `lineage.NAMED` with exactly this name, in the order of recording."""
    if "\0" in name:  # which no name has, and about which PostgreSQL cannot even be asked
        return []
    query = f"SELECT {NODE} FROM nodes n WHERE n.name = ? AND n.kind IN (2, 10, 11, 12, 13, 17) ORDER BY n.id LIMIT ?"
    return [node_of(row) for row in database.rows(query, (name, limit))]


def of_type(database: Database, kind: Kind, type_: str) -> list[Node]:
    """All nodes of a type among those of a kind in `lineage.NAMED`, in the order of recording.

    They are sorted here: asked for an order, SQLite would read all nodes instead of the index of named ones.
    """
    query = f"SELECT n.id, {NODE} FROM nodes n WHERE n.kind IN (2, 10, 11, 12, 13, 17) AND n.kind = ? AND n.type = ?"
    return [node_of(row[1:]) for row in sorted(database.rows(query, (KIND_CODES[kind], type_)))]


def facets(database: Database, numbers: Collection[int], tx: int | None = None) -> dict[int, list[Facet]]:
    """All facets of many nodes up to a transaction, by node, oldest first."""
    query = (
        "SELECT f.node, n.uid, f.key, f.value, f.evidence, a.uid, t.created FROM facets f "
        "JOIN nodes n ON n.id = f.node JOIN transactions t ON t.tx = f.tx LEFT JOIN nodes a ON a.id = f.action "
        f"WHERE f.node {database.any} AND f.tx <= ? ORDER BY f.id"
    )
    found: dict[int, list[Facet]] = {}
    for row in database.rows(query, (database.many(numbers), _NO_LIMIT if tx is None else tx)):
        found.setdefault(row[0], []).append(facet_of(text_of(row[1]), row[2:]))
    return found


def facets_like(database: Database, first: str, last: str) -> list[Facet]:
    """All facets whose key lies between the two, both included, oldest first."""
    query = (
        "SELECT n.uid, f.key, f.value, f.evidence, a.uid, t.created FROM facets f "
        "JOIN nodes n ON n.id = f.node JOIN transactions t ON t.tx = f.tx LEFT JOIN nodes a ON a.id = f.action "
        "WHERE f.key >= ? AND f.key <= ? ORDER BY f.id"
    )
    return [facet_of(text_of(row[0]), row[1:]) for row in database.rows(query, (first, last))]


def tx_at(database: Database, time: str) -> int:
    """The newest transaction recorded at ``time`` (as `writes.now` writes it) or before; 0 when there is none."""
    low, high = 0, database.rows("SELECT coalesce(max(tx), 0) FROM transactions")[0][0]
    while low < high:  # their times grow with their numbers
        middle = (low + high + 1) // 2
        created = database.rows("SELECT created FROM transactions WHERE tx = ?", (middle,))[0][0]
        low, high = (middle, high) if created <= time else (low, middle - 1)
    return int(low)


def created_at(database: Database, transactions: Collection[int]) -> dict[int, str]:
    """When these transactions were recorded."""
    query = f"SELECT tx, created FROM transactions WHERE tx {database.any}"
    return dict(database.rows(query, (database.many(transactions),)))


def version_uid(database: Database, name: str, version: int | None) -> str | None:
    """The node of a model version, or of the newest one."""
    query = "SELECT n.uid FROM model_versions v JOIN nodes n ON n.id = v.node WHERE v.name = ? "
    exact, values = ("AND v.version = ? ", (name, version)) if version is not None else ("", (name,))
    found = database.rows(f"{query}{exact}ORDER BY v.version DESC LIMIT 1", values)
    return text_of(found[0][0]) if found else None


def model_versions(database: Database, name: str | None = None) -> list[tuple[str, int, str, str]]:
    """Name, version, time and uid of all model versions, or of one model's."""
    which, values = ("WHERE v.name = ? ", (name,)) if name is not None else ("", ())
    query = (
        "SELECT v.name, v.version, t.created, n.uid FROM model_versions v JOIN nodes n ON n.id = v.node "
        f"JOIN transactions t ON t.tx = v.tx {which}ORDER BY v.name, v.version"
    )
    return [(row[0], row[1], row[2], text_of(row[3])) for row in database.rows(query, values)]


def _once(row: Row, names: dict[int, str]) -> bool:
    """Sameness is kept in both directions and told once."""
    return bool(row[2] != SAME_AS or names[row[0]] < names[row[1]])
