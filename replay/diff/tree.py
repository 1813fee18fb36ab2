"""The difference between two recipes as values: causes, effects, and a headline."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from replay.report.metrics import MetricRow

SCHEMA = "replay.diff/1"


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every part of a difference."""


class Side(_Part, frozen=True, kw_only=True):
    """One of the two recipes."""

    model_id: str
    recipe_id: str
    grade: str


class Change(_Part, frozen=True, kw_only=True):
    """One named thing that differs; a side that lacks it is ``None``."""

    key: str
    a: str | None
    b: str | None


class Commit(_Part, frozen=True, kw_only=True):
    """One commit between the two code versions."""

    id: str
    subject: str
    author: str = ""
    time: str = ""
    """UTC, ISO 8601."""


class FileChange(_Part, frozen=True, kw_only=True):
    """One file that differs between the two code versions."""

    path: str
    status: str
    """``added``, ``removed``, ``modified`` or ``retyped`` (a file became a link, say)."""
    added: int | None = None
    """Lines, when counted."""
    removed: int | None = None


class CodeHistory(_Part, frozen=True, kw_only=True):
    """What Git knows of two commits. ``direct`` is false when neither is an ancestor of the other."""

    commits: tuple[Commit, ...] = ()
    files: tuple[FileChange, ...] = ()
    direct: bool = True


_STATUS = {"A": "added", "D": "removed", "M": "modified", "T": "retyped"}


def history(commits: Iterable[tuple[str, str]], files: Iterable[tuple[str, str]]) -> CodeHistory:
    """A history from Git's own words: (id, subject) of each commit, (status letter, path) of each file."""
    return CodeHistory(
        commits=tuple(Commit(id=id_, subject=subject) for id_, subject in commits),
        files=tuple(FileChange(path=path, status=_STATUS.get(letter, letter)) for letter, path in files),
    )


class CodeDiff(_Part, frozen=True, kw_only=True):
    """The code versions: their identity, the declared inputs among their files, and what Git knows."""

    identity: tuple[Change, ...] = ()
    """Commit, tree, remote, directory, uncommitted diff."""
    inputs: tuple[Change, ...] = ()
    """Files of the code version that a step reads and whose sha256 differs."""
    history: CodeHistory | None = None
    """``None`` when it could not be asked."""


class DataChange(_Part, frozen=True, kw_only=True):
    """An input from outside the workflow; a side that lacks it has no digest."""

    path: str
    a_sha256: str | None
    b_sha256: str | None
    a_bytes: int | None
    b_bytes: int | None


class ConfigChange(_Part, frozen=True, kw_only=True):
    """One key of the resolved configuration of some steps."""

    steps: tuple[str, ...]
    config: str
    key: str
    a: str | None
    b: str | None


class EnvironmentDiff(_Part, frozen=True, kw_only=True):
    """Images, lock and installer, and the packages by system and name."""

    facts: tuple[Change, ...] = ()
    packages: tuple[Change, ...] = ()
    """``python numpy``; a version that is ``None`` is a package that is not there."""


class OutputChange(_Part, frozen=True, kw_only=True):
    """One output on both sides."""

    step: str
    path: str
    role: str
    same: bool
    a_sha256: str | None
    b_sha256: str | None
    a_bytes: int | None
    b_bytes: int | None


class MetricsDiff(_Part, frozen=True, kw_only=True):
    """The metrics that differ in one file; ``compared`` counts all of them, ``why`` says why none could be read."""

    path: str
    rows: tuple[MetricRow, ...] = ()
    compared: int = 0
    why: str = ""


class RecipeDiff(_Part, frozen=True, kw_only=True):
    """Everything that differs between two recipes. Causes first, effects after."""

    schema_version: str = SCHEMA
    a: Side
    b: Side
    headline: str
    causes: tuple[str, ...] = ()
    """Names of the kinds of causes that differ, e.g. ``data``, ``seeds``."""
    code: CodeDiff = CodeDiff()
    data: tuple[DataChange, ...] = ()
    config: tuple[ConfigChange, ...] = ()
    overrides: tuple[ConfigChange, ...] = ()
    parameters: tuple[Change, ...] = ()
    seeds: tuple[Change, ...] = ()
    commands: tuple[Change, ...] = ()
    """Steps added or removed, their commands, directories, variables and resources."""
    environment: EnvironmentDiff = EnvironmentDiff()
    machine: tuple[Change, ...] = ()
    judgement: tuple[Change, ...] = ()
    """How outputs are judged: comparator, tolerance, owner."""
    outputs: tuple[OutputChange, ...] = ()
    """All of them, also the same ones."""
    metrics: tuple[MetricsDiff, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs, neither in the causes nor in the effects."""
        causes = (
            self.code.identity, self.code.inputs, self.data, self.config, self.overrides, self.parameters, self.seeds,
            self.commands, self.environment.facts, self.environment.packages, self.machine, self.judgement,
        )  # fmt: skip
        return not any(causes) and all(o.same for o in self.outputs) and not any(m.rows for m in self.metrics)
