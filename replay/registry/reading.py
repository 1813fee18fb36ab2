"""How model versions stand: what was decided about them, where they run, how their replays ended.

However many versions are asked for, the lineage is asked four times.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from replay.ask import Ground, ask
from replay.ask.seen import seen
from replay.lineage import EdgeType, Kind
from replay.query import Answer, Direction, Query
from replay.registry.standing import Deployment, Standing
from replay.registry.view import View

_STOP_BELOW = tuple(kind for kind in Kind if kind not in {Kind.ACTION, Kind.DEPLOYMENT})
_STOP_ABOVE = tuple(kind for kind in Kind if kind not in {Kind.COLLECTION, Kind.RUN, Kind.ACTION, Kind.DEPLOYMENT})


class Standings(msgspec.Struct, frozen=True, kw_only=True):
    """How many model versions stand."""

    versions: dict[str, Standing]
    hidden: int
    """How many nodes that would be told the asker may not see."""


def standings(uids: Iterable[str], ground: Ground, *, as_of: str | None = None, origin: bool = True) -> Standings:
    """How these model versions stand, in the order given; those that the asker may not see are left out.

    Args:
        uids: The nodes of model versions.
        ground: Where to ask.
        as_of: As it was recorded at that time.
        origin: Also tell experiments and who recorded them, for which executions are read.
    """
    entries = seen(list(dict.fromkeys(uids)), ground, as_of=as_of)
    if not entries:
        return Standings(versions={}, hidden=0)
    below = _below(list(entries), ground, as_of)
    above = _above([*entries, *below.found], ground, as_of, origin=origin)
    places = [uid for uid in above.found if above.nodes[uid].kind is Kind.LOCATOR]
    all_there = _deployments_at(places, ground, as_of)
    asked = [answer for answer in (below, above, all_there) if answer is not None]
    view = View(entries, asked)
    return Standings(
        versions={uid: view.standing(entry) for uid, entry in entries.items()},
        hidden=sum(answer.hidden for answer in asked),
    )


def deployments(uids: Iterable[str], ground: Ground, *, as_of: str | None = None) -> dict[str, Deployment]:
    """These deployments, and whether they are current; those that the asker may not see are left out."""
    entries = seen(list(dict.fromkeys(uids)), ground, as_of=as_of)
    if not entries:
        return {}
    below = _below(list(entries), ground, as_of)
    above = ask(
        Query(
            start=(*entries, *below.found),
            direction=Direction.UP,
            kinds=(Kind.ACTION, Kind.AGENT, Kind.LOCATOR),
            stop_at=tuple(kind for kind in Kind if kind is not Kind.ACTION),
            as_of=as_of,
        ),
        ground,
    )
    places = [uid for uid in above.found if above.nodes[uid].kind is Kind.LOCATOR]
    there = _deployments_at(places, ground, as_of)
    view = View(entries, [answer for answer in (below, above, there) if answer is not None])
    return {uid: view.deployment(entry) for uid, entry in entries.items()}


def _below(uids: list[str], ground: Ground, as_of: str | None) -> Answer:
    """What was done to the versions, and what came of it."""
    query = Query(
        start=tuple(uids),
        direction=Direction.DOWN,
        kinds=(Kind.ACTION, Kind.DEPLOYMENT),
        stop_at=_STOP_BELOW,
        as_of=as_of,
    )
    return ask(query, ground)


def _above(uids: list[str], ground: Ground, as_of: str | None, *, origin: bool) -> Answer:
    """Who did it, where it was deployed to, and which models and experiments the versions belong to."""
    follow = (EdgeType.PART_OF, EdgeType.ACTED_BY, EdgeType.SPECIALIZES)
    query = Query(
        start=tuple(uids),
        direction=Direction.UP,
        kinds=(Kind.COLLECTION, Kind.AGENT, Kind.LOCATOR),
        follow=(*follow, EdgeType.DERIVED_FROM) if origin else follow,
        stop_at=_STOP_ABOVE,
        as_of=as_of,
    )
    return ask(query, ground)


def _deployments_at(places: Sequence[str], ground: Ground, as_of: str | None) -> Answer | None:
    """Every deployment to these places, also of other models: the newest one is the current one."""
    if not places:
        return None
    query = Query(
        start=tuple(places),
        direction=Direction.DOWN,
        kinds=(Kind.DEPLOYMENT,),
        follow=(EdgeType.SPECIALIZES,),
        as_of=as_of,
    )
    return ask(query, ground)
