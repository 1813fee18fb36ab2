"""Walks the lineage of a model version upstream."""

from __future__ import annotations

from replay.identity import ModelId
from replay.lineage import Lineage
from replay.store.database import Store

__all__ = ["resolve"]


def resolve(model_id: ModelId, store: Store) -> Lineage:
    """Everything upstream of a model version; an alias or a bare name is resolved here, once.

    Raises:
        ModelNotFoundError: The record has no such model version.
        ResolveError: The walk is not complete.
    """
    from replay.errors import ResolveError

    lineage = store.closure(store.model_version(model_id), direction="up")
    if not lineage.complete:
        raise ResolveError(f"the lineage of {model_id} is cut off by {', '.join(lineage.truncated_by)}")
    return lineage
