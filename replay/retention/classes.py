"""How long something must be kept, and what a legal hold forbids. Values in, values out."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from replay.config import Choice, RetentionSettings
from replay.errors import ConfigError


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A model version, as far as the rules look at it."""

    name: str
    version: int
    created: datetime
    """When it was recorded, with its zone."""
    tags: Mapping[str, str] = {}
    status: str = ""
    chosen: tuple[str, ...] = ()
    """The classes that it names itself."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules say of a model version."""

    classes: tuple[str, ...]
    """Those that apply; the first one is kept longest."""
    until: datetime
    """Until then it must be kept, as far as classes go."""
    refusals: tuple[str, ...] = ()
    """Why nothing of it may be dropped now."""
    held: tuple[tuple[str, str], ...] = ()
    """Globs over paths of which nothing may be dropped, each with the reason."""

    def holds(self, path: str) -> str | None:
        """Why an artifact of it is held; ``None`` when it is not."""
        return next((why for glob, why in self.held if fnmatch.fnmatchcase(path, glob)), None)


def checked(settings: RetentionSettings) -> RetentionSettings:
    """The same settings.

    Raises:
        ConfigError: A class is not defined, or a rule or hold says of nothing what it is about; all are named.
    """
    known = f"expected one of {', '.join(sorted(settings.classes))}"
    issues = (
        [f"default: got the class {settings.default!r}, {known}"] if settings.default not in settings.classes else []
    )
    for number, rule in enumerate(settings.rules, start=1):
        if rule.class_ not in settings.classes:
            issues.append(f"rule {number}: got the class {rule.class_!r}, {known}")
        if not _says_something(rule):
            issues.append(f"rule {number}: expected model, tags or status")
    for number, hold in enumerate(settings.holds, start=1):
        if not (_says_something(hold) or hold.path):
            issues.append(f"hold {number} ({hold.reason}): expected model, tags, status or path")
    if issues:
        raise ConfigError(f"conf/retention: {'; '.join(issues)}", hint="conf/retention/default.yaml shows each of them")
    return settings


def standing(subject: Subject, policies: Sequence[RetentionSettings], now: datetime) -> Standing:
    """What several settings say together: every hold counts, and of all classes the longest time.

    A class that is named by the model version and defined nowhere forbids to drop anything: its time is not known.
    """
    times: dict[str, int] = {}
    for policy in policies:
        for name, days in _classes(subject, policy):
            times[name] = max(days, times.get(name, 0))
    ordered = sorted(times, key=lambda name: (-times[name], name))
    until = subject.created + timedelta(days=times[ordered[0]])
    holds = [hold for policy in policies for hold in policy.holds if matches(hold, subject)]
    refusals = [f"it is under legal hold: {hold.reason}" for hold in holds if hold.path is None]
    known = ", ".join(sorted({name for policy in policies for name in policy.classes}))
    refusals += [
        f"its retention class {name!r} is not defined in conf/retention, which has {known}"
        for name in subject.chosen
        if name not in times
    ]
    if now < until:
        refusals.append(f"its retention class {ordered[0]} keeps it until {until:%Y-%m-%d}")
    return Standing(
        classes=tuple(ordered),
        until=until,
        refusals=tuple(dict.fromkeys(refusals)),
        held=tuple(dict.fromkeys((hold.path, f"legal hold: {hold.reason}") for hold in holds if hold.path is not None)),
    )


def _classes(subject: Subject, policy: RetentionSettings) -> list[tuple[str, int]]:
    """Name and days of each class that applies; the default one where no rule does."""
    names = [rule.class_ for rule in policy.rules if matches(rule, subject)] or [policy.default]
    names += [name for name in subject.chosen if name in policy.classes]
    return [(name, policy.classes[name].keep_days) for name in names]


def matches(choice: Choice, subject: Subject) -> bool:
    """Whether a rule or a hold is about a model version: everything that it gives must match."""
    if choice.model is not None:
        names = (subject.name, f"{subject.name}:{subject.version}")
        if not any(fnmatch.fnmatchcase(name, choice.model) for name in names):
            return False
    if choice.status is not None and choice.status != subject.status:
        return False
    return all(
        key in subject.tags and fnmatch.fnmatchcase(subject.tags[key], glob) for key, glob in choice.tags.items()
    )


def _says_something(choice: Choice) -> bool:
    return bool(choice.model or choice.tags or choice.status)
