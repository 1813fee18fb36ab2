"""Two names for one thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replay.acting import Act
from replay.ask import Ground
from replay.ask.seen import seen
from replay.errors import NotRecordedError, UsageError
from replay.lineage import Edge, EdgeType, Node
from replay.naming import text_of
from replay.query import Entry
from replay.registry.doing import Deed, Done, perform, title, words

if TYPE_CHECKING:
    from replay.session import Session


def link(one: str, other: str, session: Session, ground: Ground, *, reason: str = "", by: str | None = None) -> Done:
    """Record that two nodes are the same thing under two names. From then on every walk joins them.

    A node of an attached store gets a copy in this one, so that the sameness has two ends.

    Raises:
        UsageError: They are one node, or of different kinds, or neither is of this store.
        PolicyError: Who runs the command may not.
    """
    if one == other:
        raise UsageError("got the same node twice, expected two", hint="content that is equal is one node anyway")
    entries = seen([one, other], ground)
    if len(entries) < 2:
        raise NotRecordedError(f"no node {one if one not in entries else other} is recorded")
    first, second = (_node(entries[uid]) for uid in (one, other))
    if first.kind is not second.kind:
        raise UsageError(
            f"{title(first)} is a {words(first.kind)} and {title(second)} a {words(second.kind)}, "
            "expected two of one kind"
        )
    if not session.store.has(one) and not session.store.has(other):
        raise UsageError("neither node is recorded in this store", hint="link them in a store that holds one of them")
    session.require("use", [one, other])

    def making(_: Act) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
        return (first, second), (Edge(source=one, type=EdgeType.SAME_AS, target=other),)

    deed = Deed(
        type="link",
        subject=first,
        role="same",
        others={other: "same"},
        by=by,
        reason=text_of(reason, "reason") if reason else "",
        told=f"{title(first)} and {title(second)} are the same thing",
        making=making,
    )
    return perform(lambda: deed, session)


def _node(entry: Entry) -> Node:
    return Node(
        kind=entry.kind,
        identity=entry.identity,
        type=entry.type,
        name=entry.name,
        attrs=entry.attrs,
        evidence=entry.evidence,
        basis=entry.basis,
    )
