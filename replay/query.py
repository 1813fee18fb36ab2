"""A question to the lineage and its answer: the same in Python, on the command line and in JSON."""

from __future__ import annotations

import enum
from typing import Any, Literal

import msgspec

from replay.lineage import Edge, EdgeType, Evidence, Kind

SCHEMA = "replay.lineage/1"


class Direction(enum.StrEnum):
    """Where a walk goes from its start."""

    UP = "up"
    """What it stands on: how was it made?"""
    DOWN = "down"
    """What stands on it: what does it touch?"""
    UPDOWN = "updown"
    """Both, each by itself."""
    CONNECTED = "connected"
    """Both, from every node on the way too: the whole component (what SageMaker calls ``Both``)."""


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of questions and answers."""


class Query(_Value, frozen=True, kw_only=True):
    """A question. Filters choose what is told, not where the walk goes; only ``follow`` and ``stop_at`` bound the walk.

    Times are ISO 8601 with a zone. All filters must hold.
    """

    start: tuple[str, ...]
    """Uids, one or more; on the command line also everything else that means one node."""
    direction: Direction = Direction.UP
    """Where to walk: ``up`` to what it stands on, ``down`` to what stands on it, ``updown`` or ``connected``."""
    kinds: tuple[Kind, ...] = ()
    """Told when the node is of one of these kinds."""
    types: tuple[str, ...] = ()
    """Types of nodes, such as ``experiment``; see `lineage.TYPES`."""
    roles: tuple[str, ...] = ()
    """Told when an edge in one of these roles was met at the node: the whole role, or what stands before its ``:``."""
    where: dict[str, str] = {}
    """Properties that all must have this value: keys of attributes and facets, ``a.b`` for nested ones."""
    where_any: dict[str, str] = {}
    """Properties of which one must have this value."""
    created_after: str | None = None
    """Told when the node was recorded at this time or later."""
    created_before: str | None = None
    """Told when the node was recorded at this time or before."""
    modified_after: str | None = None
    """When something was last said of the node: its newest facet, else its record."""
    modified_before: str | None = None
    """Told when the last thing that was said of the node was said at this time or before."""
    as_of: str | None = None
    """The graph as it was recorded up to this time."""
    max_depth: int | None = None
    """Edges from the start; no bound by default."""
    follow: tuple[EdgeType, ...] = ()
    """Walk along edges of these types only."""
    stop_at: tuple[Kind, ...] = ()
    """Do not walk on from nodes of these kinds."""
    same_bytes: bool = False
    """Also walk through who merely made the same bytes, where an execution on the way had made them itself.

    Equal bytes are one node. Without this a model's lineage is that of its own runs, and a dataset touches those that
    were made from it; ``connected`` always walks through everything.
    """
    include_edges: bool = True
    """Also tell the edges, and the nodes on the way to what was found."""
    paths: Literal["all", "shortest"] | None = None
    """Also tell the ways from the start to each node found."""
    limit: int | None = None
    """Nodes in one answer; `Answer.next` goes on."""
    cursor: str | None = None
    """`Answer.next` of the answer before."""


class Entry(_Value, frozen=True, kw_only=True):
    """A node in an answer."""

    uid: str
    kind: Kind
    type: str = ""
    name: str = ""
    identity: dict[str, str]
    attrs: dict[str, Any] = {}
    facets: dict[str, Any] = {}
    """What holds of it (as of the time asked for), by key."""
    evidence: Evidence = Evidence.RECORDED
    basis: str = ""
    depth: int
    """Edges from the start; 0 for the start itself."""
    created: str
    """When it was recorded."""
    modified: str = ""
    """When something was last said of it, if later."""
    stores: tuple[str, ...] = ()
    """The attached stores that hold it, when it was found beyond this one."""


class Answer(_Value, frozen=True, kw_only=True, omit_defaults=False):
    """What was found, and exactly what was not: both are told even when there is nothing to tell."""

    schema_version: str = SCHEMA
    query: Query
    found: tuple[str, ...]
    """Uids of the nodes that match, nearest first; the start is not among them."""
    nodes: dict[str, Entry]
    """The start, what was found, and (with edges) what lies on the way."""
    edges: tuple[Edge, ...] = ()
    paths: tuple[tuple[str, ...], ...] = ()
    complete: bool = True
    """Nothing that was asked for is missing."""
    truncated_by: tuple[str, ...] = ()
    """``depth``, ``limit``, ``paths``, ``access``, or ``store NAME`` for an attached store that could not be asked."""
    frontier: tuple[str, ...] = ()
    """The nodes at which something was left out by depth or limit."""
    unresolved: tuple[str, ...] = ()
    """Locators that were used as such: which version they meant is not known."""
    elsewhere: int = 0
    """How many nodes were left out because they only made the same bytes; see `Query.same_bytes`."""
    hidden: int = 0
    """How many nodes on the walk the asker may not see."""
    findings: tuple[str, ...] = ()
    """What is odd about the graph (cycles) or about the question (a filter that cannot match)."""
    next: str | None = None
    """The cursor of the next page."""
