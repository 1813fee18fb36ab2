"""From a node to its page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from replay.ask import ask
from replay.ask.seen import seen
from replay.lineage import EdgeType, Kind
from replay.pages.page import Near, Page, Saying, Side, Tie
from replay.plans import versions_of
from replay.query import Answer, Direction, Entry, Query
from replay.registry.reading import deployments, standings

if TYPE_CHECKING:
    from replay.session import Session

_MADE = ("execution", "trial", "experiment")


def page_of(uid: str, session: Session) -> Page:
    """Everything that is known about a node and that the asker may see.

    Raises:
        ResolveError: It is not recorded, or the asker may not see it.
        PolicyError: A policy forbids to read it.
    """
    ground = session.ground
    up, down = (ask(Query(start=(uid,), direction=way), ground) for way in (Direction.UP, Direction.DOWN))
    entry = up.nodes[uid]
    version, deployed = entry.kind is Kind.MODEL_VERSION, entry.kind is Kind.DEPLOYMENT
    return Page(
        uid=uid,
        kind=entry.kind.value,
        type=entry.type,
        name=entry.name,
        identity=entry.identity,
        attrs=entry.attrs,
        evidence=entry.evidence.value,
        basis=entry.basis,
        recorded=entry.created,
        stores=entry.stores,
        facets=entry.facets,
        history=tuple(_history(uid, session)),
        standing=standings([uid], ground).versions.get(uid) if version else None,
        deployment=deployments([uid], ground).get(uid) if deployed else None,
        models=tuple(_models(entry, up.nodes.values(), down.nodes.values())),
        versions=tuple(_versions(entry, down)),
        plans=tuple(_plans(entry, up)),
        plan_versions=versions_of(uid, ground) if entry.kind in {Kind.PLAN, Kind.LOCATOR} else (),
        ties=(*_ties(uid, up, "up"), *_ties(uid, down, "down")),
        up=_side(up),
        down=_side(down),
    )


def _side(answer: Answer) -> Side:
    nodes = tuple(_near(answer.nodes[uid]) for uid in answer.found)
    return Side(
        counts=dict(sorted(Counter(node.kind for node in nodes).items())),
        nodes=nodes,
        same_bytes=answer.elsewhere,
        complete=answer.complete,
        hidden=answer.hidden,
        unresolved=answer.unresolved,
        findings=answer.findings,
    )


def _near(entry: Entry) -> Near:
    return Near(uid=entry.uid, kind=entry.kind.value, type=entry.type, name=entry.name, depth=entry.depth)


def _ties(uid: str, answer: Answer, way: str) -> Iterable[Tie]:
    for edge in answer.edges:
        near, other = (edge.younger, edge.older) if way == "up" else (edge.older, edge.younger)
        if near == uid != other:
            yield Tie(direction=way, type=edge.type.value, role=edge.role, node=_near(answer.nodes[other]))


def _history(uid: str, session: Session) -> Iterable[Saying]:
    """What was said of a node, with the reasons that the actions give."""
    if not session.store.has(uid):
        return
    facets = session.store.history(uid)
    actions = seen(list(dict.fromkeys(facet.action for facet in facets if facet.action)), session.ground)
    newest = {facet.key: number for number, facet in enumerate(facets)}
    for number, facet in enumerate(facets):
        action = actions.get(facet.action)
        yield Saying(
            key=facet.key,
            value=facet.value,
            when=facet.recorded,
            by=facet.basis,
            why=str(action.attrs.get("reason", "")) if action else "",
            action=facet.action if action else "",
            holds=newest[facet.key] == number and facet.value is not None,
        )


def _models(entry: Entry, made_from: Iterable[Entry], made: Iterable[Entry]) -> Iterable[Near]:
    """The model versions behind a deployment; those that came of an execution, trial or experiment."""
    if entry.kind is Kind.DEPLOYMENT:
        found = sorted((one for one in made_from if one.kind is Kind.MODEL_VERSION), key=lambda one: one.depth)
        named = [one for one in found if one.uid == entry.attrs.get("version")]
        return map(_near, named or found[:1])
    if entry.type in _MADE:
        found = sorted((one for one in made if one.kind is Kind.MODEL_VERSION), key=lambda one: one.created)
        return map(_near, found)
    return ()


def _versions(entry: Entry, down: Answer) -> Iterable[Near]:
    if entry.kind is not Kind.LOCATOR:
        return ()
    found = [down.nodes[e.source] for e in down.edges if e.type is EdgeType.SPECIALIZES and e.target == entry.uid]
    return map(_near, sorted(found, key=lambda one: one.created))


def _plans(entry: Entry, up: Answer) -> Iterable[Near]:
    """The plans that a model version's own execution followed, or an execution itself."""
    executions = {entry.uid} if entry.type == "execution" else set()
    if entry.kind is Kind.MODEL_VERSION:
        executions = {e.target for e in up.edges if e.source == entry.uid and up.nodes[e.target].type == "execution"}
    plans = [e.target for e in up.edges if e.type is EdgeType.FOLLOWS_PLAN and e.source in executions]
    return map(_near, sorted((up.nodes[uid] for uid in plans), key=lambda one: (one.type, one.name)))
