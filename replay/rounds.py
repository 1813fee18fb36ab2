"""How to replay, and what one run of some steps gave. Values only."""

from __future__ import annotations

from pathlib import Path

import msgspec

from replay.outcome import Comparison, Ending, Execution, Match
from replay.recipe import ConfigSnapshot
from replay.store.hashing import Described


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """How to replay; see ``replay run --help``."""

    mode: str = "isolated"
    repeat: int = 1
    from_step: str | None = None
    keep: bool = False
    certify: bool = False
    report: Path | None = None


class Round(msgspec.Struct, kw_only=True):
    """What one run of some steps gave."""

    executions: dict[str, Execution] = {}
    comparisons: list[Comparison] = []
    made: dict[str, tuple[Path, Described]] = {}
    """Output path → its replayed bytes and their digests."""
    configs: dict[str, tuple[ConfigSnapshot, ...]] = {}
    notes: list[str] = []

    def steps_with(self, *matches: Match) -> set[str]:
        """The steps with an output that counts and has one of ``matches``."""
        return {c.step for c in self.comparisons if c.match in matches and not c.volatile}

    @property
    def files(self) -> dict[str, Path]:
        """Output path → its replayed bytes."""
        return {path: place for path, (place, _) in self.made.items()}

    @property
    def failed(self) -> set[str]:
        """The steps that did not succeed."""
        return {name for name, one in self.executions.items() if one.ending is not Ending.SUCCEEDED}


class Repeat(msgspec.Struct, frozen=True, kw_only=True):
    """An unchanged further run, and how it compares with the first one."""

    round: Round
    comparisons: list[Comparison]
