"""What somebody needs of what is recorded, and which blobs that is. Values, and questions about them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection, Mapping

import msgspec

from replay.lineage import Kind
from replay.store.blobs import Blobs

FORGOTTEN = "forgotten"
"""The facet of a thing whose bytes were dropped, and of a model version that needs nothing any more."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Thing(msgspec.Struct, frozen=True, kw_only=True):
    """Recorded content that somebody needs: an artifact, a log, an uncommitted diff, an archived image."""

    uid: str
    """The node that gets the tombstone; of a log its run."""
    kind: str
    """The artifact's kind, or ``log``, ``patch`` or ``image``."""
    name: str
    """The path of an artifact, the step of a log, else the digest."""
    sha256: tuple[str, ...]
    """The blobs that hold it, if the store does: one; of an image its config and its layers."""
    md5: str = ""
    """DVC's name of an artifact's content."""
    blake3: str = ""
    directory: bool = False
    size: int | None = None
    """Bytes as recorded; not known of logs, diffs and images."""
    files: int = 1
    storage: str = "store"
    """`recipe.Storage`."""
    role: str = ""
    """``input`` or ``output`` of the step; empty for what is no artifact."""
    step: str = ""
    bitwise: bool = False
    """It is an output that must come out bit for bit."""
    intermediate: bool = False
    """It is an output that is no model, metric or plot."""
    forgotten: int = 0
    """The transaction of its standing tombstone; 0 without one."""


class StepFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded step, as far as keeping and forgetting is concerned."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    seconds: float | None
    """How long it took when it was recorded; ``None`` when nobody watched."""


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who needs things: a model version, or whatever else stands on them."""

    label: str
    """``name:version``, or what it is."""
    kind: Kind = Kind.MODEL_VERSION
    type: str = ""
    uid: str
    tx: int
    """Since which transaction."""
    created: str = ""
    name: str = ""
    version: int = 0
    """0: it is no model version, and nothing can be forgotten of it."""
    commit: str = ""
    url: str | None = None
    directory: str = ""
    """Of its workflow, from the repository's root."""
    things: tuple[Thing, ...] = ()
    steps: tuple[StepFacts, ...] = ()
    forgotten: int = 0
    """The transaction of its standing tombstone; 0 when it needs its things."""

    def lost(self, thing: Thing) -> bool:
        """Whether the bytes of one of its things were dropped since it was recorded."""
        return thing.forgotten > self.tx

    def needs(self, thing: Thing) -> bool:
        """Whether it still counts on the bytes of one of its things."""
        return not self.forgotten and not self.lost(thing)


def listing(blobs: Blobs, sha256: str) -> list[tuple[str, int, str]] | None:
    """The files of a directory that the store keeps: path, size, SHA-256; ``None`` when it keeps no such directory.

    Raises:
        StoreCorruptError: Its listing is damaged.
    """
    with contextlib.suppress(msgspec.MsgspecError):
        if blobs.has(sha256):
            found = msgspec.json.decode(blobs.read(sha256), type=list[tuple[str, int, str]])
            return found if all(_SHA256.fullmatch(one) for _, _, one in found) else None
    return None


def blob_claims(found: Collection[Holder], blobs: Blobs) -> dict[str, list[tuple[Holder, Thing]]]:
    """Of every blob that somebody holds: who, and as what. Listings of directories are digests, and claimed by none.

    Raises:
        StoreCorruptError: A listing is damaged.
    """
    claims: dict[str, list[tuple[Holder, Thing]]] = {}
    listed: dict[str, list[str]] = {}
    for holder in found:
        for thing in holder.things:
            ids = list(thing.sha256)
            if thing.directory:
                ids = listed.setdefault(ids[0], [sha256 for _, _, sha256 in listing(blobs, ids[0]) or ()])
            for sha256 in ids:
                claims.setdefault(sha256, []).append((holder, thing))
    return claims


def dropped(claims: Mapping[str, list[tuple[Holder, Thing]]]) -> set[str]:
    """The blobs that must be gone: whatever they are held as was forgotten since."""
    return {sha256 for sha256, held in claims.items() if all(holder.lost(thing) for holder, thing in held)}
