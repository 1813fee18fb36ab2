"""The page of a node as values."""

from __future__ import annotations

from typing import Any

import msgspec

from replay.plans.versions import PlanVersion
from replay.registry.standing import Deployment, Standing

SCHEMA = "replay.page/1"


class _Value(msgspec.Struct, frozen=True, kw_only=True):
    """Base of a page."""


class Near(_Value, frozen=True, kw_only=True):
    """Another node on the page."""

    uid: str
    kind: str
    type: str = ""
    name: str = ""
    depth: int = 0
    """Edges from the page's node."""


class Tie(_Value, frozen=True, kw_only=True):
    """An edge of the page's node."""

    direction: str
    """``up`` to what it stands on, ``down`` to what stands on it."""
    type: str
    role: str
    node: Near


class Saying(_Value, frozen=True, kw_only=True):
    """Something that was said of the node."""

    key: str
    value: Any
    """Nothing where the key was taken back."""
    when: str
    by: str
    why: str = ""
    action: str = ""
    holds: bool
    """Nothing newer was said about the key."""


class Side(_Value, frozen=True, kw_only=True):
    """What it stands on, or what stands on it."""

    counts: dict[str, int]
    """By kind."""
    nodes: tuple[Near, ...]
    """Nearest first."""
    same_bytes: int = 0
    """How many more nodes a walk meets only because other executions made some of the same bytes."""
    complete: bool = True
    hidden: int = 0
    unresolved: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()


class Page(_Value, frozen=True, kw_only=True):
    """Everything that is known about a node."""

    schema_version: str = SCHEMA
    uid: str
    kind: str
    type: str
    name: str
    identity: dict[str, str]
    attrs: dict[str, Any]
    evidence: str
    basis: str
    recorded: str
    stores: tuple[str, ...] = ()
    facets: dict[str, Any]
    """What holds of it now."""
    history: tuple[Saying, ...]
    """Everything that was said of it, oldest first; of nodes of this store only."""
    standing: Standing | None = None
    """Of a model version."""
    deployment: Deployment | None = None
    """Of a deployment."""
    models: tuple[Near, ...] = ()
    """Of a deployment: the model versions that run there; of an execution, trial or experiment: what came of it."""
    versions: tuple[Near, ...] = ()
    """Of a locator: its versions, in the order of recording."""
    plans: tuple[Near, ...] = ()
    """Of a model version or execution: the plans that it followed."""
    plan_versions: tuple[PlanVersion, ...] = ()
    """Of a plan, or of the locator of one."""
    ties: tuple[Tie, ...]
    up: Side
    down: Side

    @property
    def complete(self) -> bool:
        """Whether nothing is hidden."""
        return self.up.complete and self.down.complete
