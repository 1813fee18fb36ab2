"""What is known when somebody asks what is kept and what could be dropped. Values, and questions about them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import msgspec

from replay.store.holdings import Holder, Thing

STORE = "store"
"""The place of the store's own blobs; the place of a DVC cache is its path."""
VEILED = "something that you may not read"
"""The label of a holder whose name the asker may not know."""


class Key(NamedTuple):
    """One file that holds recorded content: where, and under which digest."""

    place: str
    id: str


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is there."""

    size: int
    frees: int
    """What deleting it gives back: nothing when other names lead to the same bytes."""


class World(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Who holds what, which files that is, and what must stay for reasons that no model version has."""

    holders: Sequence[Holder]
    keys: Mapping[str, tuple[Key, ...]]
    """Of each thing (by uid): the files that hold it here."""
    pieces: Mapping[Key, Piece]
    absent: frozenset[str] = frozenset()
    """The things that are not completely here."""
    in_use: Mapping[Key, str] = {}
    """Files that are needed beyond any record, each with the reason."""
    held: Mapping[str, str] = {}
    """Model versions (by uid) that hold on to their things whatever was forgotten of them, each with the reason."""
    held_paths: Mapping[str, Mapping[str, str]] = {}
    """Likewise single things: uid of the model version → uid of the thing → reason."""
    unknown: tuple[str, ...] = ()
    """What could not be found out."""

    @cached_property
    def by_thing(self) -> dict[str, list[tuple[Holder, Thing]]]:
        """Of each thing: whoever holds it, once each."""
        found: dict[str, dict[str, tuple[Holder, Thing]]] = {}
        for holder in self.holders:
            for thing in holder.things:
                found.setdefault(thing.uid, {}).setdefault(holder.uid, (holder, thing))
        return {uid: list(held.values()) for uid, held in found.items()}

    @cached_property
    def by_key(self) -> dict[Key, list[str]]:
        """Of each file: the things that it is part of."""
        found: dict[Key, list[str]] = {}
        for uid, keys in self.keys.items():
            for key in keys:
                found.setdefault(key, []).append(uid)
        return found

    def counting(self, uid: str, leaving: Collection[str] = ()) -> Iterator[tuple[Holder, str]]:
        """Those who count on the bytes of a thing, and why, apart from model versions that give it up (by uid)."""
        for holder, thing in self.by_thing.get(uid, ()):
            if holder.lost(thing):
                continue
            hold = self.held.get(holder.uid) or self.held_paths.get(holder.uid, {}).get(uid)
            if hold:
                yield holder, f"{holder.label}: {hold}"
            elif holder.needs(thing) and holder.uid not in leaving:
                yield holder, f"{holder.label} needs it"

    def hold(self, key: Key) -> str:
        """Why a file must stay although it may have been forgotten: a hold came later. Empty when none does."""
        held = ((holder, uid) for uid in self.by_key[key] for holder, _ in self.by_thing[uid])
        reasons = (self.held.get(one.uid) or self.held_paths.get(one.uid, {}).get(uid) for one, uid in held)
        return next(filter(None, reasons), "")

    def free(self, key: Key) -> bool:
        """Whether nobody counts on a file, as part of whatever thing, and it is in no other use."""
        counted = any(True for uid in self.by_key[key] for _ in self.counting(uid))
        return not (counted or key in self.in_use or self.hold(key))


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """Something that stays, and why."""

    what: str
    why: str
    bytes: int = 0


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """What would come of giving things up."""

    dropped: tuple[Thing, ...]
    """They get a tombstone."""
    delete: tuple[Key, ...]
    """The files that go."""
    kept: tuple[Kept, ...]
    frees: int
    """Bytes that are really given back."""


def fate(world: World, things: Sequence[Thing], leaving: Collection[str], *, settled: bool = False) -> Fate:
    """What would go and what would stay if these things were given up.

    A thing goes unless somebody else counts on it; a file of it goes unless it is part of a thing that stays, or in
    use beyond any record.

    Args:
        world: What is known.
        things: What is given up.
        leaving: The model versions (by uid) that give it up.
        settled: Whoever counts on these very things gives them up too.
    """
    dropped: dict[str, Thing] = {}
    kept: list[Kept] = []
    for thing in {thing.uid: thing for thing in things}.values():
        reasons = [] if settled else [reason for _, reason in world.counting(thing.uid, leaving)]
        if reasons:
            size = sum(world.pieces[key].size for key in world.keys.get(thing.uid, ()))
            kept.append(Kept(what=title(thing), why=some(reasons), bytes=size))
        else:
            dropped[thing.uid] = thing
    delete: dict[Key, None] = {}
    for uid, thing in dropped.items():
        staying: dict[str, list[Key]] = {}
        for key in world.keys.get(uid, ()):
            if why := _stays(world, key, dropped, leaving):
                staying.setdefault(why, []).append(key)
            else:
                delete[key] = None
        files = (_kept_files(world, thing, keys, why) for why, keys in staying.items())
        kept += [one for one in files if one.bytes]  # empty files, such as most logs, hold nothing
    return Fate(
        dropped=tuple(dropped.values()),
        delete=tuple(delete),
        kept=tuple(kept),
        frees=sum(world.pieces[key].frees for key in delete),
    )


def _kept_files(world: World, thing: Thing, keys: Sequence[Key], why: str) -> Kept:
    whole = len(world.keys[thing.uid])
    part = f" ({len(keys)} of {whole} files)" if whole > 1 else ""
    return Kept(what=f"{title(thing)}{part}", why=why, bytes=sum(world.pieces[key].size for key in keys))


def _stays(world: World, key: Key, dropped: Collection[str], leaving: Collection[str]) -> str:
    """Why a file stays although one thing that it is part of goes; empty when it goes too."""
    why: list[str] = []
    for uid in world.by_key[key]:
        if uid not in dropped:
            part = f", as part of {title(world.by_thing[uid][0][1])}"
            why += [
                reason if holder.label == VEILED else f"{reason}{part}"
                for holder, reason in world.counting(uid, leaving)
            ]
    return some(why) if why else world.in_use.get(key, "")


def title(thing: Thing) -> str:
    """What a person calls a thing."""
    names = {"log": f"log of {thing.name}", "patch": f"uncommitted diff {thing.name}", "image": f"image {thing.name}"}
    return names.get(thing.kind, thing.name)


def some(texts: Sequence[str], most: int = 3, joined: str = "; ") -> str:
    """The first of many texts, each once, and how many more there are."""
    whole = list(dict.fromkeys(texts))
    rest = f" and {len(whole) - most} more" if len(whole) > most else ""
    return joined.join(whole[:most]) + rest
