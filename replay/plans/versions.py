"""The versions of a plan in the order of their first execution."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from replay.ask import Ground, ask
from replay.lineage import EdgeType, Kind
from replay.plans.changes import PlanChange, changes_between
from replay.query import Answer, Direction, Entry, Query


class PlanVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a plan."""

    uid: str
    name: str
    type: str
    recorded: str
    executions: int
    """How many executions that the asker may see followed it."""
    first_execution: str = ""
    """The uid of the first of them."""
    first: str = ""
    """When that was recorded."""
    models: tuple[str, ...] = ()
    """The model versions that were recorded from it, oldest first."""
    definition: Mapping[str, Any] = {}
    changes: tuple[PlanChange, ...] = ()
    """What differs from the version before it."""


def versions_of(uid: str, ground: Ground) -> tuple[PlanVersion, ...]:
    """All versions of a plan, oldest first: of a plan's node those of whatever it is a version of.

    Empty for a node that is neither a plan nor a locator of one.
    """
    above = ask(
        Query(
            start=(uid,),
            direction=Direction.UP,
            kinds=(Kind.LOCATOR,),
            follow=(EdgeType.SPECIALIZES,),
            include_edges=False,
        ),
        ground,
    )
    own = (uid,) if above.nodes[uid].kind in {Kind.PLAN, Kind.LOCATOR} else ()
    if not own:
        return ()
    below = ask(
        Query(
            start=(*own, *above.found),
            direction=Direction.DOWN,
            follow=(EdgeType.SPECIALIZES, EdgeType.FOLLOWS_PLAN, EdgeType.DERIVED_FROM),
            stop_at=tuple(kind for kind in Kind if kind not in {Kind.PLAN, Kind.COLLECTION}),
        ),
        ground,
    )
    plans = [entry for entry in below.nodes.values() if entry.kind is Kind.PLAN]
    return tuple(_with_changes(sorted((_version(plan, below) for plan in plans), key=_age)))


def _age(version: PlanVersion) -> tuple[str, str]:
    return version.first or version.recorded, version.recorded


def _version(plan: Entry, below: Answer) -> PlanVersion:
    executions = sorted(_below(plan.uid, EdgeType.FOLLOWS_PLAN, below), key=lambda entry: entry.created)
    versions = [one for run in executions for one in _below(run.uid, EdgeType.DERIVED_FROM, below)]
    return PlanVersion(
        uid=plan.uid,
        name=plan.name,
        type=plan.type,
        recorded=plan.created,
        executions=len(executions),
        first_execution=executions[0].uid if executions else "",
        first=executions[0].created if executions else "",
        models=tuple(dict.fromkeys(one.name for one in versions if one.kind is Kind.MODEL_VERSION)),
        definition=plan.attrs or plan.identity,
    )


def _below(uid: str, type_: EdgeType, answer: Answer) -> Iterable[Entry]:
    return [answer.nodes[edge.source] for edge in answer.edges if edge.target == uid and edge.type is type_]


def _with_changes(versions: Iterable[PlanVersion]) -> Iterable[PlanVersion]:
    before: PlanVersion | None = None
    for version in versions:
        changes = changes_between(before.definition, version.definition) if before else ()
        yield msgspec.structs.replace(version, changes=changes)
        before = version
