"""What policies must permit before a model is read, replayed or made of something: which nodes are asked about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from replay.errors import ModelNotFoundError
from replay.identity import ModelId
from replay.session import Session
from replay.uid import uid_of

if TYPE_CHECKING:
    from replay.lineage import Lineage
    from replay.recipe import Artifact, Recipe


def readable_lineage(model_id: str, session: Session) -> Lineage:
    """The lineage of a model version, all of which a recipe tells: so all of it must be readable.

    Raises:
        ModelNotFoundError: There is no such model version here; the message names an attached store that shows one.
        PolicyError: A policy forbids to read a part of it.
    """
    lineage = lineage_of(model_id, session)
    session.require("read", lineage.nodes)
    return lineage


def lineage_of(model_id: str, session: Session) -> Lineage:
    """The lineage of a model version that was just recorded: who recorded it knows it.

    Raises:
        ModelNotFoundError: There is no such model version here; the message names an attached store that shows one.
    """
    from replay.access import has_attachments
    from replay.resolve import resolve

    try:
        return resolve(ModelId.parse(model_id), session.store)
    except ModelNotFoundError as error:
        if has_attachments(session.store):
            _say_where(model_id, session, error)
        raise


def _say_where(model_id: str, session: Session, error: ModelNotFoundError) -> None:
    from replay.ask.focal import stores_with

    for name in stores_with(model_id, session.ground):
        raise ModelNotFoundError(
            f"{model_id}: is recorded in the attached store {name}, and not in this one",
            hint=f"it is shown and replayed where it was recorded; `replay lineage {model_id}` walks there from here",
        ) from error


def require_replay(recipe: Recipe, session: Session) -> None:
    """Check that the model version may be replayed, and all that is brought for it: a file may call it otherwise.

    Raises:
        PolicyError: A policy forbids it.
    """
    store = session.store
    versions = [row.uid for row in store.models(recipe.name) if row.version == recipe.version]
    artifacts = (a for step in recipe.steps for a in (*step.inputs, *(output.artifact for output in step.outputs)))
    session.require("replay", [*versions, *_contents(artifacts)])


def require_use(artifacts: Iterable[Artifact], session: Session) -> None:
    """Check that a recording may use these inputs.

    Raises:
        PolicyError: A policy forbids it.
    """
    session.require("use", _contents(artifacts))


def _contents(artifacts: Iterable[Artifact]) -> list[str]:
    return list(dict.fromkeys(uid_of({"sha256": artifact.digests.sha256}) for artifact in artifacts))
