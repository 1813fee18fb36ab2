"""The project's own settings: ``replay.yaml`` at the repository's root, read from the commit that is recorded.

They are part of the record: what they say about an output is sealed into the recipe.
"""

from __future__ import annotations

import fnmatch
from pathlib import PurePosixPath
from typing import Annotated, Any

import msgspec

from replay.errors import ConfigError
from replay.judgement import COMPARATORS, comparator_of
from replay.recipe import Judgement, OutputRole, PathKind, Resources, Tolerance

FILE = "replay.yaml"
LOCKS = ("requirements.lock", "requirements.txt")
PROFILES = ("pinned", "portable-v3")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every section."""


class ToleranceRule(_Part, frozen=True, kw_only=True):
    """A tolerance in decimal numbers, as people write it."""

    absolute: float | None = None
    relative: float | None = None
    ulp: int | None = None

    def sealed(self) -> Tolerance:
        """The same tolerance in the recipe's exact form."""
        return Tolerance(absolute=_hex(self.absolute), relative=_hex(self.relative), ulp=self.ulp)


class OutputRule(_Part, frozen=True, kw_only=True):
    """How the outputs that match a glob are judged; the first rule that matches counts."""

    match: str
    comparator: str | None = None
    tolerance: ToleranceRule | None = None
    columns: dict[str, ToleranceRule] = {}
    keys: tuple[str, ...] = ()
    max_pixels: int = 0
    volatile: bool = False
    owner: str = ""
    reason: str = ""


class EnvironmentRule(_Part, frozen=True, kw_only=True):
    """Where the environment comes from: an image, or a base with a lock, or a Dockerfile."""

    image: str | None = None
    base: str | None = None
    lock: str | None = None
    dockerfile: str | None = None
    variables: tuple[str, ...] = ()
    """Names of further environment variables that steps may see."""


class ResourceRule(_Part, frozen=True, kw_only=True):
    """Limits of every step."""

    cpus: int | None = None
    memory: str | None = None
    shm: str | None = None
    pids: int | None = None
    file_size: str | None = None


class TemplateRule(_Part, frozen=True, kw_only=True):
    """The template that the project was laid out from; ``replay new`` writes it."""

    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9._-]{0,99}$")]
    version: Annotated[int, msgspec.Meta(ge=1)] | Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9._-]{0,99}$")]
    digest: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    """SHA-256 of what was laid out."""


class Project(_Part, frozen=True, kw_only=True):
    """The whole of ``replay.yaml``."""

    environment: EnvironmentRule = EnvironmentRule()
    profile: str = "pinned"
    resources: ResourceRule = ResourceRule()
    time_limit: int | None = None
    """Seconds a step may take."""
    outputs: tuple[OutputRule, ...] = ()
    template: TemplateRule | None = None

    def judgement(self, path: str, kind: PathKind) -> Judgement:
        """How ``path`` is judged: the first rule that matches, else bit for bit."""
        rule = next((r for r in self.outputs if fnmatch.fnmatch(path, r.match)), None)
        if rule is None:
            return Judgement(comparator="bytes")
        return Judgement(
            comparator=rule.comparator or _comparator(path, kind, rule),
            tolerance=rule.tolerance.sealed() if rule.tolerance else None,
            columns={name: one.sealed() for name, one in rule.columns.items()},
            keys=rule.keys,
            max_pixels=rule.max_pixels,
            owner=rule.owner,
            reason=rule.reason,
            volatile=rule.volatile,
        )

    def limits(self, cpus: int, memory_bytes: int, timeout_seconds: int) -> Resources:
        """The resources of a step; the arguments are the operator's defaults."""
        rule = self.resources
        return Resources(
            cpus=min(rule.cpus or cpus, cpus),
            memory_bytes=parse_size(rule.memory) if rule.memory else memory_bytes,
            shm_bytes=parse_size(rule.shm) if rule.shm else 256 << 20,
            pids=rule.pids or 512,
            file_bytes=parse_size(rule.file_size) if rule.file_size else 16 << 30,
            timeout_seconds=self.time_limit or timeout_seconds,
        )


def decode(data: bytes | None) -> Project:
    """Decode ``replay.yaml``; ``None`` (no such file) gives the defaults.

    Raises:
        ConfigError: No YAML, an unknown field, a wrong type, or a rule without its owner and reason.
    """
    if data is None:
        return Project()
    import yaml

    try:
        plain: Any = yaml.safe_load(data) or {}
    except yaml.YAMLError as error:
        raise ConfigError(f"{FILE}: no YAML: {error}") from error
    try:
        project = msgspec.convert(plain, Project)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{FILE}: {error}", hint="conf/README.md lists every field of replay.yaml") from error
    issues = _issues(project)
    if issues:
        raise ConfigError(f"{FILE}: " + "; ".join(issues))
    return project


def parse_size(text: str) -> int:
    """Bytes from ``4g``, ``512m`` or a plain number.

    Raises:
        ConfigError: It is no size.
    """
    digits, unit = text.rstrip("kmgtKMGT"), text[len(text.rstrip("kmgtKMGT")) :].lower()
    if not digits.isdigit() or unit not in _UNITS or int(digits) == 0:
        raise ConfigError(f"got the size {text!r}, expected a number with k, m, g or t, e.g. 4g")
    return int(digits) * _UNITS[unit]


def _issues(project: Project) -> list[str]:
    found = []
    if project.profile not in PROFILES:
        found.append(f"profile: got {project.profile!r}, expected one of {', '.join(PROFILES)}")
    chosen = [n for n in ("image", "lock", "dockerfile") if getattr(project.environment, n)]
    if len(chosen) > 1:
        found.append(f"environment: got {' and '.join(chosen)}, expected one of them")
    for rule in project.outputs:
        if rule.comparator is not None and rule.comparator not in COMPARATORS:
            found.append(
                f"outputs {rule.match!r}: got comparator {rule.comparator!r}, expected one of {', '.join(COMPARATORS)}"
            )
        if not (rule.owner and rule.reason):
            found.append(
                f"outputs {rule.match!r}: a rule needs its owner and reason, so that an examiner knows whom to ask"
            )
        if rule.comparator == "bytes" and (rule.tolerance or rule.columns or rule.max_pixels):
            found.append(f"outputs {rule.match!r}: the bitwise comparator takes no tolerance")
        found += [
            f"outputs {rule.match!r}: a tolerance must not be negative or NaN"
            for one in (rule.tolerance, *rule.columns.values())
            if one is not None and not _sane(one)
        ]
    return found


def _sane(rule: ToleranceRule) -> bool:
    return all(value is None or 0 <= value < float("inf") for value in (rule.absolute, rule.relative, rule.ulp))


def _comparator(path: str, kind: PathKind, rule: OutputRule) -> str:
    """The semantic comparator of a suffix, for rules that give a tolerance and name none."""
    if rule.volatile and not (rule.tolerance or rule.columns or rule.max_pixels):
        return "bytes"
    if kind is PathKind.DIRECTORY:
        return "bytes"
    return comparator_of(path) or "text"


def role_of(path: str, *, model: str, metric: bool, plot: bool) -> OutputRole:
    """What an output is to the workflow: as DVC declares it, else by suffix for pictures."""
    if path == model:
        return OutputRole.MODEL
    if metric:
        return OutputRole.METRICS
    if plot or PurePosixPath(path).suffix.lower() in {".png", ".svg"}:
        return OutputRole.PLOT
    return OutputRole.DATA


def _hex(value: float | None) -> str | None:
    return None if value is None else float(value).hex()
