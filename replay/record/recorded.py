"""One recorded execution of a workflow: what was to be run, and what happened."""

from __future__ import annotations

from typing import Any

import msgspec

from replay.identity import canonical_json, sha256_hex
from replay.recipe import Code, Environment, Gap, Machine, Step
from replay.record.views import UsedView


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What happened when a step ran: evidence about the record, not part of the recipe."""

    run: str
    """ULID."""
    started: str
    """Like ``seconds`` and ``log`` empty when nobody watched."""
    seconds: str
    """Decimal text."""
    exit_code: int | None
    log: str
    """SHA-256 of the log, kept as a blob."""
    undeclared: tuple[str, ...] = ()
    """Files written beside the declared outputs."""


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """What was to be run, before it ran: the plan that an execution follows. It is known by its digest."""

    steps: tuple[dict[str, Any], ...]
    model: str

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the canonical JSON."""
        return sha256_hex(canonical_json(self))


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded execution of a workflow."""

    execution: str
    """ULID."""
    name: str
    model: str
    profile: str
    code: Code
    environment: Environment
    machine: Machine
    steps: tuple[Step, ...]
    facts: tuple[RunFacts, ...]
    gaps: tuple[Gap, ...]
    image_archived: bool
    recorded_by: str
    tool: str
    plan: Definition
    repository: str
    """What the paths of artifacts are relative to: the remote's URL, or the store's id where there is none."""
    metrics: dict[str, dict[str, str]] = {}
    """Of each output that DVC calls metrics: name → value as JSON text."""
    experiment: str = ""
    """The experiment it belongs to, if any."""
    trial: str = ""
    """Its trial in the experiment; by default the model id."""
    store: str = ""
    """The store's id."""
    template: tuple[str, str, str] | None = None
    """Name, version and digest of the template that the project was laid out from."""
    views: dict[str, tuple[UsedView, ...]] = {}
    """The feature views that each run used, by its ULID."""
    asserted_by: str = ""
    """Who says that it was so, when nobody watched; empty when it was watched."""
