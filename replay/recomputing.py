"""What was dropped on purpose because it can be made again: which steps a replay needs for that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from replay.errors import SourceUnreachableError
from replay.order import with_makers
from replay.recipe import Artifact, Recipe, Step
from replay.session import Session
from replay.tombstones import Tombstone, dropped_of

if TYPE_CHECKING:
    from replay.fetch import Fetcher


def with_recomputed(recipe: Recipe, steps: Sequence[Step], told: dict[str, Tombstone], session: Session) -> list[Step]:
    """These steps, and those before them that make again what was dropped and no source has.

    Raises:
        FetchError: A source cannot be looked into.
    """
    if len(steps) == len(recipe.steps) or not (dropped := dropped_of(told)):
        return list(steps)
    fetcher = session.fetcher(recipe.code)
    inputs = {a.path: a for step in recipe.steps for a in step.inputs if a.path in dropped}
    return with_makers(recipe, steps, {path for path, a in inputs.items() if not _is_left(a, fetcher)})


def _is_left(artifact: Artifact, fetcher: Fetcher) -> bool:
    try:
        return fetcher.locate(artifact) is not None
    except SourceUnreachableError:
        return False
