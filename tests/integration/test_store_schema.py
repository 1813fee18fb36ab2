"""The tables: what the migrations make is what the program thinks, on both databases; other revisions are refused."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect
from sqlalchemy.pool import StaticPool
from tests_support import postgres, stores
from tests_support.stores import TABLES, build, raw, tamper

from replay.errors import StoreCorruptError, StoreError
from replay.lineage import NAMED
from replay.store import interface, migrating, schema
from replay.store.database import Store
from replay.store.rows import KIND_CODES


@contextlib.contextmanager
def engine_of(store: Store) -> Iterator[Engine]:
    if store.database.shared:
        engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(store.database.url))
    else:
        engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(store.database.path), poolclass=StaticPool)
    yield engine
    engine.dispose()


def test_alembic_finds_no_difference(store: Store) -> None:
    with engine_of(store) as engine, engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), schema.METADATA) == []
        assert (
            set(inspect(connection).get_table_names())
            == {*TABLES, "alembic_version"}
            == {
                *schema.METADATA.tables,
                "alembic_version",
            }
        )


def test_sqlalchemy_would_make_the_same_file(sqlite_store: Store) -> None:
    """Word for word: alembic does not compare partial indexes, collations, and what a table has no rowid for."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    schema.METADATA.create_all(engine)
    query = "SELECT type, name, sql FROM sqlite_master WHERE type IN ('table', 'index') AND name <> 'alembic_version'"
    with engine.connect() as connection:
        expected = {(type_, name): sql for type_, name, sql in connection.exec_driver_sql(query)}
    engine.dispose()
    with raw(sqlite_store) as run:
        actual = {(type_, name): sql for type_, name, sql in run(query) if "alembic" not in name}
    squeezed = [{key: re.sub(r"\s+", "", sql or "") for key, sql in one.items()} for one in (actual, expected)]
    assert squeezed[0] == squeezed[1]
    assert len(actual) > 15


FACTS = {
    "columns": "SELECT table_name, column_name, data_type, collation_name, is_nullable, column_default "
    "FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'alembic_version' ORDER BY 1, 2",
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes "
    "WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1, 2",
    "keys": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
    "WHERE conrelid::regclass::text <> 'alembic_version' ORDER BY 1, 2",
}


def test_sqlalchemy_would_make_the_same_database(postgres_store: Store, postgres_server: postgres.Server) -> None:
    with postgres_server.database(tables=False) as url:
        engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(url))
        schema.METADATA.create_all(engine)
        engine.dispose()
        with psycopg.connect(url) as other, raw(postgres_store) as run:
            for what, query in FACTS.items():
                assert run(query) == other.execute(query).fetchall() != [], what


def test_the_partial_index_is_about_the_kinds_that_have_names(store: Store) -> None:
    (index,) = (one for one in schema.nodes.indexes if one.name == "nodes_named")
    expected = f"kind IN ({', '.join(str(code) for code in sorted(KIND_CODES[kind] for kind in NAMED))})"
    assert [str(where) for where in (index.dialect_options[d]["where"] for d in ("sqlite", "postgresql"))] == [
        expected
    ] * 2
    with raw(store) as run:
        table = "pg_indexes WHERE indexname" if store.database.shared else "sqlite_master WHERE name"
        column = "indexdef" if store.database.shared else "sql"
        ((made,),) = run(f"SELECT {column} FROM {table} = 'nodes_named'")
    assert re.findall(r"\d+", made.partition("WHERE")[2]) == re.findall(r"\d+", expected)


def test_the_revisions_are_alembics() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrating.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    known = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert tuple(reversed(known)) == migrating.REVISIONS
    assert migrating.REVISIONS[-1] == interface.REVISION


def test_making_the_tables_again_changes_nothing(postgres_store: Store) -> None:
    postgres_store.register("momentum", build)
    before = stores.contents(postgres_store)
    migrating.upgrade_postgres(postgres_store.database.url)
    assert stores.contents(postgres_store) == before


def test_several_may_make_the_tables_at_once(postgres_server: postgres.Server, tmp_path: Path) -> None:
    code = "import sys; from replay.store.migrating import upgrade_postgres; upgrade_postgres(sys.argv[1])"
    with postgres_server.database(tables=False) as url:
        running = [subprocess.Popen([sys.executable, "-c", code, url], stderr=subprocess.PIPE) for _ in range(3)]
        ended = [(process.communicate()[1], process.returncode) for process in running]
        assert ended == [(b"", 0)] * 3
        with stores.pointing_to(url, tmp_path / ".replay") as store:
            assert store.register("momentum", build) == 1


def test_a_newer_store_is_refused(store: Store) -> None:
    tamper(store, "UPDATE alembic_version SET version_num = '9999'")
    store.close()
    with pytest.raises(StoreError, match="got tables of revision 9999, this program knows up to") as caught:
        Store.open(store.root)
    assert "newer release" in (caught.value.hint or "")
    assert not isinstance(caught.value, StoreCorruptError)


def test_an_older_store_is_to_be_migrated(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.close()
    monkeypatch.setattr(migrating, "REVISIONS", (*migrating.REVISIONS, "0099"))
    monkeypatch.setattr(migrating, "REVISION", "0099")
    with pytest.raises(StoreError, match=f"got tables of revision {interface.REVISION}, expected 0099") as caught:
        Store.open(store.root)
    assert "replay store migrate" in (caught.value.hint or "")


def test_a_database_without_tables_is_told(store: Store) -> None:
    tamper(store, "DROP TABLE alembic_version")
    store.close()
    with pytest.raises(StoreCorruptError, match="alembic_version") as caught:
        Store.open(store.root)
    assert caught.value.hint


def test_a_database_of_no_revision_is_told(store: Store) -> None:
    tamper(store, "DELETE FROM alembic_version")
    store.close()
    with pytest.raises(StoreError, match="got tables of revision none"):
        Store.open(store.root)
