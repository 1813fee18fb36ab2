"""Composes conf/ with Hydra into typed settings. The only importer of hydra and omegaconf.

Composition costs about 0.2 s of imports, so its result is cached under the digest of everything that went in.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from replay.errors import ConfigError
from replay.rebuild.interface import EnvironmentSettings
from replay.settings_cache import conf_dir, kept, place


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every group of settings."""


class StoreSettings(_Part, frozen=True, kw_only=True):
    """Where the record lies and what is kept in it."""

    url: str | None = None
    archive_images: bool = True
    small_output_bytes: int = 1 << 20

    def __post_init__(self) -> None:
        """Refuse an address with a password: settings are kept in files that others read."""
        from replay.store.addresses import HINT, problem_of

        if self.url is not None and (problem := problem_of(self.url)):
            raise ValueError(f"store.url: {problem}; {HINT}")


class FetchSettings(_Part, frozen=True, kw_only=True):
    """Which sources may be asked."""

    offline: bool = False


class ExecutorSettings(_Part, frozen=True, kw_only=True):
    """How steps are run, and the resources of records that name none."""

    transport: str = "auto"
    jobs: int | None = None
    cpus: int | None = None
    memory_bytes: int = 4 << 30
    timeout_seconds: int = 86_400


class ToleranceSettings(_Part, frozen=True, kw_only=True):
    """A stricter tolerance than the sealed one, as decimal numbers."""

    absolute: float | None = None
    relative: float | None = None
    ulp: int | None = None


class CompareSettings(_Part, frozen=True, kw_only=True):
    """What is changed in the comparison: only ever made stricter."""

    tolerance: ToleranceSettings = ToleranceSettings()


class ReportSettings(_Part, frozen=True, kw_only=True):
    """What is written after a replay."""

    html: bool = True


class Choice(_Part, frozen=True, kw_only=True):
    """Which model versions (and with ``path`` which of their artifacts) are meant: all that is given must match."""

    model: str | None = None
    """Glob over ``name`` and ``name:version``."""
    tags: dict[str, str] = {}
    """Of the version or of its model: key → glob."""
    status: str | None = None
    """The approval status, such as ``approved``."""


class RetentionClass(_Part, frozen=True, kw_only=True):
    """How long something is kept at least."""

    keep_days: Annotated[int, msgspec.Meta(ge=0, le=365_000)] = 0


class RetentionRule(Choice, frozen=True, kw_only=True):
    """Gives a class to model versions."""

    class_: str = msgspec.field(name="class")


class LegalHold(Choice, frozen=True, kw_only=True):
    """Forbids to drop anything of model versions, or of some of their artifacts."""

    path: str | None = None
    """Glob over the paths of artifacts."""
    reason: Annotated[str, msgspec.Meta(min_length=1)]


class RetentionSettings(_Part, frozen=True, kw_only=True):
    """What must be kept, and for how long."""

    classes: dict[str, RetentionClass]
    default: str
    rules: tuple[RetentionRule, ...] = ()
    holds: tuple[LegalHold, ...] = ()


class AccessSettings(_Part, frozen=True, kw_only=True):
    """By what those who ask are known, where the store itself has no rule."""

    identity: Literal["os", "token"] = "os"
    keys: tuple[str, ...] = ()
    """PEM files of the public keys that are trusted."""
    algorithms: tuple[str, ...] = ("EdDSA", "ES256", "RS256")
    issuer: str | None = None
    audience: str = "replay"
    leeway_seconds: int = 30


class Settings(_Part, frozen=True, kw_only=True):
    """Everything that conf/ holds."""

    store: StoreSettings
    fetch: FetchSettings
    environment: EnvironmentSettings
    executor: ExecutorSettings
    compare: CompareSettings
    report: ReportSettings
    access: AccessSettings = AccessSettings()
    retention: RetentionSettings


def load(overrides: Sequence[str] = ()) -> Settings:
    """Compose the settings, with ``overrides`` such as ``fetch.offline=true`` in Hydra's syntax.

    Raises:
        ConfigError: An override or a value is wrong; the message is Hydra's own or names the field.
    """
    source = conf_dir()
    try:
        return msgspec.json.decode(kept(overrides) or b"", type=Settings)
    except msgspec.DecodeError:
        plain = _compose(source, overrides)
    try:
        settings = msgspec.convert(plain, Settings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"conf: {error}", hint=f"the groups and their fields are in {source}") from error
    _keep(overrides, msgspec.json.encode(settings))
    return settings


def _compose(source: Path, overrides: Sequence[str]) -> Any:
    from hydra import compose, initialize_config_dir
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        with initialize_config_dir(config_dir=str(source), version_base="1.3"):
            composed = compose(config_name="config", overrides=list(overrides))
        return OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as error:
        first = str(error).splitlines()[0]
        cause = f": {error.__cause__}".splitlines()[0] if error.__cause__ else ""
        raise ConfigError(
            f"got the overrides {list(overrides)}: {first}{cause}",
            hint="write -o group.key=value; see conf/README.md",
        ) from error


def _keep(overrides: Sequence[str], settings: bytes) -> None:
    """Remember composed settings; a cache that cannot be written costs time, never a failure."""
    from replay.errors import StoreError
    from replay.store import fsops

    path, state = place(overrides)
    try:
        fsops.make_dir(path.parent)
        fsops.write_bytes(path, state + settings)
    except (OSError, StoreError):
        return
