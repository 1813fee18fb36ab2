"""Which experiments there are."""

from __future__ import annotations

import msgspec

from replay.ask import Ground, ask
from replay.ask.seen import seen
from replay.lineage import EdgeType, Kind
from replay.query import Direction, Query
from replay.store import reads


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One experiment in the list."""

    name: str
    uid: str
    created: str
    trials: int
    executions: int
    newest: str
    """When its newest execution was recorded; empty when there is none."""
    store: str = ""
    """The attached store that has it, when it is not this one."""


def listed(ground: Ground) -> list[Listed]:
    """Every experiment that the asker may see, the one that was worked on last at the end."""
    found: dict[str, str] = {}
    for place in ground.places:
        with place.store.reading() as database:
            for node in reads.of_type(database, Kind.COLLECTION, "experiment"):
                found.setdefault(node.uid, place.name)
    rows = [_row(uid, found[uid], ground) for uid in seen(list(found), ground)]
    return sorted(rows, key=lambda row: (row.newest or row.created, row.name))


def _row(uid: str, store: str, ground: Ground) -> Listed:
    query = Query(
        start=(uid,),
        direction=Direction.DOWN,
        types=("trial", "execution"),
        follow=(EdgeType.PART_OF,),
        stop_at=(Kind.RUN,),
        include_edges=False,
    )
    answer = ask(query, ground)
    parts = [answer.nodes[one] for one in answer.found]
    executions = [one.created for one in parts if one.type == "execution"]
    return Listed(
        name=answer.nodes[uid].name,
        uid=uid,
        created=answer.nodes[uid].created,
        trials=len(parts) - len(executions),
        executions=len(executions),
        newest=max(executions, default=""),
        store=store,
    )
