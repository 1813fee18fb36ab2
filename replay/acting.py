"""Somebody does something to what is recorded: an action of the lineage, and what it says about its subjects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from replay.identity import ulid
from replay.lineage import Edge, EdgeType, Evidence, Facet, Kind, Node, agent_node


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks or acts."""

    user: str
    groups: tuple[str, ...] = ()
    basis: str = "the operating system"
    """Who says so."""


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """An action, ready for `store.database.Store.append`."""

    uid: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    facets: tuple[Facet, ...] = ()


def act(
    type_: str,
    asker: Asker,
    subjects: Mapping[str, str],
    *,
    name: str = "",
    attrs: Mapping[str, Any] | None = None,
    facets: Mapping[str, Mapping[str, Any]] | None = None,
) -> Act:
    """An action of ``type_`` (one of `lineage.TYPES`) by ``asker``.

    Args:
        type_: What is done, e.g. ``approve``.
        asker: By whom.
        subjects: To which nodes: uid → role.
        name: What a person reads in a graph; the type by default.
        attrs: What else is to be kept of it, e.g. its reason.
        facets: What it says of nodes from now on: uid → key → value; ``None`` takes a key back.
    """
    who = agent_node(asker.user, asker.basis)
    node = Node(
        kind=Kind.ACTION,
        type=type_,
        identity={"action": ulid()},
        name=name or type_,
        attrs=dict(attrs or {}),
        evidence=Evidence.ASSERTED,
        basis=asker.user,
    )
    edges = [Edge(source=node.uid, type=EdgeType.USED, target=uid, role=role) for uid, role in subjects.items()]
    said = [
        Facet(node=uid, key=key, value=value, evidence=Evidence.ASSERTED, basis=asker.user, action=node.uid)
        for uid, values in (facets or {}).items()
        for key, value in values.items()
    ]
    return Act(
        uid=node.uid,
        nodes=(node, who),
        edges=(*edges, Edge(source=node.uid, type=EdgeType.ACTED_BY, target=who.uid)),
        facets=tuple(said),
    )
