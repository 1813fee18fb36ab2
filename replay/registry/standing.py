"""How a model version stands, as values."""

from __future__ import annotations

import msgspec


class _Value(msgspec.Struct, frozen=True, kw_only=True):
    """Base of what is told."""


class Said(_Value, frozen=True, kw_only=True):
    """What holds of one key, and who said so."""

    value: str
    by: str = ""
    when: str = ""
    why: str = ""
    action: str = ""


class Deployment(_Value, frozen=True, kw_only=True):
    """One time that a version was deployed somewhere."""

    uid: str
    to: str
    current: bool
    since: str
    by: str = ""
    until: str = ""
    """When it was withdrawn, or another one took its place."""
    approved: bool = False
    """It was deployed on the ground of an approval."""
    forced: bool = False
    """It was deployed although it was rejected."""


class Replayed(_Value, frozen=True, kw_only=True):
    """How one replay ended."""

    replay: str
    verdict: str
    when: str
    by: str = ""
    certificate: bool = False


class Standing(_Value, frozen=True, kw_only=True):
    """How one model version stands."""

    uid: str
    model_id: str
    recorded: str
    commit: str = ""
    grade: str = ""
    status: Said | None = None
    stage: Said | None = None
    owner: str = ""
    ownership: str = ""
    """How the owner is known: of the ``version``, of the ``model``, or only that it was ``recorded`` by them."""
    aliases: tuple[str, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    """Newest first."""
    replays: tuple[Replayed, ...] = ()
    """Newest first."""
    experiments: tuple[str, ...] = ()
    """As ``experiment / trial``."""
    stores: tuple[str, ...] = ()

    @property
    def running(self) -> tuple[Deployment, ...]:
        """Where it runs now."""
        return tuple(deployment for deployment in self.deployments if deployment.current)

    @property
    def verdict(self) -> str:
        """Of its newest replay; empty when there is none."""
        return self.replays[0].verdict if self.replays else ""
