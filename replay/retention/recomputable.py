"""``--dividend`` and ``--recomputable``: which replays prove what, asked of the lineage, and dropping on their word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from replay.freeze import freeze
from replay.identity import ModelId
from replay.lineage import EdgeType
from replay.resolve import resolve
from replay.retention.dividend import Dividend, Replay, dividend, intermediates
from replay.retention.forgetting import Forgetting, Plan, Wish, carry_out, checked_reason
from replay.retention.looking import Seen, look
from replay.retention.remains import code_of
from replay.retention.world import fate
from replay.session import Session
from replay.store.holdings import Holder

REASON = "it can be recomputed"


def dividend_of(models: Sequence[str], session: Session, *, dvc: str = "unused") -> Dividend:
    """What could be dropped of these model versions, or of all, because their steps make it again.

    Raises:
        ModelNotFoundError: There is no such model version.
        FetchError: It cannot be known what DVC uses.
    """
    uids = versions(models, session)
    seen = look(session, dvc=dvc)
    return _dividend(seen, uids, session)


def forget_recomputable(models: Sequence[str], session: Session, wish: Wish) -> Forgetting:
    """Drop intermediates that their steps make again: of these model versions, or of all.

    Raises:
        ModelNotFoundError: There is no such model version.
        PolicyError: A policy forbids it; nothing was changed.
        FetchError: It cannot be known what DVC uses.
    """
    wish = msgspec.structs.replace(wish, reason=checked_reason(wish.reason))
    uids = versions(models, session)
    if uids:
        session.require("delete", uids)

    def plan() -> Plan:
        seen = look(session, dvc=wish.dvc)
        chosen = _chosen(seen, uids)
        found = _dividend(seen, uids, session)
        proofs = {one.uid: one.proof for one in found.recomputable}
        things = {thing.uid: thing for holder in chosen for thing in holder.things if thing.uid in proofs}
        planned = fate(seen.world, list(things.values()), (), settled=True)
        return Plan(
            seen=seen,
            chosen=tuple(holder for holder in chosen if any(thing.uid in proofs for thing in holder.things)),
            leaving=(),
            fate=planned,
            reason=wish.reason,
            proofs=proofs,
            kept=found.kept,
            recomputable=True,
        )

    return carry_out(plan, session, wish)


def versions(models: Sequence[str], session: Session) -> list[str]:
    """The uids of these model versions.

    Raises:
        ModelNotFoundError: There is no such model version.
    """
    return list(dict.fromkeys(session.store.model_version(ModelId.parse(model)) for model in models))


def _chosen(seen: Seen, uids: Sequence[str]) -> list[Holder]:
    return [seen.holder(uid) for uid in uids] if uids else seen.versions


def _dividend(seen: Seen, uids: Sequence[str], session: Session) -> Dividend:
    chosen = _chosen(seen, uids)
    candidates = {thing.uid for holder in chosen for thing in intermediates(holder, seen.world)}
    asked = [h for h in seen.versions if not h.forgotten and any(thing.uid in candidates for thing in h.things)]
    lost = {holder.uid for holder in asked if not _has_code(holder, session)}
    return dividend(seen.world, _replays(asked, session), chosen, without_code=lost)


def _has_code(holder: Holder, session: Session) -> bool:
    """Whether the code version is in this store's mirror or in this repository."""
    code = code_of(holder)
    place = session.mirror(code).locate(code.commit, session.code_sources(code))
    return place is not None and not place.endswith("(not asked)")


def _replays(holders: Sequence[Holder], session: Session) -> Mapping[str, list[Replay]]:
    """The replays of each model version's own recipe, oldest first; a replay of another recipe proves nothing of it."""
    found: dict[str, list[Replay]] = {}
    for holder in holders:
        edges = session.store.neighbours(holder.uid, direction="down")
        actions = [node for edge, node in edges if edge.type is EdgeType.REPLAYS]
        if not actions:
            continue
        own = freeze(resolve(ModelId(name=holder.name, version=holder.version), session.store)).recipe_id
        found[holder.uid] = [
            Replay(
                uid=node.uid,
                matches={path: match for match, paths in node.attrs.get("matches", {}).items() for path in paths},
            )
            for node in sorted(actions, key=lambda node: str(node.attrs.get("started")))
            if node.attrs.get("recipe") == own
        ]
    return found
