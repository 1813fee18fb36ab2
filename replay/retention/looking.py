"""Looks at a whole store: who holds what, where it lies, and what the rules say of each model version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from replay.config import RetentionSettings, load
from replay.errors import ReplayError
from replay.lineage import Facet, group_node
from replay.retention.classes import Standing, Subject, checked, standing
from replay.retention.in_use import in_use
from replay.retention.shelves import Shelves
from replay.retention.world import STORE, VEILED, World
from replay.session import Session
from replay.store.holders import holders, newest
from replay.store.holdings import Holder

CHOSEN = ("retention", "property:retention")
"""Facets by which a model version, or its model, names its class; `replay annotate` writes properties."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen."""

    world: World
    standings: Mapping[str, Standing]
    """Of each model version, by uid."""
    shelves: Shelves
    now: datetime
    tx: int
    """The newest transaction that it was seen after."""

    @property
    def versions(self) -> list[Holder]:
        """All model versions, in order."""
        return [holder for holder in self.world.holders if holder.version]

    def holder(self, uid: str) -> Holder:
        """The model version with this uid."""
        return next(holder for holder in self.world.holders if holder.uid == uid)


def look(session: Session, *, dvc: str = "unused", strict: bool = True) -> Seen:
    """Look at everything that is recorded and kept.

    Args:
        session: Where.
        dvc: Which objects of DVC's cache may go; one of `in_use.MODES`.
        strict: Fail when it cannot be known what DVC uses; else that is noted, and all of its objects count as used.

    Raises:
        ConfigError: The settings contradict themselves.
        FetchError: A file of DVC cannot be read.
    """
    policies, now, tx = policies_of(session), datetime.now(UTC), newest(session.store)
    found = _veiled(holders(session.store), session)
    standings = _standings(found, policies, session, now)
    shelves = Shelves(session)
    keys = shelves.keys_of(found)
    try:
        used = in_use(shelves, dvc)
    except ReplayError as error:
        if strict:
            raise
        used = dict.fromkeys((key for key in shelves.pieces if key.place != STORE), "what DVC uses is not known")
        shelves.unknown.append(f"what DVC uses of its cache: {error}")
    world = World(
        holders=found,
        keys=keys,
        pieces=shelves.pieces,
        absent=frozenset(shelves.absent),
        in_use=used,
        held={uid: "; ".join(one.refusals) for uid, one in standings.items() if one.refusals},
        held_paths={holder.uid: _held(holder, standings[holder.uid]) for holder in found if holder.version},
        unknown=tuple(shelves.unknown),
    )
    return Seen(world=world, standings=standings, shelves=shelves, now=now, tx=tx)


def _veiled(found: Sequence[Holder], session: Session) -> list[Holder]:
    """The same without the names of what the asker may not read."""
    guard = session.ground.guard
    if guard is None:
        return list(found)
    readable = guard.readable(session.ground.places[0], found)
    return [h if h.uid in readable else msgspec.structs.replace(h, label=VEILED) for h in found]


def policies_of(session: Session) -> tuple[RetentionSettings, ...]:
    """What conf/ says, and what this command's ``-o`` adds to it: neither takes anything from the other.

    Raises:
        ConfigError: They contradict themselves.
    """
    floor, asked = load().retention, session.settings.retention
    return (checked(floor),) if floor == asked else (checked(floor), checked(asked))


def _standings(
    found: Sequence[Holder], policies: Sequence[RetentionSettings], session: Session, now: datetime
) -> dict[str, Standing]:
    versions = [holder for holder in found if holder.version]
    groups = {holder.name: group_node(holder.name).uid for holder in versions}
    said = session.store.histories([*groups.values(), *(holder.uid for holder in versions)])
    found_: dict[str, Standing] = {}
    for holder in versions:
        subject = _subject(holder, said.get(groups[holder.name], []), said.get(holder.uid, []))
        found_[holder.uid] = standing(subject, policies, now)
    return found_


def _subject(holder: Holder, of_group: Sequence[Facet], of_version: Sequence[Facet]) -> Subject:
    facets = {facet.key: facet.value for facet in (*of_group, *of_version)}
    own = {facet.key: facet.value for facet in of_version}
    tags = {
        key.removeprefix("tag:"): str(value)
        for key, value in facets.items()
        if key.startswith("tag:") and value is not None
    }
    chosen = [facets.get(key) for key in CHOSEN]
    return Subject(
        name=holder.name,
        version=holder.version,
        created=datetime.fromisoformat(holder.created),
        tags=tags,
        status=str(own.get("status") or ""),
        chosen=tuple(str(name) for name in chosen if name is not None),
    )


def _held(holder: Holder, standing_: Standing) -> dict[str, str]:
    held = ((thing.uid, standing_.holds(thing.name)) for thing in holder.things if thing.role)
    return {uid: why for uid, why in held if why}
