"""What ``--plan`` shows: everything a replay would fetch, build and run, before anything is touched. Values only."""

from __future__ import annotations

import enum

import msgspec

from replay.outcome import Deviation
from replay.recipe import Gap, Grade

PLAN_SCHEMA = "replay.plan/1"


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every part of a plan."""


class Availability(enum.StrEnum):
    """Whether a thing that a replay needs can be had."""

    HERE = "here"
    """On this machine already."""
    REMOTE = "remote"
    """A source has it; it would be fetched."""
    REBUILD = "rebuild"
    """It would be made again."""
    MISSING = "missing"
    """Every source was asked, none has it."""
    UNKNOWN = "unknown"
    """Not asked, or not answered."""


class PlanItem(_Part, frozen=True, kw_only=True):
    """One thing that the replay needs."""

    what: str
    """``code 4f2a…``, ``data/stocks.csv``, ``image sha256:…``."""
    source: str
    """Where it would come from: a mirror, a cache, a remote's URL."""
    available: Availability
    bytes: int | None = None
    """Its size, when known."""


class PlanStep(_Part, frozen=True, kw_only=True):
    """One step that would be run."""

    name: str
    command: tuple[str, ...]
    inputs: int
    outputs: int


class Plan(_Part, frozen=True, kw_only=True):
    """What a replay would do, and what stands in its way."""

    schema_version: str = PLAN_SCHEMA
    model_id: str
    recipe_id: str
    grade: Grade
    profile: str
    image: str
    """Config digest of the image that would run."""
    image_how: str
    """How it would be had: found here, loaded from an archive, rebuilt from base and lock."""
    items: tuple[PlanItem, ...]
    steps: tuple[PlanStep, ...] = ()
    gaps: tuple[Gap, ...] = ()
    cannot_restore: tuple[Deviation, ...] = ()
    """Facets of the record that this machine cannot restore."""

    @property
    def missing(self) -> tuple[PlanItem, ...]:
        """The items that no source has."""
        return tuple(item for item in self.items if item.available is Availability.MISSING)

    @property
    def fetch_bytes(self) -> int:
        """Bytes that would be fetched, as far as sizes are known."""
        return sum(item.bytes or 0 for item in self.items if item.available is Availability.REMOTE)
