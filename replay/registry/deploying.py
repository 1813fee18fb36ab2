"""Where model versions run: every deployment is a node of its own, and the newest one of a place is the current one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from replay.acting import Act
from replay.ask.seen import seen
from replay.errors import PolicyError, UsageError
from replay.lineage import Edge, EdgeType, Facet, Kind, Node
from replay.naming import name_of, text_of
from replay.registry.doing import Deed, Done, own_version, perform, title
from replay.uid import identity_of, uid_of

if TYPE_CHECKING:
    from replay.ask import Ground
    from replay.session import Session
    from replay.store.database import Store

WITHDRAWN = "withdrawn"


def deploy(
    uid: str, session: Session, *, to: str, reason: str = "", by: str | None = None, force: bool = False
) -> Done:
    """Record that a model version runs somewhere from now on, in place of what ran there.

    Args:
        uid: The model version.
        session: Where it is recorded.
        to: What the place is called, e.g. ``prod``.
        reason: Why.
        by: Who deployed it, when that is not who runs the command.
        force: Record it although the version is rejected; that is recorded too.

    Raises:
        UsageError: It is no model version of this store, or a text is no name.
        PolicyError: The version is rejected; or who runs the command may not.
    """
    version, place = own_version(uid, session), name_of(to, "the place to deploy to")
    session.require("approve", [uid])
    why, ground = text_of(reason, "reason") if reason else "", session.ground
    return perform(lambda: _deployed(version, place, session.store, ground, by=by, why=why, force=force), session)


def _deployed(
    version: Node, place: str, store: Store, ground: Ground, *, by: str | None, why: str, force: bool
) -> Deed:
    status = store.facets(version.uid).get("status")
    rejected = status is not None and status.value == "rejected"
    if rejected and status is not None and not force:
        raise _refused(version, status, place)
    approval = status.action if status is not None and status.value == "approved" else ""
    before = current(place, store)
    return Deed(
        type="deploy",
        subject=version,
        role="version",
        others={approval: "approval"} if approval else {},
        by=by,
        reason=why,
        attrs={"to": place} | ({"forced": True} if rejected else {}),
        told=f"{title(version)} is deployed to {place}" + (", although it is rejected" if rejected else ""),
        making=lambda act: _made(act, version, place),
        notes=tuple(_notes(version, before if before and _may_see(before, ground) else None, approval)),
    )


def withdraw(uid: str, session: Session, *, to: str, reason: str, by: str | None = None) -> Done:
    """Record that a model version no longer runs somewhere, and nothing else does.

    Raises:
        UsageError: It does not run there.
        PolicyError: Who runs the command may not.
    """
    version, place = own_version(uid, session), name_of(to, "the place to withdraw from")
    session.require("approve", [uid])
    why, ground = text_of(reason, "reason"), session.ground

    def plan() -> Deed:
        running = _running(version, place, session.store, ground)
        return Deed(
            type="withdraw",
            subject=running,
            role="deployment",
            others={uid: "version"},
            by=by,
            reason=why,
            says={"status": WITHDRAWN},
            attrs={"from": place},
            told=f"{title(version)} is withdrawn from {place}",
        )

    return perform(plan, session)


def _running(version: Node, place: str, store: Store, ground: Ground) -> Node:
    running = current(place, store)
    if running is None or running.attrs.get("version") != version.uid:
        what = f"{running.attrs.get('model')} is" if running and _may_see(running, ground) else "nothing of it is"
        raise UsageError(
            f"{title(version)} is not deployed to {place!r}: {what}",
            hint=f"`replay show {version.name}` tells where it is deployed",
        )
    return running


def place_node(name: str) -> Node:
    """Where something can be deployed to: the locator of its deployments."""
    return Node(kind=Kind.LOCATOR, type="endpoint", identity={"deployment": name}, name=name)


def current(place: str, store: Store) -> Node | None:
    """The deployment that runs at a place now."""
    locator = uid_of({"deployment": place})
    if not store.has(locator):
        return None
    found = [n for e, n in store.neighbours(locator, direction="down") if e.type is EdgeType.SPECIALIZES]
    newest = next((n for n in reversed(found) if n.kind is Kind.DEPLOYMENT), None)
    if newest is None or is_withdrawn({key: facet.value for key, facet in store.facets(newest.uid).items()}):
        return None
    return newest


def is_withdrawn(facets: dict[str, Any]) -> bool:
    """Whether a deployment with these facets ended without another one in its place."""
    return facets.get("status") == WITHDRAWN


def deployed_to(uid: str, store: Store) -> list[str]:
    """The places where a model version runs now."""
    actions = [n.uid for e, n in store.neighbours(uid, direction="down") if n.type == "deploy" and e.role == "version"]
    made = [n for action in actions for _, n in store.neighbours(action, direction="down") if n.kind is Kind.DEPLOYMENT]
    running = {n.name: current(n.name, store) for n in made}
    return sorted({n.name for n in made if (now := running[n.name]) is not None and now.uid == n.uid})


def _made(act: Act, version: Node, place: str) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
    ulid = (identity_of(act.uid) or {})["action"]
    deployment = Node(
        kind=Kind.DEPLOYMENT,
        type="endpoint",
        identity={"deployment": place, "action": ulid},
        name=place,
        attrs={"version": version.uid, "model": version.name},
    )
    locator = place_node(place)
    edges = (
        Edge(source=act.uid, type=EdgeType.GENERATED, target=deployment.uid, role="deployment"),
        Edge(source=deployment.uid, type=EdgeType.SPECIALIZES, target=locator.uid),
    )
    return (deployment, locator), edges


def _may_see(node: Node, ground: Ground) -> bool:
    return node.uid in seen([node.uid], ground)


def _notes(version: Node, before: Node | None, approval: str) -> list[str]:
    notes = [] if approval else [f"{title(version)} is not approved"]
    if before is not None:
        same = before.attrs.get("version") == version.uid
        notes.append("it ran there already" if same else f"it takes the place of {before.attrs.get('model')}")
    return notes


def _refused(version: Node, status: Facet, place: str) -> PolicyError:
    return PolicyError(
        f"{title(version)} is rejected (by {status.basis or 'unknown'}, {status.recorded[:19]}), "
        f"so it is not deployed to {place!r}",
        hint=f"`replay show {version.name}` says why; `replay approve` it first, or record the exception with --force",
    )
