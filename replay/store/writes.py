"""Writing to the lineage database: one transaction at a time, sealed into the chain before it commits."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from replay.errors import CommitLostError, StoreError
from replay.lineage import Edge, Facet, Kind, Node
from replay.store import chain
from replay.store.interface import Cursor, Database, Row
from replay.store.journal import Record
from replay.store.rows import EDGE_CODES, GENERATED, KIND_CODES, SAME_AS, EdgeKey, edge_rows, facet_row, node_rows
from replay.uid import forms_of, raw_of

CHECKPOINT_EVERY = 1024
JOURNAL = "journal "
"""Before the keys of `tie` in ``meta``: hash of the first record, number of the newest one → its hash."""
_BATCH = 500
HEAD = (
    "SELECT tx, created, leaf, (SELECT max(id) FROM nodes), (SELECT max(id) FROM facets) "
    "FROM transactions ORDER BY tx DESC LIMIT 1"
)

EMPTY = (0, "", chain.FIRST, None, None)


class Transaction:
    """One transaction being written; see `writing`."""

    def __init__(self, cursor: Cursor, tx: int, first_node: int, first_facet: int) -> None:
        self.tx = tx
        self.rows: dict[str, list[Row]] = {table: [] for table in chain.TABLES}
        self._cursor = cursor
        self._first_node = self._next_node = first_node
        self._next_facet = first_facet
        self._ids: dict[str, int] = {}
        self._all_known = False

    def knows_all(self, ids: dict[str, int]) -> None:
        """The numbers of all nodes there are: nothing need be looked up. The dictionary grows with this transaction."""
        self._ids, self._all_known = ids, True

    @property
    def next_numbers(self) -> tuple[int, int]:
        """The numbers that the next node and the next facet get."""
        return self._next_node, self._next_facet

    def add(self, nodes: Iterable[Node], edges: Iterable[Edge], *, ordered: bool = False) -> None:
        """Insert the nodes and edges that are not there; of equal ones the first stays.

        Args:
            nodes: In any order.
            edges: In any order.
            ordered: The nodes stand in the order of their age already.

        Raises:
            StoreError: An end of an edge is no recorded node.
            UsageError: A float in the attributes, or an identity that is no text.
        """
        keyed = _keyed(edges)
        fresh = self._numbered(nodes if self._all_known else self._sought(nodes, keyed, ordered))
        self.rows["nodes"] += node_rows(fresh, self._next_node - len(fresh), self.tx)
        rows = edge_rows(keyed, self._ids, self._first_node, self.tx)
        self.rows["edges"] += [row for row in rows if not (row[6] and self._has_edge(*row[:4]))]

    def _sought(self, nodes: Iterable[Node], keyed: Mapping[EdgeKey, Edge], ordered: bool) -> Iterable[Node]:
        """The nodes, older ones first, once it is looked up which of them and of the edges' ends are there."""
        given: dict[str, Node] = {}
        for node in nodes:
            given.setdefault(node.uid, node)
        self._find({uid for key in keyed for uid in key[:2]}.union(given))
        if ordered:
            return given.values()
        return (given[uid] for uid in _older_first([uid for uid in given if uid not in self._ids], keyed))

    def _numbered(self, nodes: Iterable[Node]) -> list[tuple[bytes, Node]]:
        """Those nodes that have no number yet, each with its raw uid, numbered from `_next_node` on."""
        ids, number, found = self._ids, self._next_node, []
        for node in nodes:
            uid, raw = forms_of(node.identity)
            if uid not in ids:
                ids[uid] = number
                number += 1
                found.append((raw, node))
        self._next_node = number
        return found

    def add_facets(self, facets: Iterable[Facet]) -> None:
        """Say something about nodes.

        Raises:
            StoreError: A node or an action is not recorded.
            UsageError: A float in a value, or a key that is empty or no text to keep.
        """
        given = list(facets)
        self._find({facet.node for facet in given} | {facet.action for facet in given if facet.action})
        for facet in given:
            for uid in (facet.node, facet.action):
                if uid and uid not in self._ids:
                    raise StoreError(f"facet {facet.key}: {uid} is no recorded node")
            action = self._ids[facet.action] if facet.action else None
            self.rows["facets"].append(facet_row(self._next_facet, self._ids[facet.node], facet, action, self.tx))
            self._next_facet += 1

    def next_version(self, name: str) -> int:
        """The version that the next registration of model ``name`` gets."""
        newest = self._cursor.rows("SELECT max(version) FROM model_versions WHERE name = ?", (name,))[0][0]
        return (newest or 0) + 1

    def add_version(self, name: str, version: int, uid: str) -> None:
        """Register the node ``uid`` as version ``version`` of model ``name``.

        Raises:
            StoreError: ``uid`` is no recorded model version, or is registered already.
        """
        self._find([uid])
        number = self._ids.get(uid)
        fresh = {row[0]: row[2] for row in self.rows["nodes"]}
        kind = fresh.get(number)
        if number is not None and kind is None:
            kind = self._cursor.rows("SELECT kind FROM nodes WHERE id = ?", (number,))[0][0]
        if kind != KIND_CODES[Kind.MODEL_VERSION]:
            raise StoreError(f"{name}:{version}: got the node {uid}, expected a recorded model version")
        taken = self._cursor.rows("SELECT name, version FROM model_versions WHERE node = ?", (number,))
        if taken:
            raise StoreError(f"{name}:{version}: its node {uid} is {taken[0][0]}:{taken[0][1]} already")
        self.rows["model_versions"].append((name, version, number, self.tx))

    def add_blobs(self, sizes: Mapping[str, int]) -> None:
        """Record which blobs must be there."""
        known: set[bytes] = set()
        for part in _parts([bytes.fromhex(sha256) for sha256 in sizes]):
            marks = ",".join("?" * len(part))
            known |= {row[0] for row in self._cursor.rows(f"SELECT sha256 FROM blobs WHERE sha256 IN ({marks})", part)}
        fresh = {bytes.fromhex(sha256): size for sha256, size in sizes.items()}
        self.rows["blobs"] += [(raw, size, self.tx) for raw, size in fresh.items() if raw not in known]

    def sealed(self, prev: bytes, created: str) -> chain.Entry | None:
        """The record of this transaction, which is complete now; ``None`` when there is nothing in it."""
        if not any(self.rows.values()):
            return None
        self.rows["edges"].sort()
        self.rows["model_versions"].sort()
        self.rows["blobs"].sort()
        return chain.seal(self.tx, created, prev, self.rows)

    def insert(self, entry: chain.Entry) -> None:
        """Write its record, then its rows: after them SQLite would look through whole tables for rows it lacks."""
        self._cursor.insert("transactions", [tuple(entry)])
        for table, rows in self.rows.items():
            self._cursor.insert(table, rows)

    def _find(self, uids: Collection[str]) -> None:
        if self._all_known:
            return
        wanted = {raw_of(uid): uid for uid in uids if uid not in self._ids}
        for part in _parts(list(wanted)):
            marks = ",".join("?" * len(part))
            found = self._cursor.rows(f"SELECT uid, id FROM nodes WHERE uid IN ({marks})", part)
            self._ids.update((wanted[raw], number) for raw, number in found)

    def _has_edge(self, younger: int, older: int, code: int, role: str) -> bool:
        query = "SELECT 1 FROM edges WHERE younger = ? AND older = ? AND type = ? AND role = ?"
        return bool(self._cursor.rows(query, (younger, older, code, role)))


@contextlib.contextmanager
def writing(database: Database) -> Iterator[Transaction]:
    """One durable transaction. One that adds nothing leaves nothing.

    Raises:
        StoreError: The database cannot be written; nothing was added.
        StoreBusyError: Another process wrote for too long.
    """
    entry: chain.Entry | None = None
    try:
        with database.writing() as cursor:
            head = cursor.rows(HEAD)
            tx, before, prev, node, facet = head[0] if head else EMPTY
            transaction = Transaction(cursor, tx + 1, (node or 0) + 1, (facet or 0) + 1)
            yield transaction
            entry = transaction.sealed(prev, max(now(), before))
            if entry is not None:
                transaction.insert(entry)
                if entry.tx % CHECKPOINT_EVERY == 0:
                    add_checkpoint(cursor, entry.created)
    except CommitLostError as error:
        if entry is None or not _is_recorded(database, entry, error):
            raise  # else: the connection was lost after the commit, and before its answer


def add_checkpoint(cursor: Cursor, created: str) -> chain.Checkpoint | None:
    """The checkpoint over all transactions, recorded unless it is there; ``None`` for an empty store."""
    last = cursor.rows("SELECT size, root, frontier, created FROM checkpoints ORDER BY size DESC LIMIT 1")
    known = chain.Checkpoint(*last[0]) if last else None
    size = known.size if known else 0
    leaves = [row[0] for row in cursor.rows("SELECT leaf FROM transactions WHERE tx > ? ORDER BY tx", (size,))]
    if not leaves:
        return known
    fresh = chain.checkpoint_after(known, leaves, created)
    cursor.insert("checkpoints", [tuple(fresh)])
    return fresh


def tie(cursor: Cursor, ends: tuple[Record, Record] | None) -> None:
    """Keep the newest record of a journal, which is known by its first one; see `verify`."""
    if ends is None:
        return
    first, newest = ends
    key = f"{JOURNAL}{first.hash} {newest.seq}"
    if not cursor.rows("SELECT 1 FROM meta WHERE key = ?", (key,)):
        cursor.insert("meta", [(key, newest.hash)])


def now() -> str:
    """The time of a record: UTC, ISO 8601, microseconds."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")


def _is_recorded(database: Database, entry: chain.Entry, lost: CommitLostError) -> bool:
    """Whether a commit took place after all: asked when it is our turn again, for it may still be under way."""
    try:
        with database.writing() as cursor:
            found = cursor.rows("SELECT leaf FROM transactions WHERE tx = ?", (entry.tx,))
    except StoreError:
        raise StoreError(
            f"{lost} (while transaction {entry.tx} was being committed)",
            hint="it is recorded whole or not at all; look which when the server is back, e.g. with `replay models`",
        ) from lost
    return bool(found) and found[0][0] == entry.leaf


def _keyed(edges: Iterable[Edge]) -> dict[EdgeKey, Edge]:
    """Edges by their keys. Sameness has no direction: it is kept both ways."""
    found: dict[EdgeKey, Edge] = {}
    for edge in edges:
        code = EDGE_CODES[edge.type]
        if code == GENERATED:
            found.setdefault((edge.target, edge.source, code, edge.role), edge)
        else:
            found.setdefault((edge.source, edge.target, code, edge.role), edge)
            if code == SAME_AS:
                found.setdefault((edge.target, edge.source, code, edge.role), edge)
    return found


def _older_first(fresh: list[str], keyed: Iterable[EdgeKey]) -> list[str]:
    """Nodes so that what one stands on comes before it, wherever their edges allow that.

    So a younger node has the greater number, except where an edge came later or a graph has a cycle.
    """
    below: dict[str, list[str]] = {uid: [] for uid in fresh}
    for younger, older, _, _ in keyed:
        if younger in below and older in below and younger != older:
            below[younger].append(older)
    done: dict[str, None] = {}
    for root in fresh:
        stack = [(root, iter(below[root]))]
        entered = {root}
        while stack:
            uid, rest = stack[-1]
            following = next((o for o in rest if o not in done and o not in entered), None)
            if following is None:
                done[uid] = None
                stack.pop()
            else:
                entered.add(following)
                stack.append((following, iter(below[following])))
    return list(done)


def _parts(items: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]
