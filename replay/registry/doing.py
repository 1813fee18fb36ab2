"""One decision: checked, written in one transaction, and noted in the journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from replay.acting import Act, Asker, act
from replay.errors import UsageError
from replay.lineage import Edge, EdgeType, Facet, Kind, Node, agent_node
from replay.naming import name_of
from replay.record.secrets import refuse_secrets

if TYPE_CHECKING:
    from replay.session import Session

SCHEMA = "replay.action/1"
SAYS = "says"
"""Attribute of an action: the facets that it gave to its subject, by key."""

Making = Callable[[Act], tuple[tuple[Node, ...], tuple[Edge, ...]]]
"""What an action brings into the lineage besides itself."""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that is recorded."""

    schema_version: str = SCHEMA
    action: str
    """Its uid."""
    type: str
    subject: str
    """The uid of the node that it is about."""
    name: str
    """What a person calls that node."""
    by: str
    told_by: str = ""
    """Who wrote it down, when that is somebody else."""
    reason: str = ""
    told: str
    """What holds from now on, in a sentence."""
    says: dict[str, Any] = {}
    notes: tuple[str, ...] = ()
    """What the one who decides should know."""


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """A decision before it is recorded."""

    type: str
    subject: Node
    role: str
    """What the subject is to the action."""
    others: Mapping[str, str] = {}
    """Further nodes that it uses: uid → role."""
    by: str | None = None
    """Who decided, when that is not who runs the command."""
    reason: str = ""
    says: Mapping[str, Any] = {}
    """Facets; ``None`` takes a key back."""
    said_of: str = ""
    """Of which node, when it is not the subject."""
    attrs: Mapping[str, Any] = {}
    told: str
    """What holds from now on, in a sentence."""
    making: Making | None = None
    notes: tuple[str, ...] = ()


def perform(plan: Callable[[], Deed], session: Session) -> Done:
    """Record a decision.

    Args:
        plan: The decision. It is called while no other process can write, so what it reads holds until all is recorded.
        session: Where.

    Raises:
        UsageError: ``by`` is no name.
        PolicyError: The reason or a value looks like a secret.
        StoreError: It could not be written; nothing was.
    """
    asker = session.asker
    made: list[tuple[Deed, Act, Asker]] = []

    def build() -> tuple[tuple[Node, ...], tuple[Edge, ...], tuple[Facet, ...]]:
        deed = plan()
        who = _decider(deed, asker)
        act_, nodes, edges = _written(deed, who, asker)
        made.append((deed, act_, who))
        return (*act_.nodes, *nodes), (*act_.edges, *edges), act_.facets

    session.store.decide(build)
    deed, done, who = made[-1]
    subject = deed.subject
    session.store.note(deed.type, action=done.uid, subject=subject.uid, name=title(subject), by=who.user)
    return Done(
        action=done.uid,
        type=deed.type,
        subject=subject.uid,
        name=title(subject),
        by=who.user,
        told_by="" if who is asker else asker.user,
        reason=deed.reason,
        told=deed.told,
        says=dict(deed.says),
        notes=deed.notes,
    )


def _decider(deed: Deed, asker: Asker) -> Asker:
    by = asker.user if deed.by is None else name_of(deed.by, "by")
    return asker if by == asker.user else Asker(user=by, basis=asker.user)


def _written(deed: Deed, who: Asker, asker: Asker) -> tuple[Act, tuple[Node, ...], tuple[Edge, ...]]:
    """The action, and what it brings into the lineage besides itself."""
    reason = {"reason": deed.reason} if deed.reason else {}
    says = {SAYS: dict(deed.says)} if deed.says else {}
    refuse_secrets({"the reason": deed.reason, **{key: f"{key}={value}" for key, value in deed.says.items()}})
    made = act(
        deed.type,
        who,
        {deed.subject.uid: deed.role, **deed.others},
        name=f"{deed.type} {title(deed.subject)}",
        attrs={**reason, **says, **deed.attrs},
        facets={deed.said_of or deed.subject.uid: deed.says},
    )
    nodes, edges = deed.making(made) if deed.making else ((), ())
    if who is not asker:
        teller = agent_node(asker.user, asker.basis)
        nodes = (*nodes, teller)
        edges = (*edges, Edge(source=made.uid, type=EdgeType.ACTED_BY, target=teller.uid, role="teller"))
    return made, nodes, edges


def title(node: Node) -> str:
    """What a person calls a node."""
    return node.name or f"{node.kind} {node.uid[:19]}…"


def own_node(uid: str, session: Session) -> Node:
    """A node of this store.

    Raises:
        UsageError: Only an attached store holds it, and that is not ours to write to.
    """
    if not session.store.has(uid):
        raise UsageError(
            f"{uid} is not recorded in this store, so nothing can be said of it here",
            hint="an attached store is read-only: decide in the store that recorded it",
        )
    return session.store.node(uid)


def own_version(uid: str, session: Session) -> Node:
    """A model version of this store.

    Raises:
        UsageError: It is something else.
    """
    node = own_node(uid, session)
    if node.kind is not Kind.MODEL_VERSION:
        raise UsageError(
            f"{title(node)} is a {words(node.kind)}, expected a model version",
            hint=f"write name:version; `replay impact {uid}` lists the model versions that stand on it",
        )
    return node


def words(kind: Kind) -> str:
    """A kind as people write it."""
    return kind.value.replace("_", " ")
