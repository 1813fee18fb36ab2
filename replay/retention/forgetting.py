"""Forgetting: data go, digests, edges and a tombstone stay.

The order is what makes it safe to be killed: the tombstone is recorded first, in one transaction; then files are
deleted while nobody else can write; then it is recorded that this was finished. Whatever interrupts it, either nothing
was forgotten, or `deleting.finish` deletes the rest. What may go is decided anew each time, from what is recorded then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from replay.acting import act
from replay.errors import PolicyError, StoreBusyError, UsageError
from replay.identity import ModelId
from replay.naming import text_of
from replay.record.secrets import refuse_secrets
from replay.registry.deploying import deployed_to
from replay.retention.costing import droppable
from replay.retention.deleting import DROPPED, finish
from replay.retention.looking import Seen, look
from replay.retention.remains import Still, remains
from replay.retention.world import STORE, Fate, Kept, fate, some, title
from replay.session import Session
from replay.store.database import Decision
from replay.store.holders import newest
from replay.store.holdings import FORGOTTEN, Holder, Thing

SCHEMA = "replay.forget/1"


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """How to forget."""

    reason: str
    really: bool = False
    dvc: str = "unused"
    """Which objects of DVC's cache may go; one of `in_use.MODES`."""
    offline: bool = False
    """Ask no remote beyond this machine what it still holds."""


class Dropped(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A thing whose bytes go."""

    what: str
    kind: str
    sha256: str
    bytes: int
    """Of the files that are deleted."""
    files: int
    places: tuple[str, ...]
    """Where files are deleted; empty when none are here."""


class Forgetting(msgspec.Struct, frozen=True, kw_only=True):
    """What is forgotten, or would be."""

    schema_version: str = SCHEMA
    models: tuple[str, ...]
    reason: str
    really: bool
    """Whether it was done; else nothing was changed."""
    recomputable: bool = False
    action: str = ""
    """The uid of the action that was recorded."""
    dropped: tuple[Dropped, ...] = ()
    kept: tuple[Kept, ...] = ()
    still: tuple[Still, ...] = ()
    """Copies that are not deleted."""
    unknown: tuple[str, ...] = ()
    """What could not be found out."""
    frees: int = 0
    """Bytes that are given back."""
    finished: tuple[str, ...] = ()
    """What an earlier, interrupted forgetting had left, and was deleted now."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What would be forgotten, from what was seen."""

    seen: Seen
    chosen: tuple[Holder, ...]
    leaving: tuple[Holder, ...]
    """Those among them that need nothing any more."""
    fate: Fate
    reason: str
    recomputable: bool = False
    proofs: Mapping[str, str] = {}
    """Of things (by uid) that can be recomputed: the replay that shows it."""
    kept: tuple[Kept, ...] = ()
    """What was not even considered, and why."""

    def says(self, uid: str) -> dict[str, Any]:
        """What a tombstone says."""
        proof = self.proofs.get(uid)
        return {"reason": self.reason} | ({"proof": proof} if proof else {})


def forget(models: Sequence[str], session: Session, wish: Wish) -> Forgetting:
    """Forget model versions: drop what nobody else needs, and say plainly what stays and why.

    Args:
        models: ``name:version`` or ``name@alias``.
        session: Where.
        wish: Why, and whether really.

    Raises:
        UsageError: No exact model version, or a reason that says nothing.
        PolicyError: A policy, a legal hold, a retention class or a deployment forbids it; nothing was changed.
        FetchError: It cannot be known what DVC uses.
    """
    wish = msgspec.structs.replace(wish, reason=checked_reason(wish.reason))
    uids = list(dict.fromkeys(_exact(model, session) for model in models))
    session.require("delete", uids)
    return carry_out(lambda: _plan(uids, session, wish), session, wish)


def carry_out(planning: Callable[[], Plan], session: Session, wish: Wish) -> Forgetting:
    """Say what would be forgotten; and when it is really wished, plan again while nobody else can write, and do it.

    Raises:
        PolicyError: It may not be; nothing was changed.
        StoreBusyError: What can be dropped changed meanwhile; nothing was changed.
    """
    finished = finish(session) if wish.really else ()
    try:
        plan = planning()
    except PolicyError as error:
        if wish.really:
            session.store.note("forget-refused", by=session.asker.user, why=str(error))
        raise
    session.require("delete", [thing.uid for thing in plan.fate.dropped])
    if not (wish.really and (plan.leaving or plan.fate.dropped)):
        return _answer(plan, session, wish, finished=finished)
    action, decision = _buried(plan, session, wish)

    def build() -> Decision:
        if newest(session.store) != plan.seen.tx and planning().fate != plan.fate:
            raise StoreBusyError(
                "another process recorded or forgot something that changes what can be dropped",
                hint="nothing was forgotten; run the same command again",
            )
        return decision

    session.store.decide(build)
    labels = [holder.label for holder in plan.leaving or plan.chosen]
    session.store.note("forget", action=action, models=labels, reason=wish.reason, by=session.asker.user)
    finish(session, only=action)
    return _answer(plan, session, wish, action=action, finished=finished)


def checked_reason(text: str) -> str:
    """The reason as one line.

    Raises:
        UsageError: It says nothing.
        PolicyError: It looks like a secret.
    """
    reason = text_of(text, "reason")
    refuse_secrets({"the reason": reason})
    return reason


def _plan(uids: Sequence[str], session: Session, wish: Wish) -> Plan:
    seen = look(session, dvc=wish.dvc)
    chosen = [seen.holder(uid) for uid in uids]
    refused = [f"{holder.label}: {why}" for holder in chosen for why in _refusals(holder, seen, session)]
    if refused:
        raise PolicyError(
            f"nothing may be dropped of {'; '.join(refused)}",
            hint="conf/retention has classes and holds; a deployment is ended with `replay deploy --withdraw`",
        )
    leaving = [holder for holder in chosen if not holder.forgotten]
    things = [thing for holder in leaving for thing in droppable(holder, seen.world)]
    planned = fate(seen.world, things, [holder.uid for holder in leaving])
    return Plan(seen=seen, chosen=tuple(chosen), leaving=tuple(leaving), fate=planned, reason=wish.reason)


def _refusals(holder: Holder, seen: Seen, session: Session) -> list[str]:
    places = deployed_to(holder.uid, session.store)
    return [*seen.standings[holder.uid].refusals, *([f"it is deployed to {', '.join(places)}"] if places else [])]


def _buried(plan: Plan, session: Session, wish: Wish) -> tuple[str, Decision]:
    """The action and its tombstones."""
    subjects = {holder.uid: "model" for holder in plan.leaving or plan.chosen}
    subjects |= {thing.uid: DROPPED for thing in plan.fate.dropped}
    labels = [holder.label for holder in plan.leaving or plan.chosen]
    told = [holder.uid for holder in plan.leaving] + [thing.uid for thing in plan.fate.dropped]
    made = act(
        "forget",
        session.asker,
        subjects,
        name=f"forget {some(labels)}" if plan.leaving else f"drop what {some(labels)} can recompute",
        attrs={
            "reason": wish.reason,
            "models": labels,
            "dvc": wish.dvc,
            "recomputable": plan.recomputable,
            "frees": plan.fate.frees,
            "kept": [[kept.what, kept.why] for kept in plan.fate.kept],
        },
        facets={uid: {FORGOTTEN: plan.says(uid)} for uid in told},
    )
    return made.uid, (made.nodes, made.edges, made.facets)


def _answer(plan: Plan, session: Session, wish: Wish, *, action: str = "", finished: Iterable[str] = ()) -> Forgetting:
    left = remains(plan.chosen, plan.leaving, plan.fate.dropped, session, offline=wish.offline)
    return Forgetting(
        models=tuple(holder.label for holder in plan.chosen),
        reason=wish.reason,
        really=wish.really,
        recomputable=plan.recomputable,
        action=action,
        dropped=tuple(_dropped(thing, plan) for thing in plan.fate.dropped),
        kept=(*_already(plan, session), *plan.kept, *plan.fate.kept),
        still=left.still,
        unknown=tuple(dict.fromkeys((*plan.seen.world.unknown, *left.unknown))),
        frees=plan.fate.frees,
        finished=tuple(finished),
    )


def _dropped(thing: Thing, plan: Plan) -> Dropped:
    deleted = set(plan.fate.delete)
    keys = [key for key in plan.seen.world.keys.get(thing.uid, ()) if key in deleted]
    places = dict.fromkeys("the store" if key.place == STORE else "the DVC cache" for key in keys)
    return Dropped(
        what=title(thing),
        kind=thing.kind,
        sha256=thing.sha256[0],
        bytes=sum(plan.seen.world.pieces[key].size for key in keys),
        files=len(keys),
        places=tuple(places),
    )


def _already(plan: Plan, session: Session) -> list[Kept]:
    found = []
    for holder in plan.chosen:
        if holder.forgotten and not plan.recomputable:
            facet = session.store.facets(holder.uid)[FORGOTTEN]
            why = f"was forgotten by {facet.basis} on {facet.recorded[:19]}: {facet.value.get('reason')}"
            found.append(Kept(what=holder.label, why=why))
    return found


def _exact(model: str, session: Session) -> str:
    wanted = ModelId.parse(model)
    if wanted.version is None and wanted.alias is None:
        raise UsageError(
            f"got {model!r}, expected exactly one model version: forgetting cannot be undone",
            hint=f"write {model}:VERSION; `replay models` lists them",
        )
    return session.store.model_version(wanted)
