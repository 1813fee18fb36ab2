"""What is kept costs: bytes by model, kind and age, what is shared, and what deleting would really free. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import msgspec

from replay.retention.classes import Standing
from replay.retention.world import VEILED, Key, World, fate, title
from replay.store.holdings import Holder, Thing

SCHEMA = "replay.costs/1"
AGES = ((7, "up to 7 days"), (30, "up to 30 days"), (90, "up to 90 days"), (365, "up to 1 year"))
OLDER, UNNEEDED = "older", "needed by no model version"
GIT, NONE = "git", "none"


class ModelCost(msgspec.Struct, frozen=True, kw_only=True):
    """What one model version costs."""

    model: str
    recorded: str
    bytes: int
    """Of the files here that hold what it needs."""
    files: int
    frees: int
    """What forgetting it alone would give back."""
    shared: int
    """Bytes among them that others need too."""
    elsewhere: int
    """Things that are not completely here; whether a remote has them was not asked."""
    elsewhere_bytes: int
    """Their recorded sizes."""
    classes: tuple[str, ...] = ()
    keep_until: str = ""
    refusals: tuple[str, ...] = ()
    """Why nothing of it may be dropped now."""
    held: tuple[str, ...] = ()
    """Artifacts that are held beyond that, each with the reason."""
    forgotten: bool = False


class Amount(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes and files under one heading."""

    name: str
    bytes: int
    files: int = 0


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """What exactly these need together."""

    by: tuple[str, ...]
    what: tuple[str, ...]
    bytes: int
    files: int


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """The bill."""

    schema_version: str = SCHEMA
    places: tuple[Amount, ...]
    """Everything that is kept, by where it lies."""
    models: tuple[ModelCost, ...]
    together: int
    """What forgetting all of these models would give back."""
    kinds: tuple[Amount, ...]
    ages: tuple[Amount, ...]
    """By the newest record that needs it."""
    shared: tuple[Shared, ...]
    """The largest first."""
    unclaimed: Amount
    """Blobs that no model version and nothing else in the lineage holds."""
    unknown: tuple[str, ...] = ()


def costs(world: World, standings: Mapping[str, Standing], chosen: Collection[Holder], now: datetime) -> Costs:
    """The bill for these model versions, and for everything that is held by kind and age; without places.

    Args:
        world: What is known.
        standings: What the rules say of each model version, by uid.
        chosen: The model versions that get a line.
        now: Ages count from here.
    """
    return Costs(
        places=(),
        models=tuple(_model(world, holder, standings[holder.uid]) for holder in chosen),
        together=freed(world, chosen),
        kinds=_amounts(world, {key: _title(world, key).kind for key in world.by_key}),
        ages=_amounts(world, {key: _age(world, key, now) for key in world.by_key}, [*(n for _, n in AGES), OLDER]),
        shared=_shared(world),
        unclaimed=Amount(name="held by nothing in the lineage", bytes=0),
        unknown=world.unknown,
    )


def freed(world: World, chosen: Collection[Holder]) -> int:
    """What forgetting these model versions together would give back."""
    things = [thing for holder in chosen if not holder.forgotten for thing in droppable(holder, world)]
    return fate(world, things, [holder.uid for holder in chosen]).frees


def droppable(holder: Holder, world: World) -> list[Thing]:
    """What can be dropped of a model version: not what Git keeps, and an image only where it is archived."""
    by_git = {thing.uid for thing in holder.things if thing.storage == GIT}
    return [
        thing
        for thing in holder.things
        if not (thing.uid in by_git or holder.lost(thing) or (thing.kind == "image" and not world.keys.get(thing.uid)))
    ]


def _model(world: World, holder: Holder, standing: Standing) -> ModelCost:
    kept = list({thing.uid: thing for thing in holder.things if not holder.lost(thing)}.values())
    keys = {key for thing in kept for key in world.keys.get(thing.uid, ())}
    common = {key for key in keys if any(other.uid != holder.uid for other in _needing(world, key))}
    away = [thing for thing in kept if thing.uid in world.absent and thing.storage not in (GIT, NONE) and thing.role]
    return ModelCost(
        model=holder.label,
        recorded=holder.created,
        bytes=_size(world, keys),
        files=len(keys),
        frees=freed(world, [holder]),
        shared=_size(world, common),
        elsewhere=len(away),
        elsewhere_bytes=sum(thing.size or 0 for thing in away),
        classes=standing.classes,
        keep_until=standing.until.date().isoformat(),
        refusals=standing.refusals,
        held=() if holder.label == VEILED else _held(kept, standing),
        forgotten=bool(holder.forgotten),
    )


def _held(kept: Iterable[Thing], standing: Standing) -> tuple[str, ...]:
    return tuple(f"{thing.name}: {why}" for thing in kept if thing.role and (why := standing.holds(thing.name)))


def _shared(world: World) -> tuple[Shared, ...]:
    """What several need, by who they are; the largest first."""
    groups: dict[tuple[str, ...], list[Key]] = {}
    for key in world.by_key:
        by = tuple(dict.fromkeys(holder.label for holder in _needing(world, key)))
        if len(by) > 1:
            groups.setdefault(by, []).append(key)
    found = [
        Shared(
            by=by,
            what=() if set(by) == {VEILED} else tuple(dict.fromkeys(title(_title(world, key)) for key in keys)),
            bytes=_size(world, keys),
            files=len(keys),
        )
        for by, keys in groups.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.bytes, one.by)))


def _needing(world: World, key: Key) -> Iterator[Holder]:
    for uid in world.by_key[key]:
        for holder, _ in world.counting(uid):
            yield holder


def _title(world: World, key: Key) -> Thing:
    """The first thing that a file is part of."""
    return world.by_thing[world.by_key[key][0]][0][1]


def _age(world: World, key: Key, now: datetime) -> str:
    """How long ago the newest record was made that needs a file."""
    recorded = [datetime.fromisoformat(holder.created) for holder in _needing(world, key) if holder.created]
    if not recorded:
        return UNNEEDED
    days = (now - max(recorded)).days
    return next((name for limit, name in AGES if days <= limit), OLDER)


def _amounts(world: World, names: Mapping[Key, str], order: Sequence[str] = ()) -> tuple[Amount, ...]:
    found: dict[str, list[Key]] = {name: [] for name in order}
    for key, name in names.items():
        found.setdefault(name, []).append(key)
    made = [Amount(name=name, bytes=_size(world, keys), files=len(keys)) for name, keys in found.items() if keys]
    return tuple(made if order else sorted(made, key=lambda amount: (-amount.bytes, amount.name)))


def _size(world: World, keys: Iterable[Key]) -> int:
    return sum(world.pieces[key].size for key in keys)
