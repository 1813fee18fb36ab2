"""The report as values: what is touched, worst first, and the counts of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from replay.registry.standing import Deployment, Standing

SCHEMA = "replay.impact/1"
APPROVED, REJECTED, UNDECIDED, NEVER = "approved", "rejected", "undecided", "never"
_VERDICTS = ("diverged", "failed", "not-self-reproducible", "not-replayable", "inconclusive", "", "reproduced")
"""From bad to good; none is worse than a good one."""


class _Value(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the report."""


class Subject(_Value, frozen=True, kw_only=True):
    """What was asked about."""

    uid: str
    kind: str
    type: str = ""
    name: str = ""


class Summary(_Value, frozen=True, kw_only=True):
    """The counts of a report."""

    versions: int
    """Model versions."""
    models: int
    """Models that these are versions of."""
    statuses: dict[str, int]
    """``approved``, ``rejected``, ``undecided`` and whatever else was said → model versions."""
    deployed: dict[str, int]
    """Place → model versions (and other things) that run there now."""
    replays: dict[str, int]
    """Verdict of the newest replay, or ``never`` → model versions."""


class Impact(_Value, frozen=True, kw_only=True):
    """What some nodes touch, and whether that is all."""

    schema_version: str = SCHEMA
    start: tuple[Subject, ...]
    as_of: str | None = None
    headline: str
    summary: Summary
    models: tuple[Standing, ...]
    """Worst first."""
    other_deployments: tuple[Deployment, ...] = ()
    """Of something that is no model version."""
    same_bytes: tuple[Subject, ...] = ()
    """Model versions that hold bytes which it led to as well, and whose own runs made these bytes without it."""
    touched: dict[str, int]
    """Everything that stands on it, by kind."""
    complete: bool = True
    truncated_by: tuple[str, ...] = ()
    unresolved: tuple[str, ...] = ()
    """Locators that were used as such: which version they meant is not known."""
    hidden: int = 0
    """How many nodes downstream the asker may not see."""
    findings: tuple[str, ...] = ()


def worst_first(models: Iterable[Standing]) -> tuple[Standing, ...]:
    """What runs and should not; then what runs; what may be deployed; the rest. Within that by the newest verdict."""
    return tuple(sorted(models, key=_rank))


def _rank(standing: Standing) -> tuple[Any, ...]:
    status = status_of(standing)
    if standing.running:
        danger = {REJECTED: 0, APPROVED: 2}.get(status, 1)
    else:
        danger = {APPROVED: 3, REJECTED: 5}.get(status, 4)
    verdict = standing.verdict if standing.verdict in _VERDICTS else ""
    return danger, _VERDICTS.index(verdict), [_natural(part) for part in re.split(r"(\d+)", standing.model_id)]


def _natural(part: str) -> tuple[bool, int, str]:
    return part.isdigit(), int(part) if part.isdigit() and part.isascii() else 0, part


def status_of(standing: Standing) -> str:
    """What was decided about a model version, in one word."""
    return standing.status.value if standing.status else UNDECIDED


def summary_of(models: Sequence[Standing], others: Sequence[Deployment] = ()) -> Summary:
    """The counts of a report."""
    places = [place for one in models for place in {deployment.to for deployment in one.running}]
    places += [deployment.to for deployment in others if deployment.current]
    return Summary(
        versions=len(models),
        models=len({one.model_id.rpartition(":")[0] or one.model_id for one in models}),
        statuses=_counted(status_of(one) for one in models),
        deployed=_counted(places),
        replays=_counted(one.verdict or NEVER for one in models),
    )


def headline_of(summary: Summary) -> str:
    """The counts in one line, such as ``3 model versions, 1 approved, 1 deployed to prod``."""
    versions = summary.versions
    parts = [f"{versions:,} model version{'s' * (versions != 1)}" if versions else "no model version"]
    if 1 < summary.models < versions:
        parts[0] += f" of {summary.models:,} models"
    parts += [f"{count:,} {status}" for status, count in summary.statuses.items() if status != UNDECIDED]
    deployed = [f"{count:,} deployed to {place}" for place, count in summary.deployed.items()]
    parts += deployed or (["none deployed"] if versions else [])
    bad = {verdict: count for verdict, count in summary.replays.items() if verdict not in {NEVER, "reproduced"}}
    parts += [f"{count:,} {verdict.replace('-', ' ')} when last replayed" for verdict, count in bad.items()]
    return ", ".join(parts)


def _counted(words: Iterable[str]) -> dict[str, int]:
    """Most frequent first, then by name."""
    return dict(sorted(Counter(words).items(), key=lambda item: (-item[1], item[0])))
