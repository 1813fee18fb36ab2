"""By what an asker is known: the operating system or a signed token. The store that is asked decides, else conf/."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from replay.acting import Asker, act
from replay.config import AccessSettings
from replay.errors import ConfigError, PolicyError, StoreCorruptError, UsageError
from replay.lineage import Kind, Node
from replay.naming import name_of, text_of
from replay.store.database import Store
from replay.store.owners import is_owner
from replay.store.shares import IDENTITY
from replay.uid import uid_of

ALGORITHMS = ("EdDSA", "ES256", "RS256")
MAX_LEEWAY = 120


class IdentityRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an asker is known."""

    identity: Literal["os", "token"] = "os"
    keys: tuple[str, ...] = ()
    """Trusted public keys, as PEM texts."""
    algorithms: tuple[str, ...] = ALGORITHMS
    issuer: str | None = None
    """Who must have issued a token; anybody with a trusted key if none is named."""
    audience: str = "replay"
    """For whom a token must be meant."""
    leeway_seconds: int = 30
    """By how much clocks may differ."""


def store_node(store: Store) -> Node:
    """The node that stands for a store itself: what is said of it counts for all of it."""
    return Node(kind=Kind.COLLECTION, type="store", identity={"store": store.id}, name=store.id)


def recorded_rule(store: Store) -> IdentityRule | None:
    """The rule that a store has for everybody who asks it.

    Raises:
        StoreCorruptError: It cannot be read; nobody is let in by mistake.
    """
    facet = store.facets(uid_of({"store": store.id})).get(IDENTITY)
    if facet is None or facet.value is None:
        return None
    try:
        return msgspec.convert(facet.value, IdentityRule)
    except msgspec.ValidationError as error:
        raise StoreCorruptError(
            f"{store.database.place}: its rule of identity cannot be read: {error}",
            hint="was it set by a newer release of replay?",
        ) from error


def rule_of(store: Store, settings: AccessSettings | None) -> IdentityRule:
    """The rule that counts for whoever asks this store: its own, else that of conf/, else the operating system.

    Raises:
        ConfigError: A key that conf/ names cannot be read.
    """
    return recorded_rule(store) or (from_settings(settings) if settings else IdentityRule())


def from_settings(settings: AccessSettings) -> IdentityRule:
    """The rule of conf/access.

    Raises:
        ConfigError: A value is wrong, or a key's file cannot be read.
    """
    unknown = set(settings.algorithms) - set(ALGORITHMS)
    if unknown:
        raise ConfigError(
            f"access.algorithms: got {', '.join(sorted(unknown))}, expected some of {', '.join(ALGORITHMS)}"
        )
    if not 0 <= settings.leeway_seconds <= MAX_LEEWAY:
        raise ConfigError(f"access.leeway_seconds: got {settings.leeway_seconds}, expected 0 to {MAX_LEEWAY}")
    if settings.identity == "token" and not settings.keys:
        raise ConfigError("access.keys: got none, expected the PEM file of a trusted public key")
    return IdentityRule(
        identity=settings.identity,
        keys=tuple(read_key(Path(name), "access.keys") for name in settings.keys),
        algorithms=settings.algorithms,
        issuer=settings.issuer,
        audience=settings.audience,
        leeway_seconds=settings.leeway_seconds,
    )


def read_key(path: Path, what: str) -> str:
    """The text of a public key's file; whether it is a good key is found out when it is used.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        return path.read_text("ascii")
    except OSError as error:
        raise ConfigError(f"{what}: {path}: {error.strerror}", hint="name the PEM file of a public key") from error
    except ValueError as error:
        raise ConfigError(f"{what}: {path}: is no PEM file", hint="name the PEM file of a public key") from error


def set_rule(store: Store, rule: IdentityRule | None, asker: Asker, reason: str = "") -> None:
    """Make a rule of the store itself, which counts for everybody who asks it; ``None`` leaves it to conf/ again.

    Only the owner of the database may, and needs no token for it: or a lost key would lock everybody out.

    Raises:
        UsageError: A key is none, or an algorithm, an issuer or an audience is wrong.
        PolicyError: The database is somebody else's.
    """
    from replay.access import tokens

    if not _is_owner(store):
        raise PolicyError(
            f"the identity of who asks is a rule of the owner of {store.database.place}, and that is somebody else",
            hint="in PostgreSQL that is the role that owns the tables, of a file its user",
        )
    if rule is not None and rule.identity == "token":
        if not rule.keys:
            raise UsageError("got no key, expected at least one --key FILE with a trusted public key")
        for key in rule.keys:
            tokens.key_of(key)
        for word, what in ((rule.issuer, "issuer"), (rule.audience, "audience")):
            if word is not None:
                name_of(word, what)
    node = store_node(store)
    value = msgspec.to_builtins(rule) if rule is not None else None
    attrs = {"reason": text_of(reason, "reason")} if reason else {}
    made = act(
        "identify", asker, {node.uid: "store"}, name="identity", attrs=attrs, facets={node.uid: {IDENTITY: value}}
    )
    store.append((*made.nodes, node), made.edges, made.facets)
    store.note("identity", identity=rule.identity if rule else "conf", action=made.uid, by=asker.user)


def _is_owner(store: Store) -> bool:
    with store.reading() as database:
        return is_owner(database)
