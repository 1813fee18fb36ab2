"""What a replay found: executions, comparisons, deviations and the verdict. Values only; see ``compare.verdict``."""

from __future__ import annotations

import enum

import msgspec

from replay.identity import Digests

RESULT_SCHEMA = "replay.result/1"


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every part of a result."""


class Match(enum.StrEnum):
    """How one output compares with its record."""

    IDENTICAL = "identical"
    EQUIVALENT = "equivalent"
    DIFFERENT = "different"
    MISSING = "missing"
    UNEXPECTED = "unexpected"
    UNCOMPARED = "uncompared"


class Verdict(enum.StrEnum):
    """The answer of a replay."""

    REPRODUCED = "reproduced"
    DIVERGED = "diverged"
    NOT_SELF_REPRODUCIBLE = "not-self-reproducible"
    NOT_REPLAYABLE = "not-replayable"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


class Mode(enum.StrEnum):
    """Which inputs a step was given."""

    ISOLATED = "isolated"
    """The recorded ones."""
    CHAINED = "chained"
    """Its predecessors' replayed outputs."""


class Measure(_Part, frozen=True, kw_only=True):
    """One measured size of a difference, e.g. ``largest absolute difference``, ``3.3e-02``, ``""``."""

    name: str
    value: str
    unit: str = ""


class Finding(_Part, frozen=True, kw_only=True):
    """What a comparator says of two contents that are both there."""

    match: Match
    """``identical``, ``equivalent`` or ``different``."""
    comparator: str
    summary: str
    """One line for people: what differs and by how much."""
    first: str = ""
    """The place of the first difference: a row, a key, an index, a line."""
    measures: tuple[Measure, ...] = ()


class Comparison(_Part, frozen=True, kw_only=True):
    """One output of one step against its record."""

    step: str
    path: str
    mode: Mode
    finding: Finding
    """For ``missing``, ``unexpected`` and ``uncompared`` its comparator is ``presence``."""
    volatile: bool = False
    recorded: Digests | None = None
    replayed: Digests | None = None
    recorded_path: str | None = None
    """Where the recorded bytes lie in the workspace, while it is kept."""
    replayed_path: str | None = None

    @property
    def match(self) -> Match:
        """The match of the finding."""
        return self.finding.match


class Ending(enum.StrEnum):
    """How a step's container ended."""

    SUCCEEDED = "succeeded"
    EXITED = "exited"
    """With a non-zero exit code."""
    OUT_OF_MEMORY = "out-of-memory"
    TIMED_OUT = "timed-out"
    SIGNALLED = "signalled"
    INTERRUPTED = "interrupted"


class Execution(_Part, frozen=True, kw_only=True):
    """One run of one step in its container."""

    step: str
    mode: Mode
    ending: Ending
    exit_code: int
    started: str
    """UTC, ISO 8601."""
    seconds: float
    log: str
    """The last lines of the log, escaped for a terminal."""
    log_path: str | None = None
    reason: str = ""
    """For people, when it did not succeed: what happened and what it points to."""


class Deviation(_Part, frozen=True, kw_only=True):
    """A facet of the record that this replay did not, or could not, restore."""

    facet: str
    recorded: str
    actual: str
    consequence: str


class ReplayResult(_Part, frozen=True, kw_only=True):
    """One replay of one recipe, with everything that was found."""

    schema_version: str = RESULT_SCHEMA
    replay_id: str
    recipe_id: str
    model_id: str
    verdict: Verdict
    reason: str
    """One sentence: why this verdict, and what it does not claim."""
    mode: Mode
    repeat: int
    started: str
    seconds: float
    image: str
    """Config digest of the image that ran, and how it was obtained."""
    engine: dict[str, str]
    comparisons: tuple[Comparison, ...]
    executions: tuple[Execution, ...]
    deviations: tuple[Deviation, ...] = ()
    first_divergence: Comparison | None = None
    notes: tuple[str, ...] = ()
    workspace: str | None = None
    """Where the evidence lies, when it was kept."""
    report: str | None = None
    """Path of the HTML report."""
