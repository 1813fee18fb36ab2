"""Where the search index of a store lies."""

from __future__ import annotations

from replay.identity import sha256_hex
from replay.store.database import Store
from replay.store.search.index import IndexDatabase
from replay.store.search.sqlite import SqliteIndex
from replay.store.sqlite import SqliteDatabase

CACHE = "cache"
"""The folder of a ``.replay`` directory for what may be deleted at any time."""


def index_of(store: Store, *, own: Store, attached: bool) -> IndexDatabase:
    """The index of a store; it need not be there yet.

    Args:
        store: The record.
        own: One's own store: what is attached for reading gets no index of its own, but one in its cache.
        attached: The store is another team's.
    """
    database = store.database
    if attached:
        # Copies share their id; a copy that went on by itself is another record, at another place.
        # And what only this user may read there, nobody else is to read here.
        name = f"search-{store.id}-{sha256_hex(database.place.encode())[:8]}.db"
        return SqliteIndex(own.root / CACHE / name, mode=0o600)
    if isinstance(database, SqliteDatabase):
        return SqliteIndex(store.root / CACHE / "search.db")
    from replay.store.postgres import PostgresDatabase
    from replay.store.search.postgres import PostgresIndex

    if not isinstance(database, PostgresDatabase):
        raise TypeError(type(database).__name__)
    return PostgresIndex(database.url)
