"""The lineage graph as values: nodes, edges, and the closure that a walk returns."""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from replay.identity import canonical_json, sha256_hex


class Kind(enum.StrEnum):
    """What a node is."""

    DATASET = "dataset"
    CODE = "code"
    IMAGE = "image"
    CONFIG = "config"
    RUN = "run"
    ACTION = "action"
    MODEL = "model"
    MODEL_VERSION = "model_version"
    METRICS = "metrics"
    PLOT = "plot"
    LOCATOR = "locator"
    COLLECTION = "collection"
    AGENT = "agent"
    PLAN = "plan"


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


class Node(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An immutable thing in the lineage.

    ``identity`` decides what is the same thing: ``{"sha256": …}`` for content, ``{"commit": …}``, ``{"image": …}``,
    ``{"run": ulid}`` … ; ``attrs`` holds everything else that was recorded about it, as JSON without floats.
    """

    kind: Kind
    identity: dict[str, str]
    attrs: dict[str, Any] = {}
    name: str = ""
    evidence: Evidence = Evidence.RECORDED

    @property
    def uid(self) -> str:
        """SHA-256 (hex) of the identity: the same bytes, commit or image recorded twice is one node."""
        return sha256_hex(canonical_json(self.identity))


class Edge(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``source`` —type(role)→ ``target``, keyed by all four; both ends are node uids."""

    source: str
    type: EdgeType
    target: str
    role: str = ""
    attrs: dict[str, Any] = {}

    @property
    def younger(self) -> str:
        """The end that stands on the other one: what was generated, else the source."""
        return self.target if self.type is EdgeType.GENERATED else self.source

    @property
    def older(self) -> str:
        """The end that a walk upstream goes to."""
        return self.source if self.type is EdgeType.GENERATED else self.target


class Lineage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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
