"""Small worlds of holders, things and files, for decisions about values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from replay.retention.world import Key, Piece, World
from replay.store.holdings import Holder, StepFacts, Thing

CREATED = "2026-05-01T00:00:00.000000+00:00"


def thing(name: str, **changes: Any) -> Thing:
    """An output of this name; what it is called is also its uid."""
    whole = {"uid": name, "kind": "dataset", "name": name, "sha256": (name,), "role": "output", "step": "make"}
    return Thing(**whole | changes)


def holder(label: str, *things: Thing, tx: int = 1, **changes: Any) -> Holder:
    """A model version."""
    name, _, version = label.partition(":")
    whole = {"name": name, "version": int(version or 1), "created": CREATED, "things": things}
    return Holder(**{"label": label, "uid": label, "tx": tx, **whole} | changes)


def step(name: str, inputs: Sequence[str], outputs: Sequence[str], seconds: float | None = 1.0) -> StepFacts:
    return StepFacts(name=name, inputs=tuple(inputs), outputs=tuple(outputs), seconds=seconds)


def world(
    holders: Sequence[Holder], files: Mapping[str, Sequence[str]], sizes: Mapping[str, int], **changes: Any
) -> World:
    """``files``: thing → files; ``sizes``: file → bytes. Every file lies in the store."""
    keys = {name: tuple(key(file) for file in found) for name, found in files.items()}
    pieces = {key(file): Piece(size=size, frees=size) for file, size in sizes.items()}
    return World(**{"holders": holders, "keys": keys, "pieces": pieces, **changes})


def key(file: str) -> Key:
    return Key("store", file)
