"""Making and changing the tables: alembic's revisions, run on a connection that is open already."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from replay.errors import StoreError
from replay.store.interface import REVISION, Database
from replay.store.sqlite_errors import translated, trouble

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy import Connection, Engine

REVISIONS: tuple[str, ...] = ("0001",)
"""All revisions, oldest first; a test holds them against alembic's own list."""
SCRIPTS = Path(__file__).parent / "migrations"
"""Where alembic finds them."""


def require_known(database: Database) -> None:
    """Check that the tables are of this program's revision.

    Raises:
        StoreError: They are older or newer, or the database cannot be read.
        StoreCorruptError: They are not there.
    """
    found = [str(row[0]) for row in database.rows("SELECT version_num FROM alembic_version")]
    if found == [REVISION]:
        return
    if len(found) == 1 and found[0] in REVISIONS:
        raise StoreError(
            f"{database.place}: got tables of revision {found[0]}, expected {REVISION}",
            hint="run `replay store migrate` once; a backup before it is a good idea",
        )
    raise StoreError(
        f"{database.place}: got tables of revision {', '.join(found) or 'none'}, this program knows up to {REVISION}",
        hint="install a newer release of replay",
    )


def upgrade_sqlite(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the tables of an SQLite connection to `REVISION`, in one transaction.

    Raises:
        StoreError: The disk is full, not writable, or failed; ``path`` is what the file is called in the message.
    """
    from sqlalchemy import create_engine, event, exc
    from sqlalchemy.pool import StaticPool

    engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
    event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        with translated(path):
            _upgrade(engine)
    except exc.DBAPIError as error:
        raise trouble(error.orig or error, path) from error


def upgrade_postgres(url: str) -> None:
    """Bring the tables of a PostgreSQL database to `REVISION`, in one transaction; writers wait meanwhile.

    Raises:
        StoreError: No server answers, or it refuses.
    """
    from sqlalchemy import create_engine, event, exc

    from replay.store import postgres

    place = postgres.place_of(url)
    engine = create_engine("postgresql+psycopg://", creator=lambda: postgres.connect(url))
    event.listen(engine, "begin", lambda c: c.exec_driver_sql(f"SELECT pg_advisory_xact_lock({postgres.TURN})"))
    try:
        _upgrade(engine)
    except exc.DBAPIError as error:
        first = str(error.orig or error).strip().splitlines()[0]
        raise StoreError(
            f"{place}: {first}", hint="is the server up, and may this user create tables there?"
        ) from error


def _upgrade(engine: Engine) -> None:
    from alembic import command

    try:
        with engine.connect() as connection, connection.begin(), _configured(connection) as config:
            command.upgrade(config, REVISION)
    finally:
        engine.dispose()


@contextlib.contextmanager
def _configured(connection: Connection) -> Iterator[Config]:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    yield config
