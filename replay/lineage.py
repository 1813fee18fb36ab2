"""The lineage graph as values: nodes, edges, facets, and the closure that a walk returns."""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from replay.uid import uid_of


class Kind(enum.StrEnum):
    """What a node is."""

    DATASET = "dataset"
    FEATURE_VIEW = "feature_view"
    CODE = "code"
    IMAGE = "image"
    CONFIG = "config"
    RUN = "run"
    ACTION = "action"
    MODEL = "model"
    MODEL_VERSION = "model_version"
    DEPLOYMENT = "deployment"
    COLLECTION = "collection"
    PLAN = "plan"
    AGENT = "agent"
    METRICS = "metrics"
    PLOT = "plot"
    REPORT = "report"
    LOCATOR = "locator"


TYPES: dict[Kind, tuple[str, ...]] = {
    Kind.AGENT: ("user",),
    Kind.ACTION: (
        "alias", "annotate", "approve", "deploy", "forget", "identify", "link", "register", "reject", "replay", "share",
        "withdraw", "write",
    ),
    Kind.COLLECTION: (
        "execution", "experiment", "feature_group", "lineage_group", "model_group", "pipeline", "project", "store",
        "trial",
    ),
    Kind.DEPLOYMENT: ("endpoint",),
    Kind.LOCATOR: ("branch", "endpoint", "path", "pipeline", "tag", "template", "uri"),
    Kind.PLAN: ("pipeline", "template"),
}  # fmt: skip
"""The types that this program gives to nodes of a kind. Imported graphs may bring others."""

NAMED = (Kind.LOCATOR, Kind.COLLECTION, Kind.AGENT, Kind.PLAN, Kind.DEPLOYMENT, Kind.FEATURE_VIEW)
"""Kinds whose nodes are looked up by their name."""


class EdgeType(enum.StrEnum):
    """How one node stands to another, read from source to target: a run *used* a dataset, *generated* a model."""

    USED = "used"
    GENERATED = "generated"
    DERIVED_FROM = "derived_from"
    SPECIALIZES = "specializes"
    PART_OF = "part_of"
    SAME_AS = "same_as"
    FOLLOWS_PLAN = "follows_plan"
    REPLAYS = "replays"
    ACTED_BY = "acted_by"


class Evidence(enum.StrEnum):
    """How a fact is known."""

    RECORDED = "recorded"
    INFERRED = "inferred"
    ASSERTED = "asserted"


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what is recorded."""


class Node(_Value, frozen=True, kw_only=True):
    """An immutable thing in the lineage.

    ``identity`` decides what is the same thing (see `uid`); everything else was recorded about it, first come, first
    kept. ``attrs`` is JSON without floats. What is learnt later is a `Facet`.
    """

    kind: Kind
    identity: dict[str, str]
    type: str = ""
    """What it is among its kind, such as ``experiment`` among collections."""
    name: str = ""
    attrs: dict[str, Any] = {}
    evidence: Evidence = Evidence.RECORDED
    basis: str = ""
    """By which rule it was inferred (and as of when), or by whom it was asserted."""

    @property
    def uid(self) -> str:
        """What it is known by: the same bytes, commit or image recorded twice is one node."""
        return uid_of(self.identity)


class Edge(_Value, frozen=True, kw_only=True):
    """``source`` —type(role)→ ``target``, keyed by all four; both ends are node uids."""

    source: str
    type: EdgeType
    target: str
    role: str = ""
    attrs: dict[str, Any] = {}
    evidence: Evidence = Evidence.RECORDED
    basis: str = ""

    @property
    def younger(self) -> str:
        """The end that stands on the other one: what was generated, else the source."""
        return self.target if self.type is EdgeType.GENERATED else self.source

    @property
    def older(self) -> str:
        """The end that a walk upstream goes to."""
        return self.source if self.type is EdgeType.GENERATED else self.target


class Facet(_Value, frozen=True, kw_only=True):
    """Something said about a node after it was recorded: a tag, a status, a correction.

    The newest facet of a key is what holds; the older ones stay on record. ``None`` takes a key back.
    """

    node: str
    key: str
    """``status``, ``stage``, ``owner``, ``alias:NAME``, ``tag:KEY``, ``property:KEY`` …"""
    value: Any = None
    evidence: Evidence = Evidence.RECORDED
    basis: str = ""
    action: str = ""
    """The uid of the action that said it."""
    recorded: str = ""
    """When, in UTC (ISO 8601); filled by the store."""


class Lineage(_Value, frozen=True, kw_only=True):
    """The answer to a walk. ``complete`` is false when something was cut off; ``truncated_by`` says by what."""

    focal: str
    nodes: dict[str, Node]
    edges: tuple[Edge, ...]
    complete: bool = True
    truncated_by: tuple[str, ...] = ()

    def producer(self, artifact: str) -> Node | None:
        """The run that generated ``artifact``, when the record knows one."""
        runs = (e.source for e in self.edges if e.type is EdgeType.GENERATED and e.target == artifact)
        return next((self.nodes[uid] for uid in runs), None)

    def targets(self, source: str, type_: EdgeType) -> list[tuple[Edge, Node]]:
        """What ``source`` points to by edges of one type, with the edges."""
        return [(e, self.nodes[e.target]) for e in self.edges if e.source == source and e.type is type_]


def group_node(model: str) -> Node:
    """The collection of all versions of a model."""
    return Node(kind=Kind.COLLECTION, type="model_group", identity={"model": model}, name=model)


def experiment_node(name: str, store: str) -> Node:
    """An experiment: trials that are compared with one another.

    Its name means something to those who share a store, and to nobody else: the same name in a store is the same
    experiment, in another store another one (a copy of a store keeps the store's id, and so agrees). Who means one
    experiment in two stores says so with ``replay link --same-as``.
    """
    return Node(kind=Kind.COLLECTION, type="experiment", identity={"experiment": name, "store": store}, name=name)


def trial_node(name: str, experiment: str, store: str) -> Node:
    """One setting that an experiment tries; its executions are part of it."""
    identity = {"trial": name, "experiment": experiment, "store": store}
    return Node(kind=Kind.COLLECTION, type="trial", identity=identity, name=name)


def template_nodes(name: str, version: str, digest: str) -> tuple[Node, Node]:
    """The version of a project template (known by its content), and the template itself."""
    identity = {"template": name, "version": version, "digest": digest}
    template = Node(kind=Kind.LOCATOR, type="template", identity={"template": name}, name=name)
    return Node(kind=Kind.PLAN, type="template", identity=identity, name=f"{name}@{version}"), template


def agent_node(name: str, basis: str) -> Node:
    """Somebody who acts, as asserted by ``basis``."""
    return Node(
        kind=Kind.AGENT, type="user", identity={"agent": name}, name=name, evidence=Evidence.ASSERTED, basis=basis
    )
