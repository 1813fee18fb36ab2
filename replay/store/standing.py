"""What is in a database that may or may not be ours, asked before anything else is done with it."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

from replay.errors import StoreCorruptError, StoreError, UsageError
from replay.store import sqlite
from replay.store.interface import REVISION
from replay.store.migrating import REVISIONS
from replay.store.sqlite_errors import translated
from replay.store.v1.tables import describes_itself

ALEMBIC = "alembic_version"
FIRST_TABLES = ("meta", "transactions", "checkpoints", "nodes", "edges", "facets", "model_versions", "blobs")
"""The tables of the first revision: whatever the revision, these are there."""
_NAMES = (ALEMBIC, *FIRST_TABLES)
_Ask = Callable[[str], list[tuple[Any, ...]]]


class State(enum.StrEnum):
    """What a database holds."""

    EMPTY = "empty"
    CURRENT = "current"
    OLDER = "older"
    NEWER = "newer"
    FOREIGN = "foreign"
    VERSION_1 = "version 1"
    """The file of release 0.1."""


class Standing(NamedTuple):
    """What was found."""

    state: State
    revision: str
    place: str
    tables: tuple[str, ...] = ()
    """Of ours, those that are there."""

    def require_current(self) -> None:
        """Check that it can be used as it is.

        Raises:
            StoreError: It must be migrated first, or by a newer release.
            UsageError: It is not ours, or holds nothing.
        """
        self.require_ours()
        if self.state is State.EMPTY:
            raise UsageError(
                f"{self.place}: holds no lineage tables", hint="`replay store init URL` makes them in PostgreSQL"
            )
        if self.state in {State.OLDER, State.VERSION_1}:
            raise StoreError(
                f"{self.place}: got tables of {self.made_by}, expected revision {REVISION}",
                hint="run `replay store migrate` once; a backup before it is a good idea",
            )

    def require_ours(self) -> None:
        """Check that this program may write here.

        Raises:
            StoreError: A newer release made it.
            UsageError: It belongs to another program.
        """
        if self.state is State.NEWER:
            raise StoreError(
                f"{self.place}: got tables of revision {self.revision}, this program knows up to {REVISION}",
                hint="install a newer release of replay",
            )
        if self.state is State.FOREIGN:
            raise UsageError(
                f"{self.place}: has tables of another program: {', '.join(self.tables)}",
                hint="give replay a database or a schema of its own (…?options=-csearch_path%3DSCHEMA)",
            )

    @property
    def made_by(self) -> str:
        """Its revision, in words."""
        return "release 0.1" if self.state is State.VERSION_1 else f"revision {self.revision}"


def of_file(path: Path) -> Standing:
    """What an SQLite file holds.

    Raises:
        StoreError: It cannot be read.
        StoreCorruptError: It is no SQLite database.
    """
    sqlite.require_magic(path)
    query = "mode=rw" if sqlite.may_write(path) else sqlite.quiet_query(path)
    with contextlib.closing(sqlite.connect(path, query=query)) as connection, translated(path):
        if describes_itself(connection):
            return Standing(State.VERSION_1, "", str(path))
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]

        def ask(sql: str) -> list[tuple[Any, ...]]:
            with translated(path):
                return connection.execute(sql).fetchall()

        return _judged(ask, names, str(path))


def of_server(url: str) -> Standing:
    """What a PostgreSQL database holds, as far as its search path shows it.

    Raises:
        StoreError: No server answers, or it refuses.
    """
    from replay.store import postgres

    place = postgres.place_of(url)
    query = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND pg_table_is_visible(oid)"
    with contextlib.closing(postgres.connect(url, autocommit=True)) as connection:

        def ask(sql: str) -> list[tuple[Any, ...]]:
            with postgres.translated(place):
                return connection.execute(sql).fetchall()

        return _judged(ask, [row[0] for row in ask(query)], place)


def identity_of(url: str) -> tuple[str, ...]:
    """Which tables of which database of which server an address means: another address may mean the same.

    Raises:
        StoreError: No server answers, or it refuses.
    """
    query = (
        "SELECT pg_postmaster_start_time(), (SELECT oid FROM pg_database WHERE datname = current_database()), "
        "coalesce(to_regclass('transactions')::oid::text, current_schema()::text, '')"
    )
    from replay.store import postgres

    with contextlib.closing(postgres.connect(url)) as connection, postgres.translated(postgres.place_of(url)):
        return tuple(map(str, connection.execute(query).fetchall()[0]))


def _judged(ask: _Ask, names: Collection[str], place: str) -> Standing:
    there = tuple(name for name in _NAMES if name in names)
    if not there:
        return Standing(State.EMPTY, "", place)
    if set(there) != set(_NAMES) or not _are_ours(ask):
        return Standing(State.FOREIGN, "", place, there)
    found = [str(row[0]) for row in ask(f"SELECT version_num FROM {ALEMBIC}")]
    revision = ", ".join(found) or "none"
    state = State.CURRENT if found == [REVISION] else State.OLDER if revision in REVISIONS else State.NEWER
    return Standing(state, revision, place, there)


def _are_ours(ask: _Ask) -> bool:
    """Other programs have tables of these names too, and revisions called 0001."""
    try:
        ask("SELECT tx, created, digest, sums, leaf FROM transactions LIMIT 0")
        return bool(ask("SELECT value FROM meta WHERE key = 'store'"))
    except StoreCorruptError:  # no such column
        return False
