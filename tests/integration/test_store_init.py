"""Making a store or joining one: nothing that was recorded gets out of sight, and no password is written down."""

from __future__ import annotations

import contextlib
import json
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from tests_support import version1
from tests_support.postgres import Server
from tests_support.stores import build, contents, tamper

from replay.errors import StoreError, UsageError
from replay.progress import Silent
from replay.session import Session
from replay.store import addresses, backends, making, places
from replay.store.database import Store
from replay.store.postgres import PostgresDatabase
from replay.store.status import status_of
from replay.store.verify import verify_store


def test_without_an_address_it_is_a_file(tmp_path: Path) -> None:
    root = tmp_path / ".replay"
    made = making.init_file(root)
    assert (made.made, made.pointed, made.transactions, made.place) == (True, False, 0, str(root / "lineage.db"))
    again = making.init_file(root)
    assert (again.made, again.store) == (False, made.store)
    with Store.open(root) as store:
        assert [(r.action, r.fields["store"]) for r in store.journal.records()] == [("init", made.store)]
        assert verify_store(store) == []


def test_with_an_address_the_tables_are_made_and_the_folder_names_them(postgres_server: Server, tmp_path: Path) -> None:
    root = tmp_path / ".replay"
    with postgres_server.database(tables=False) as url:
        made = making.init_server(root, url)
        assert (made.made, made.pointed, made.transactions, made.revision) == (True, True, 0, "0001")
        assert json.loads((root / "store.json").read_bytes()) == {"url": url}
        assert stat.S_IMODE((root / "store.json").stat().st_mode) == 0o600
        assert (root / ".gitignore").read_text() == "*\n"
        again = making.init_server(root, url)
        assert (again.made, again.pointed, again.store) == (False, False, made.store)
        assert making.init_file(root).place == made.place, "what is there already is told"
        with Store.open(root) as store:
            assert store.register("momentum", build) == 1
            assert [record.action for record in store.journal.records()] == ["init"]
        assert not (root / "lineage.db").exists()
        assert making.init_server(tmp_path / "team-mate", url).transactions == 1


def test_a_setting_need_not_be_written_down(postgres_server: Server, tmp_path: Path) -> None:
    with postgres_server.database(tables=False) as url:
        made = making.init_server(tmp_path / ".replay", url, point=False)
        assert (made.made, made.pointed) == (True, False)
        assert not (tmp_path / ".replay" / "store.json").exists()
        (tmp_path / ".git").mkdir()
        chosen = (f"store.url={url}",)
        with Session.open(tmp_path, overrides=chosen, progress=Silent(), create=False) as session:
            assert session.store.id == made.store
            assert isinstance(session.store.database, PostgresDatabase)
            status = status_of(session.store, url)
            assert (status.database, status.named_by, status.unused) == ("postgresql", "store.url", None)


def test_a_setting_is_enough_in_a_fresh_clone(postgres_url: str, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    with Session.open(tmp_path, overrides=(f"store.url={postgres_url}",), progress=Silent(), create=False) as session:
        assert session.store.models() == []
        session.store.note("looked-at")
    with pytest.raises(UsageError, match="no store here"):
        Session.open(tmp_path, overrides=(), progress=Silent(), create=False)


def test_made_at_once_by_many_it_is_made_once(postgres_server: Server, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from replay.store import making\n"
        "print(making.init_server(Path(sys.argv[1]), sys.argv[2]).store)"
    )
    with postgres_server.database(tables=False) as url:
        running = [
            subprocess.Popen([sys.executable, "-c", program, tmp_path / str(n), url], stdout=subprocess.PIPE)
            for n in range(4)
        ]
        stores = {process.communicate()[0].decode().strip() for process in running}
        assert [process.returncode for process in running] == [0] * 4
        assert len(stores) == 1
        with psycopg.connect(url) as other:
            assert other.execute("SELECT value FROM meta WHERE key = 'store'").fetchall() == [(stores.pop(),)]


# -- what was recorded stays in sight ---------------------------------------------------------------------------------


def test_what_was_recorded_here_must_be_there(sqlite_store: Store, postgres_server: Server) -> None:
    sqlite_store.register("momentum", build)
    with postgres_server.database(tables=False) as url:
        with pytest.raises(UsageError, match=r"is empty, but .*lineage.db tells of transactions") as caught:
            making.init_server(sqlite_store.root, url)
        assert f"replay store copy {sqlite_store.root} {url}" in (caught.value.hint or "")
        with psycopg.connect(url) as other:
            assert other.execute("SELECT to_regclass('nodes')").fetchone() == (None,), "nothing was made"
        copied, _ = places.copy(places.find(str(sqlite_store.root)), places.aim(url), blobs=False, progress=Silent())
        assert making.init_server(sqlite_store.root, url).pointed
        with Store.open(sqlite_store.root) as moved:
            assert (moved.id, moved.database.place) == (sqlite_store.id, copied.target)
            assert moved.register("momentum", build) == 2
            assert verify_store(moved) == []


def test_a_copy_that_lacks_the_newest_is_refused(sqlite_store: Store, postgres_url: str) -> None:
    sqlite_store.register("momentum", build)
    places.copy(places.find(str(sqlite_store.root)), places.aim(postgres_url), blobs=False, progress=Silent())
    sqlite_store.register("momentum", build)
    with pytest.raises(UsageError, match=r"lacks transactions that .*lineage\.db holds"):
        making.init_server(sqlite_store.root, postgres_url)
    assert backends.url_of(sqlite_store.root) is None


def test_another_store_is_refused_once_something_was_recorded(
    sqlite_store: Store, postgres_store: Store, tmp_path: Path
) -> None:
    assert isinstance(postgres_store.database, PostgresDatabase)
    url = postgres_store.database.url
    root = tmp_path / "mine"
    with Store.open(root, create=True) as mine:
        mine.register("momentum", build)
        mine.note("record")
    with pytest.raises(UsageError, match="lacks the checkpoint of 1 transactions"):
        making.init_server(root, url)
    (root / "lineage.db").unlink()
    with pytest.raises(UsageError, match="lacks the checkpoint of 1 transactions"):
        making.init_server(root, url)


def test_the_file_of_an_older_release_is_migrated_first(postgres_server: Server, tmp_path: Path) -> None:
    version1.lay_out(tmp_path / ".replay")
    with postgres_server.database(tables=False) as url, pytest.raises(StoreError, match=r"release 0\.1"):
        making.init_server(tmp_path / ".replay", url)


def test_back_to_the_file(sqlite_store: Store, postgres_url: str) -> None:
    root, file = sqlite_store.root, str(sqlite_store.root / "lineage.db")
    sqlite_store.register("momentum", build)
    places.copy(places.find(str(root)), places.aim(postgres_url), blobs=False, progress=Silent())
    making.init_server(root, postgres_url)
    with Store.open(root) as there:
        there.register("momentum", build)
        expected = contents(there)["transactions"]
    with pytest.raises(UsageError, match=r"has 1 transactions, .* has 2") as caught:
        making.come_back(root)
    assert f"replay store copy {postgres_url} {file}" in (caught.value.hint or "")
    places.copy(places.find(postgres_url), places.aim(file), blobs=False, progress=Silent())
    back = making.come_back(root)
    assert (back.place, back.pointed, back.transactions) == (file, True, 2)
    with Store.open(root) as here:
        assert contents(here)["transactions"] == expected
        assert verify_store(here) == []
    assert making.come_back(root).made is False, "again is nothing new"


def test_back_without_a_file_is_told(postgres_store: Store) -> None:
    with pytest.raises(UsageError, match="is not there") as caught:
        making.come_back(postgres_store.root)
    assert "replay store copy" in (caught.value.hint or "")


# -- what is not ours -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE nodes (id int)",
        "CREATE VIEW edges AS SELECT 1",
        "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('0001')",
        "; ".join(f"CREATE TABLE {name} (id int)" for name in ("meta", "transactions", "checkpoints", "nodes", "edges"))
        + "; "
        + "; ".join(f"CREATE TABLE {name} (id int)" for name in ("facets", "model_versions", "blobs"))
        + "; CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('0001')",
    ],
    ids=["one table", "a view", "its own revisions", "all tables"],
)
def test_tables_of_another_program_are_left_alone(postgres_server: Server, tmp_path: Path, sql: str) -> None:
    with postgres_server.database(tables=False) as url:
        with psycopg.connect(url) as other:
            other.execute(sql)
            before = other.execute("SELECT relname FROM pg_class ORDER BY relname").fetchall()
        with pytest.raises(UsageError, match="tables of another program") as caught:
            making.init_server(tmp_path / ".replay", url)
        assert "search_path" in (caught.value.hint or "")
        with psycopg.connect(url) as other:
            assert other.execute("SELECT relname FROM pg_class ORDER BY relname").fetchall() == before
            other.execute("CREATE SCHEMA ours")
        made = making.init_server(tmp_path / ".replay", f"{url}?options=-csearch_path%3Dours")
        assert made.made, "a schema of its own is as good as a database"
    assert not (tmp_path / ".replay" / "lineage.db").exists()


def test_a_newer_revision_is_told(postgres_store: Store, tmp_path: Path) -> None:
    assert isinstance(postgres_store.database, PostgresDatabase)
    tamper(postgres_store, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="revision 9999"):
        making.init_server(tmp_path / "other", postgres_store.database.url)


def test_a_user_who_may_not_make_tables_is_told(postgres_server: Server, tmp_path: Path) -> None:
    with postgres_server.database(tables=False) as url:
        with psycopg.connect(url, autocommit=True) as other:
            other.execute("DROP ROLE IF EXISTS guest_of_init; CREATE ROLE guest_of_init LOGIN")
            other.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        try:
            parts = urlsplit(url)
            guest = parts._replace(netloc=f"guest_of_init@{parts.hostname}:{parts.port}").geturl()
            with pytest.raises(StoreError) as caught:
                making.init_server(tmp_path / ".replay", guest)
            assert "may this user create tables there" in (caught.value.hint or "")
        finally:
            with psycopg.connect(url, autocommit=True) as other:
                other.execute("DROP ROLE guest_of_init")
    assert not (tmp_path / ".replay" / "store.json").exists()


# -- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me@host:5432/db",
        "postgres://host/db",
        "postgresql:///?service=team",
        "postgresql://me@one:5432,two:5433/db?target_session_attrs=read-write",
        "postgresql://me%40corp@host/db",
        "postgresql://[::1]:5432/db",
        "postgresql:///db?host=%2Fvar%2Frun%2Fpostgresql",
    ],
)
def test_good_addresses(address: str) -> None:
    assert addresses.require_address(address) == address


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("postgresql://me:secret@host/db", "with a password in it"),
        ("postgresql://me:@host/db", "with a password in it"),
        ("postgresql://me:se%40cret@host/db", "with a password in it"),
        ("postgresql://me@host/db?password=secret", "with a password in it"),
        ("postgresql://me@host/db?sslmode=require&sslpassword=secret", "with a password in it"),
        ("mysql://me@host/db", "scheme 'mysql'"),
        ("postgresql+psycopg://me@host/db", r"scheme 'postgresql\+psycopg'"),
        ("host=localhost dbname=x", "no address"),
        ("postgresql", "no address"),
        ("", "no address"),
        ("postgresql://[::1/db", "cannot be read"),
    ],
)
def test_bad_addresses_are_never_repeated(tmp_path: Path, address: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        making.init_server(tmp_path / ".replay", address)
    assert "secret" not in f"{caught.value}{caught.value.hint}"
    assert "PGPASSWORD" in (caught.value.hint or "")
    assert not (tmp_path / ".replay").exists()


def test_settings_with_a_password_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from replay.config import load

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UsageError, match="password in it") as caught:
        load(("store.url=postgresql://me:secret@host/db",))
    assert "secret" not in f"{caught.value}{caught.value.hint}"
    with contextlib.suppress(FileNotFoundError):
        assert not any("secret" in path.read_text() for path in (tmp_path / "replay").iterdir())
