"""Writes what a database of release 0.1 holds into today's tables: transaction by transaction, at their own times.

Nodes keep their identities and get today's uids. Only these become something else:

* ``{"replay": "rp_ULID"}`` is ``{"action": ULID}`` of type ``replay``, and a collection that is an execution says so.
* A move of an alias is a facet ``alias:NAME`` of the model's group; the group is recorded with the first version.
* Who recorded an execution, a word among its attributes, is an agent too.
* A model version says its commit and grade, which follow from its execution.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping

import msgspec

from replay.errors import StoreError, UsageError
from replay.lineage import Edge, EdgeType, Evidence, Facet, Kind, Node, agent_node, group_node
from replay.store import chain
from replay.store.interface import Cursor, Row
from replay.store.v1.tables import Written, written
from replay.store.v1.versions import facts_of
from replay.store.writes import Transaction, add_checkpoint

SYSTEM = "the operating system"
"""Who said it was them, of those that release 0.1 names."""
_ASSERTED = f" (asserted by {SYSTEM})"
_REPLAY = re.compile(r"rp_([0-7][0-9A-HJKMNP-TV-Z]{25})")


class Counts(msgspec.Struct):
    """What was written."""

    transactions: int = 0
    nodes: int = 0
    edges: int = 0
    facets: int = 0
    model_versions: int = 0
    blobs: int = 0
    later: int = 0
    """Transactions whose time lay before that of the one before them, and is that one's now."""


def convert(old: sqlite3.Connection, cursor: Cursor) -> Counts:
    """Write everything, and a checkpoint over it.

    Raises:
        StoreError: Something in it cannot be kept in today's tables.
    """
    counts, names = Counts(), _Names()
    ids: dict[str, int] = {}
    prev, before, numbers = chain.FIRST, "", (1, 1)
    for one in written(old):
        transaction = Transaction(cursor, one.tx, *numbers)
        transaction.knows_all(ids)
        try:
            _fill(transaction, one, names)
            counts.later += int(one.created < before)
            before = max(one.created, before)
            entry = transaction.sealed(prev, before)
        except UsageError as error:
            raise StoreError(f"transaction {one.tx}: {error}", hint="it was written by another program") from error
        if entry is None:
            raise StoreError(f"transaction {one.tx}: has no rows")
        transaction.insert(entry)
        prev, numbers = entry.leaf, transaction.next_numbers
        _count(counts, transaction)
    add_checkpoint(cursor, before)
    return counts


class _Names:
    """Numbers of the old nodes → their uids now."""

    def __init__(self) -> None:
        self.uids: dict[int, str] = {}
        self._seen: set[str] = set()

    def add(self, number: int, node: Node) -> None:
        uid = node.uid
        if uid in self._seen:
            raise StoreError(f"node {number}: is {uid}, which another node is already")
        self._seen.add(uid)
        self.uids[number] = uid


def _fill(transaction: Transaction, one: Written, names: _Names) -> None:
    nodes, edges, facts = [], [], facts_of(one)
    for number, *row in one.rows["nodes"]:
        node = node_of(tuple(row), facts.get(number))
        names.add(number, node)
        nodes.append(node)
    edges += [edge_of(row, names.uids) for row in one.rows["edges"]]
    for more_nodes, more_edges in (_groups(one, names), _recorders(nodes)):
        nodes += more_nodes
        edges += more_edges
    transaction.add(nodes, edges)
    for name, version, number in one.rows["model_versions"]:
        transaction.add_version(name, version, names.uids[number])
    transaction.add_facets(alias_facet(*row) for row in one.rows["alias_moves"])
    transaction.add_blobs({raw.hex(): size for raw, size in one.rows["blobs"]})


def node_of(row: Row, facts: Mapping[str, str] | None) -> Node:
    """Today's node for ``uid, kind, name, identity, attrs, evidence`` of an old one, with ``facts`` that it lacks."""
    _, kind, name, identity, attrs, evidence = row
    known: dict[str, str] = msgspec.json.decode(identity, type=dict[str, str])
    type_ = ""
    if kind == Kind.ACTION and known.keys() == {"replay"} and (found := _REPLAY.fullmatch(known["replay"])):
        known, type_ = {"action": found[1]}, "replay"
    elif kind == Kind.COLLECTION and known.keys() == {"execution"}:
        type_ = "execution"
    return Node(
        kind=Kind(kind),
        type=type_,
        name=name,
        identity=known,
        attrs={**(facts or {}), **msgspec.json.decode(attrs)},
        evidence=Evidence(evidence),
    )


def edge_of(row: Row, uids: dict[int, str]) -> Edge:
    """Today's edge for ``younger, older, type, role, attrs`` of an old one."""
    younger, older, type_, role, attrs = row
    made = type_ == EdgeType.GENERATED
    return Edge(
        source=uids[older if made else younger],
        type=EdgeType(type_),
        target=uids[younger if made else older],
        role=role,
        attrs=msgspec.json.decode(attrs),
    )


def alias_facet(name: str, alias: str, version: int) -> Facet:
    """What today says that an alias was moved."""
    return Facet(node=group_node(name).uid, key=f"alias:{alias}", value=version)


def _groups(one: Written, names: _Names) -> tuple[list[Node], list[Edge]]:
    """The groups of the models that are registered or named here, and their versions in them."""
    nodes = [group_node(row[0]) for row in (*one.rows["model_versions"], *one.rows["alias_moves"])]
    edges = [
        Edge(source=names.uids[number], type=EdgeType.PART_OF, target=group_node(name).uid, role="version")
        for name, _, number in one.rows["model_versions"]
    ]
    return nodes, edges


def _recorders(nodes: list[Node]) -> tuple[list[Node], list[Edge]]:
    """Who recorded the executions among the nodes."""
    agents, edges = [], []
    for node, who in _said(nodes):
        agent = agent_node(who, SYSTEM)
        agents.append(agent)
        edges.append(Edge(source=node.uid, type=EdgeType.ACTED_BY, target=agent.uid, role="recorder"))
    return agents, edges


def _said(nodes: list[Node]) -> Iterator[tuple[Node, str]]:
    for node in nodes:
        who = node.attrs.get("recorded_by")
        if node.type == "execution" and isinstance(who, str) and who.endswith(_ASSERTED):
            yield node, who.removesuffix(_ASSERTED)


def _count(counts: Counts, transaction: Transaction) -> None:
    counts.transactions += 1
    for table, rows in transaction.rows.items():
        setattr(counts, table, getattr(counts, table) + len(rows))
