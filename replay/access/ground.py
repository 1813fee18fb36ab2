"""Where questions are asked: the store found from a folder, and what may be seen there."""

from __future__ import annotations

from replay.ask import Ground
from replay.store.database import Store


def ground_of(store: Store) -> Ground:
    """The ground of a store."""
    return Ground.of(store)
