"""What is registered: groups, their definitions, batches and views, as the lineage has them.

A group belongs to the store that it was registered in: unlike bytes, a name says nothing of what it names, so two
teams' ``prices`` stay two groups when their graphs are merged. A copy of a store keeps its id, and so its groups.
"""

from __future__ import annotations

import difflib
import re
from typing import Any

import msgspec

from replay.ask import Ground
from replay.ask.seen import seen
from replay.errors import StoreCorruptError, UsageError
from replay.features.values import Batch, Columns, Definition, Group, View
from replay.lineage import Edge, EdgeType, Facet, Kind, Node
from replay.store import reads
from replay.store.database import Store
from replay.store.rows import edge_of
from replay.uid import uid_of

TYPE = "feature_group"
DEFINITION = "definition"
"""The facet of a group that says what its rows mean."""
SCHEMA = "schema"
"""The facet of a group that says which columns they have."""
BATCH, VIEW, ROWS = "batch", "view", "rows"
"""Roles of edges: rows that were written to a group, rows that were read from it, and the file that rows are in."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(?:/[a-z0-9][a-z0-9._-]*)?")
_NO_LIMIT = "\U0010ffff"


def group_node(name: str, store: Store) -> Node:
    """The collection of all rows of a group.

    Raises:
        UsageError: ``name`` cannot be a group's.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"got the feature group {name!r}, expected a name such as prices or equities/prices",
            hint="lower-case letters, digits, '.', '_' and '-', with at most one '/'",
        )
    return Node(kind=Kind.COLLECTION, type=TYPE, identity={TYPE: name, "store": store.id}, name=name)


def find(name: str, ground: Ground) -> Group:
    """The group of this name.

    Raises:
        UsageError: There is none (or the asker may not see it); the hint has near matches.
    """
    store = ground.places[0].store
    node = group_node(name, store)
    found = read_group(node, store) if seen([node.uid], ground) else None
    if found is None:
        names = [group.name for group in every(ground)]
        near = difflib.get_close_matches(name, names, cutoff=0.5)
        hint = "did you mean " + " or ".join(near) + "? " if near else ""
        raise UsageError(
            f"no feature group {name!r} is registered", hint=f"{hint}`replay features list` lists what is registered"
        )
    return found


def every(ground: Ground) -> list[Group]:
    """All groups of this store that the asker may see, by name."""
    store = ground.places[0].store
    with store.reading() as database:
        said = reads.facets_like(database, DEFINITION, DEFINITION)
    found = []
    for uid in seen(dict.fromkeys(facet.node for facet in said), ground):
        node = store.node(uid)
        group = read_group(node, store) if node.type == TYPE and node.identity.get("store") == store.id else None
        found += [group] if group else []
    return sorted(found, key=lambda group: group.name)


def is_any_registered(store: Store) -> bool:
    """Whether there is any group."""
    with store.reading() as database:
        return bool(reads.facets_like(database, DEFINITION, DEFINITION))


def known(uid: str, store: Store) -> Group:
    """The group of this uid, which is registered."""
    found = read_group(store.node(uid), store)
    if found is None:
        raise UsageError(f"{uid} is no feature group", hint="`replay features list` lists what is registered")
    return found


def read_group(node: Node, store: Store, written: str = _NO_LIMIT) -> Group | None:
    """What was said of a group up to ``written``; ``None`` when it was not registered then.

    Raises:
        StoreCorruptError: Something else was said of it.
    """
    definitions: list[Definition] = []
    columns: Columns = ()
    for facet in store.history(node.uid):
        if facet.recorded > written:
            continue
        if facet.key == SCHEMA:
            columns = _decoded(facet, Columns)
            newest = [msgspec.structs.replace(one, columns=columns) for one in definitions[-1:]]
            definitions = [*definitions[:-1], *newest]
        elif facet.key == DEFINITION:
            given = _decoded(facet, Definition)
            made = msgspec.structs.replace(given, columns=columns, recorded=facet.recorded, by=facet.basis)
            definitions.append(made)
    return Group(uid=node.uid, name=node.name, definitions=tuple(definitions)) if definitions else None


def _decoded(facet: Facet, kind: Any) -> Any:
    try:
        return msgspec.convert(facet.value, kind)
    except msgspec.ValidationError as error:
        raise StoreCorruptError(
            f"{facet.node}: its {facet.key} of {facet.recorded} cannot be read: {error}",
            hint="`replay verify` says what is damaged",
        ) from error


def batches_of(group: Group, store: Store, written: str = _NO_LIMIT) -> list[Batch]:
    """The batches that were written up to a time, in the order of writing."""
    found = []
    for edge, tx, created in _members(group, store, BATCH):
        if created <= written:
            sha256 = edge.source.partition(":")[2]
            found.append((tx, sha256, _batch(edge, sha256, created)))
    return [batch for *_, batch in sorted(found, key=lambda item: item[:2])]


def _batch(edge: Edge, sha256: str, created: str) -> Batch:
    try:
        return msgspec.convert(edge.attrs | {"uid": edge.source, "sha256": sha256, "written": created}, Batch)
    except msgspec.ValidationError as error:
        raise StoreCorruptError(
            f"batch {sha256}: what was recorded of it cannot be read: {error}",
            hint="`replay verify` says what is damaged",
        ) from error


def views_of(group: Group, store: Store) -> list[View]:
    """The views that were read from a group, in the order of reading."""
    members = sorted(_members(group, store, VIEW), key=lambda item: (item[1], item[0].source))
    return [view_of(store.node(edge.source)) for edge, *_ in members]


def view_of(node: Node) -> View:
    """The view of a node.

    Raises:
        StoreCorruptError: It is none.
    """
    try:
        return msgspec.convert(node.attrs | {"uid": node.uid}, View)
    except msgspec.ValidationError as error:
        raise StoreCorruptError(
            f"{node.uid}: what was recorded of the view cannot be read: {error}",
            hint="`replay verify` says what is damaged",
        ) from error


def _members(group: Group, store: Store, role: str) -> list[tuple[Edge, int, str]]:
    """The edges to a group in one role, with the number and the time of their transaction.

    That time is when rows were written: their node may be older, when the same bytes were recorded before.
    """
    with store.reading() as database, database.snapshot():
        number = reads.node_id(database, group.uid)
        rows = reads.edge_rows(database, [] if number is None else [number], "down")
        rows = [row for row in rows if row[3] == role]
        uids = reads.uids(database, {end for row in rows for end in row[:2]})
        times = reads.created_at(database, {row[6] for row in rows})
        edges = [edge_of(row[:6], uids) for row in rows]
    return [
        (edge, row[6], times[row[6]]) for edge, row in zip(edges, rows, strict=True) if edge.type is EdgeType.PART_OF
    ]


def source_uid(sha256: str) -> str:
    """The node of a file's content."""
    return uid_of({"sha256": sha256})
