"""Approving and rejecting model versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replay.naming import name_of, text_of
from replay.registry.deploying import deployed_to
from replay.registry.doing import Deed, Done, own_version, perform, title

if TYPE_CHECKING:
    from replay.session import Session

APPROVED, REJECTED = "approved", "rejected"


def approve(uid: str, session: Session, *, reason: str, by: str | None = None, stage: str | None = None) -> Done:
    """Approve a model version. Its former approvals and rejections stay on record.

    Args:
        uid: The model version.
        session: Where.
        reason: Why.
        by: Who decided, when that is not who runs the command.
        stage: The stage that it enters with that, e.g. ``production``.

    Raises:
        UsageError: It is no model version of this store, or a text says nothing.
        PolicyError: Who runs the command may not.
    """
    return _decide("approve", APPROVED, uid, session, reason, by, stage)


def reject(uid: str, session: Session, *, reason: str, by: str | None = None, stage: str | None = None) -> Done:
    """Reject a model version; as `approve`. Where it is deployed is noted, and nothing is withdrawn.

    Raises:
        UsageError: It is no model version of this store, or a text says nothing.
        PolicyError: Who runs the command may not.
    """
    return _decide("reject", REJECTED, uid, session, reason, by, stage)


def _decide(
    type_: str, status: str, uid: str, session: Session, reason: str, by: str | None, stage: str | None
) -> Done:
    version = own_version(uid, session)
    session.require("approve", [uid])
    why = text_of(reason, "reason")
    says = {"status": status} | ({"stage": name_of(stage, "stage")} if stage is not None else {})

    def plan() -> Deed:
        running = deployed_to(uid, session.store) if status == REJECTED else []
        notes = (f"it is deployed to {', '.join(running)}, and stays so until it is withdrawn",) if running else ()
        return Deed(
            type=type_,
            subject=version,
            role="version",
            by=by,
            reason=why,
            says=says,
            told=f"{title(version)} is {status}" + (f", stage {stage}" if stage else ""),
            notes=notes,
        )

    return perform(plan, session)
