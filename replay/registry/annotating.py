"""Status, stage, owner, tags and properties of any node; what an update does not mention stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from replay.errors import UsageError
from replay.lineage import Facet, Kind, Node
from replay.naming import name_of, text_of
from replay.registry.doing import Deed, Done, own_node, perform, title

if TYPE_CHECKING:
    from replay.session import Session

PLAIN = ("status", "stage", "owner")
PREFIXES = ("tag:", "property:")
_DECIDED = {"approved": "approve", "rejected": "reject"}


def annotate(
    uid: str,
    session: Session,
    *,
    tags: Mapping[str, str] | None = None,
    properties: Mapping[str, str] | None = None,
    status: str | None = None,
    stage: str | None = None,
    owner: str | None = None,
    remove: tuple[str, ...] = (),
    reason: str = "",
    by: str | None = None,
) -> Done:
    """Say something about a node.

    Whether a model version is approved is decided by `approve` and `reject` alone. Who changes that status in another
    way (which takes the decision back) needs the same permission.

    Args:
        uid: Which node.
        session: Where.
        tags: To find it by.
        properties: Whatever else is to be known of it.
        status: Its status, e.g. ``suspect``.
        stage: Its stage, e.g. ``staging``.
        owner: Who answers for it.
        remove: Keys that no longer hold: ``status``, ``stage``, ``owner``, ``tag:KEY``, ``property:KEY`` or ``KEY``.
        reason: Why.
        by: Who decided, when that is not who runs the command.

    Raises:
        UsageError: Nothing is said, a key is set and removed, or one to remove is not there.
        PolicyError: A value looks like a secret; or who runs the command may not.
    """
    node, why = own_node(uid, session), text_of(reason, "reason") if reason else ""
    plain = {"status": status, "stage": stage, "owner": owner}
    new = {key: name_of(value, key) for key, value in plain.items() if value is not None}
    new |= {f"tag:{key}": value for key, value in (tags or {}).items()}
    new |= {f"property:{key}": value for key, value in (properties or {}).items()}
    if not new and not remove:
        raise UsageError(
            "nothing is said", hint="add --tag, --property, --stage, --status, --owner or --remove; see --help"
        )
    _require_permission(node, new, remove, session)

    def plan() -> Deed:
        says = _says(node, new, remove, session.store.facets(uid)) if remove else dict(new)
        told = ", ".join(f"{key} = {value}" if value is not None else f"no {key}" for key, value in says.items())
        return Deed(
            type="annotate",
            subject=node,
            role="subject",
            by=by,
            reason=why,
            says=says,
            told=f"{title(node)}: {told}",
            notes=_notes(node, says),
        )

    return perform(plan, session)


def _says(
    node: Node, new: Mapping[str, str], remove: tuple[str, ...], facets: Mapping[str, Facet]
) -> dict[str, str | None]:
    gone = _keys(remove, node, facets)
    if both := sorted(set(new) & set(gone)):
        raise UsageError(f"{', '.join(both)}: got a value and --remove, expected one of them")
    return {**new, **dict.fromkeys(gone)}


def _require_permission(node: Node, new: Mapping[str, str], remove: tuple[str, ...], session: Session) -> None:
    decides = node.kind is Kind.MODEL_VERSION and "status" in (*new, *remove)
    status = new.get("status", "").lower()
    if decides and status in _DECIDED:
        raise UsageError(
            f"a model version is not {status} by an annotation",
            hint=f"`replay {_DECIDED[status]} {node.name} --reason TEXT`",
        )
    session.require("approve" if decides else "use", [node.uid])


def _keys(remove: tuple[str, ...], node: Node, facets: Mapping[str, Facet]) -> list[str]:
    """The facets that are meant; ``tag:`` and ``property:`` may be left out where that is clear."""
    held = [
        key for key, facet in facets.items() if facet.value is not None and (key in PLAIN or key.startswith(PREFIXES))
    ]
    found = []
    for key in remove:
        near = [one for one in (key, *(prefix + key for prefix in PREFIXES)) if one in held]
        if key.startswith("alias:"):
            raise UsageError(f"got --remove {key}", hint="`replay alias MODEL NAME --remove` takes an alias back")
        if len(near) != 1:
            raise UsageError(
                f"{key!r} can mean {' or '.join(near)}" if near else f"{title(node)} has no {key!r}",
                hint=f"it has {', '.join(held) or 'nothing that could be removed'}",
            )
        found += near
    return found


def _notes(node: Node, says: Mapping[str, str | None]) -> tuple[str, ...]:
    if node.kind is Kind.MODEL_VERSION and "status" in says:
        return ("an approval or rejection of it no longer holds",)
    return ()
