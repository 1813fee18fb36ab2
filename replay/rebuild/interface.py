"""The words of this verb: what the operator chooses, what a replay is handed. Values only, no Docker."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from replay.errors import ConfigError
from replay.outcome import Deviation
from replay.recipe import Image, Package

_SUITE = re.compile(r"[a-z][a-z0-9-]{1,40}")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]{1,100}")
_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,300}")
ORIGIN = "bootstrapped"


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every value here."""


class BootstrapSpec(_Part, frozen=True, kw_only=True):
    """A Debian base made from packages when no registry answers."""

    suite: str
    packages: tuple[str, ...]

    @property
    def origin(self) -> str:
        """The text that a record keeps as ``Image.origin``, and from which `parse_origin` reads this spec again."""
        return f"{ORIGIN} {self.suite} with {' '.join(sorted(self.packages))}"


class BaseSpec(_Part, frozen=True, kw_only=True):
    """Which image lies under the wheels of a locked environment."""

    name: str
    bootstrap: BootstrapSpec | None = None
    pull_seconds: int = 5
    """How long a registry may take to say its first word."""


class EnvironmentSettings(_Part, frozen=True, kw_only=True):
    """What conf/environment and replay.yaml say of the environment; at most one of the first three is set."""

    image: str | None = None
    lock: str | None = None
    dockerfile: str | None = None
    base: BaseSpec
    ca_bundle: str = "auto"
    """Dockerfile builds: ``auto`` (what SSL_CERT_FILE and its like name), ``none``, or a path."""


class Inventory(_Part, frozen=True, kw_only=True):
    """The packages of an image, and what could not be read."""

    packages: tuple[Package, ...]
    notes: tuple[str, ...] = ()


class Prepared(_Part, frozen=True, kw_only=True):
    """The image that a replay runs."""

    image: Image
    reference: str
    """What this engine calls it; on engines with the containerd store that is not the config digest."""
    how: str
    deviations: tuple[Deviation, ...] = ()


def decode_settings(plain: Any) -> EnvironmentSettings:
    """Decode what the configuration composed.

    Raises:
        ConfigError: An unknown key, a wrong type, more than one kind of environment, or a name that is none.
    """
    try:
        settings = msgspec.convert(plain, EnvironmentSettings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"environment: {error}", hint="conf/environment/default.yaml names every key") from error
    check_settings(settings)
    return settings


def check_settings(settings: EnvironmentSettings) -> None:
    """Refuse contradictions and names that could be taken for an option.

    Raises:
        ConfigError: See `decode_settings`.
    """
    chosen = {k: v for k in ("image", "lock", "dockerfile") if (v := getattr(settings, k))}
    if len(chosen) > 1:
        raise ConfigError(f"environment: got {' and '.join(chosen)}, expected at most one of image, lock, dockerfile")
    for place, name in (("image", settings.image), ("base.name", settings.base.name)):
        if name is not None and not _REFERENCE.fullmatch(name):
            raise ConfigError(f"environment.{place}: got {name!r}, expected an image reference such as python:3.11")
    if settings.base.bootstrap is not None:
        check_bootstrap(settings.base.bootstrap)


def check_bootstrap(spec: BootstrapSpec) -> None:
    """Refuse names that apt could take for anything but a suite and packages.

    Raises:
        ConfigError: A name is none.
    """
    if not _SUITE.fullmatch(spec.suite):
        raise ConfigError(f"environment.base.bootstrap.suite: got {spec.suite!r}, expected e.g. 'bookworm'")
    for package in spec.packages:
        if not _PACKAGE.fullmatch(package):
            raise ConfigError(f"environment.base.bootstrap.packages: got {package!r}, expected a Debian package name")


def parse_origin(origin: str) -> BootstrapSpec | None:
    """The spec behind a recorded ``Image.origin``, or ``None`` when it tells of no bootstrap.

    Raises:
        ConfigError: It tells of one in words that no recorder writes; a recipe is untrusted.
    """
    if not origin.startswith(f"{ORIGIN} "):
        return None
    suite, _, names = origin.removeprefix(f"{ORIGIN} ").partition(" with ")
    spec = BootstrapSpec(suite=suite, packages=tuple(names.split()))
    check_bootstrap(spec)
    return spec
