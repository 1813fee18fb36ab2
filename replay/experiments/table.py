"""Trials side by side: which parameters vary, which are held constant, and what changing one of them alone did."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from replay.errors import UsageError

SCHEMA = "replay.experiment/1"
MAX_PAIRS = 1000

Also = Callable[["Trial", "Trial"], Sequence[str]]
"""What else differs between two trials, besides parameters."""


class _Value(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the table."""


class Trial(_Value, frozen=True, kw_only=True):
    """One execution of a trial."""

    label: str
    """The trial; with the model id where the trial has several executions."""
    trial: str
    models: tuple[str, ...]
    """Model ids that the execution was recorded as."""
    execution: str
    recorded: str
    commit: str = ""
    parameters: dict[str, str]
    """As JSON text."""
    metrics: dict[str, str]
    """As JSON text."""
    conditions: dict[str, str] = {}
    """What it ran on, besides code and parameters: image, plan, profile, data."""


class Change(_Value, frozen=True, kw_only=True):
    """One metric of two trials."""

    metric: str
    before: str | None
    after: str | None
    change: float | None
    """``after − before``; nothing when one of them is no number."""


class Pair(_Value, frozen=True, kw_only=True):
    """Two trials that differ in exactly one parameter."""

    a: str
    b: str
    parameter: str
    before: str | None
    after: str | None
    changes: tuple[Change, ...]
    also: tuple[str, ...] = ()
    """What differs besides the parameter: the change of a metric may come from that as well."""


class Table(_Value, frozen=True, kw_only=True):
    """An experiment."""

    schema_version: str = SCHEMA
    experiment: str
    uid: str
    trials: tuple[Trial, ...]
    varied: tuple[str, ...]
    """Parameters that differ between trials."""
    constant: dict[str, str]
    """Parameters that are the same in all trials."""
    metrics: tuple[str, ...]
    pairs: tuple[Pair, ...]
    pairs_left_out: int = 0
    complete: bool = True
    hidden: int = 0


def table(
    experiment: str, uid: str, trials: Sequence[Trial], *, also: Also = lambda a, b: (), hidden: int = 0
) -> Table:
    """The table of an experiment.

    Args:
        experiment: Its name.
        uid: Its node.
        trials: Its executions.
        also: What else differs between two trials.
        hidden: How many nodes of it the asker may not see.
    """
    everything = {name: {one.parameters.get(name) for one in trials} for one in trials for name in one.parameters}
    varied = tuple(sorted(name for name, values in everything.items() if len(values) > 1))
    found = _pairs(trials, varied)
    kept = list(itertools.islice(found, MAX_PAIRS))
    return Table(
        experiment=experiment,
        uid=uid,
        trials=tuple(trials),
        varied=varied,
        constant={name: str(next(iter(v))) for name, v in sorted(everything.items()) if len(v) == 1},
        metrics=tuple(sorted({name for one in trials for name in one.metrics})),
        pairs=tuple(_pair(a, b, name, tuple(also(a, b))) for name, a, b in kept),
        pairs_left_out=sum(1 for _ in found),
        complete=hidden == 0,
        hidden=hidden,
    )


def _pairs(trials: Sequence[Trial], varied: Sequence[str]) -> Iterator[tuple[str, Trial, Trial]]:
    """Every two trials that differ in exactly one parameter, by parameter, the smaller value first."""
    for name in varied:
        alike: dict[tuple[str | None, ...], list[Trial]] = {}
        for trial in trials:
            rest = tuple(trial.parameters.get(other) for other in varied if other != name)
            alike.setdefault(rest, []).append(trial)
        for group in alike.values():
            ordered = sorted(group, key=lambda trial: order_of(trial.parameters.get(name)))
            for a, b in itertools.combinations(ordered, 2):
                if a.parameters.get(name) != b.parameters.get(name):
                    yield name, a, b


def _pair(a: Trial, b: Trial, name: str, also: tuple[str, ...]) -> Pair:
    metrics = sorted({*a.metrics, *b.metrics})
    return Pair(
        a=a.label,
        b=b.label,
        parameter=name,
        before=a.parameters.get(name),
        after=b.parameters.get(name),
        changes=tuple(_change(metric, a.metrics.get(metric), b.metrics.get(metric)) for metric in metrics),
        also=also,
    )


def _change(metric: str, before: str | None, after: str | None) -> Change:
    one, other = number_of(before), number_of(after)
    change = None if one is None or other is None else other - one
    if change is not None and not math.isfinite(change):
        change = None
    return Change(metric=metric, before=before, after=after, change=change)


def number_of(text: str | None) -> float | None:
    """The finite number of a JSON text; nothing for any other value."""
    try:
        value: Any = None if text is None else json.loads(text)
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        return None
    return number if number is not None and math.isfinite(number) else None


def order_of(text: str | None) -> tuple[int, float, str]:
    """Where a value stands among others: numbers by size, then texts, then what is missing."""
    number = number_of(text)
    if number is not None:
        return 0, number, ""
    return (1, 0.0, text) if text is not None else (2, 0.0, "")


def sorted_by(found: Table, name: str, *, descending: bool) -> Table:
    """The table with its trials in the order of a metric or parameter; trials without it come last.

    Raises:
        UsageError: No trial has it; the hint lists what there is.
    """
    values = {one.label: one.metrics.get(name, one.parameters.get(name)) for one in found.trials}
    if all(value is None for value in values.values()):
        known = ", ".join((*found.metrics, *found.varied)) or "nothing"
        raise UsageError(f"no trial of {found.experiment} has the metric {name!r}", hint=f"it can be sorted by {known}")
    have = [one for one in found.trials if values[one.label] is not None]
    rest = [one for one in found.trials if values[one.label] is None]
    ordered = sorted(have, key=lambda one: order_of(values[one.label]), reverse=descending)
    return msgspec.structs.replace(found, trials=(*ordered, *rest))


def labelled(trials: Sequence[Trial]) -> list[Trial]:
    """The trials with labels that tell them apart."""
    several = _repeated(one.trial for one in trials)
    named = [
        _with_label(one, f"{one.trial} ({', '.join(one.models)})") if one.trial in several else one for one in trials
    ]
    again = _repeated(one.label for one in named)
    return [_with_label(one, f"{one.label} {one.execution}") if one.label in again else one for one in named]


def _with_label(trial: Trial, label: str) -> Trial:
    return msgspec.structs.replace(trial, label=label)


def _repeated(names: Iterable[str]) -> set[str]:
    return {name for name, count in Counter(names).items() if count > 1}
