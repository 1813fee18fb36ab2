"""To whom a database belongs: nothing that a program says can bind its owner, so the owner has the last word."""

from __future__ import annotations

import os

from replay.store.interface import Database
from replay.store.sqlite import SqliteDatabase
from replay.store.steps import guard


def is_owner(database: Database) -> bool:
    """Whether this process runs for the owner: the file's user or root; in PostgreSQL the role that owns the tables.

    Raises:
        StoreError: The database cannot be asked.
    """
    if isinstance(database, SqliteDatabase):
        with guard(database.path):
            return os.geteuid() in {0, database.path.stat().st_uid}
    found = database.rows("SELECT pg_has_role(relowner, 'MEMBER') FROM pg_class WHERE oid = to_regclass('facets')")
    return bool(found and found[0][0])
