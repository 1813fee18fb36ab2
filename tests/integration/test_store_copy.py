"""A whole store in another place: the same rows, chain and root, or nothing at all."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from tests_support.forking import driven
from tests_support.postgres import Server
from tests_support.stores import TABLES, build, contents, pointing_to, set_alias, tamper

from replay.errors import ReplayError, StoreError, UsageError
from replay.lineage import Edge, EdgeType, Facet, Kind, Node
from replay.progress import Silent
from replay.store import copying, places
from replay.store.copying import Copied
from replay.store.copying_files import Files
from replay.store.database import Store
from replay.store.migrating import upgrade_postgres
from replay.store.postgres import PostgresDatabase
from replay.store.sqlite import SqliteDatabase
from replay.store.verify import verify_store

Aim = Callable[[], str]
"""Names a place where nothing is yet."""


def fill(store: Store, versions: int = 3) -> None:
    """Something in every table."""
    for _ in range(versions):
        store.blobs.put_bytes(f"blob {len(store.models())} of {store.root}".encode())
        version = store.register("momentum", build)
        set_alias(store, "momentum", "champion", version)
        store.note("record", version=version)


@pytest.fixture
def source(store: Store) -> Store:
    """A store with something in every table, on each database."""
    fill(store)
    assert all(contents(store).values()), "a table without rows proves nothing"
    return store


@pytest.fixture(params=["sqlite", "postgres"])
def aim(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Aim]:
    """Where to copy to, on each database."""
    if request.param == "sqlite":
        yield lambda: str(tmp_path / "copy" / ".replay")
        return
    server: Server = request.getfixturevalue("postgres_server")
    with server.database(tables=False) as url:
        yield lambda: url


def named(store: Store) -> str:
    """How a user names a store."""
    return str(store.root)


def copy(source: str, target: str, *, blobs: bool = False) -> tuple[Copied, Files | None]:
    return places.copy(places.find(source), places.aim(target), blobs=blobs, progress=Silent())


@contextlib.contextmanager
def opened(place: str, tmp_path: Path) -> Iterator[Store]:
    """The store at a place."""
    if "://" in place:
        root = tmp_path / "pointing" / ".replay"
        with pointing_to(place, root) as store:
            yield store
    else:
        with Store.open(Path(place)) as store:
            yield store


# -- the same ---------------------------------------------------------------------------------------------------------


def test_every_row_of_every_table_comes_over(source: Store, aim: Aim, tmp_path: Path) -> None:
    before = contents(source)
    copied, files = copy(named(source), aim())
    assert files is None
    assert contents(source) == before, "the source is only read"
    with opened(aim(), tmp_path) as target:
        assert contents(target) == before
        assert target.id == source.id == copied.store
        assert copied.totals == {table: len(rows) for table, rows in before.items()}
        made, again = target.checkpoint(), source.checkpoint()
        assert made is not None
        assert again is not None
        assert (copied.size, copied.root) == (made.size, made.root.hex()) == (again.size, again.root.hex())
        assert copied.leaf == before["transactions"][-1][-1].hex()
        assert target.models() == source.models()
        for row in source.models():
            assert target.closure(row.uid) == source.closure(row.uid)


def test_there_and_back_is_the_same(sqlite_store: Store, postgres_server: Server, tmp_path: Path) -> None:
    fill(sqlite_store)
    back = str(tmp_path / "back" / "lineage.db")
    with postgres_server.database(tables=False) as url:
        copy(named(sqlite_store), url)
        copy(url, back)
    with Store.open(Path(back).parent) as store:
        assert contents(store) == contents(sqlite_store)


def test_a_copy_is_guarded_and_indexed_like_any_other(sqlite_store: Store, aim: Aim, tmp_path: Path) -> None:
    fill(sqlite_store)
    copy(named(sqlite_store), aim())
    with opened(aim(), tmp_path) as target:
        for table in TABLES:
            with pytest.raises((sqlite3.DatabaseError, psycopg.Error), match="append-only"):
                _run(target, f"UPDATE {table} SET {_column(table)} = {_column(table)}")
            with pytest.raises((sqlite3.DatabaseError, psycopg.Error), match="append-only"):
                _run(target, f"DELETE FROM {table}")
        with pytest.raises((sqlite3.IntegrityError, psycopg.errors.ForeignKeyViolation)):
            _run(target, "INSERT INTO facets VALUES (99, 99, 'key', '1', NULL, NULL, 1)")
        fresh = Store.open(tmp_path / "fresh", create=True)
        with fresh:
            if isinstance(target.database, SqliteDatabase):
                assert _schema(target) == _schema(fresh)
        assert target.register("momentum", build) == 4


def _column(table: str) -> str:
    return copying.TABLES[table][0].split(", ")[0]


def _run(store: Store, sql: str) -> None:
    if isinstance(store.database, SqliteDatabase):
        with contextlib.closing(sqlite3.connect(store.database.path)) as connection, connection:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(sql)
        return
    assert isinstance(store.database, PostgresDatabase)
    with psycopg.connect(store.database.url) as other:
        other.execute(sql)


def _schema(store: Store) -> list[tuple[object, ...]]:
    return store.database.rows("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type, name")


def test_many_rows_go_in_many_batches(tmp_path: Path, aim: Aim) -> None:
    """More than one batch of each large table, and one over."""
    count = 2 * copying._BATCH + 1
    nodes = [Node(kind=Kind.DATASET, identity={"sha256": f"{number:064x}"}) for number in range(count)]
    edges = [
        Edge(source=one.uid, type=EdgeType.DERIVED_FROM, target=other.uid)
        for one, other in zip(nodes[1:], nodes, strict=False)
    ]
    with Store.open(tmp_path / ".replay", create=True) as source:
        source.load([(nodes, edges)])
        copied, _ = copy(named(source), aim())
        assert (copied.rows["nodes"], copied.rows["edges"]) == (count, count - 1)
        with opened(aim(), tmp_path) as target:
            assert contents(target) == contents(source)


def test_an_empty_store_can_be_copied(store: Store, aim: Aim, tmp_path: Path) -> None:
    copied, _ = copy(named(store), aim())
    assert (copied.size, sum(copied.rows.values())) == (0, 0)
    with opened(aim(), tmp_path) as target:
        assert target.id == store.id


def test_an_empty_store_that_was_made_before_takes_the_copy(sqlite_store: Store, aim: Aim, tmp_path: Path) -> None:
    fill(sqlite_store)
    if "://" in aim():
        upgrade_postgres(aim())
    else:
        Store.open(Path(aim()), create=True).close()
    with opened(aim(), tmp_path) as target:
        assert target.id != sqlite_store.id
        target.note("looked-at")
    copy(named(sqlite_store), aim())
    with opened(aim(), tmp_path) as target:
        assert target.id == sqlite_store.id
        assert contents(target) == contents(sqlite_store)
        with pytest.raises((sqlite3.DatabaseError, psycopg.Error), match="append-only"):
            _run(target, "UPDATE meta SET value = 'x'")


# -- what is lacking --------------------------------------------------------------------------------------------------


def test_a_second_copy_brings_what_came_since(source: Store, aim: Aim, tmp_path: Path) -> None:
    copy(named(source), aim())
    known = {table: len(rows) for table, rows in contents(source).items()}
    fill(source, 2)
    old = source.models()[0].uid
    late = Node(kind=Kind.DATASET, identity={"sha256": "77" * 32})
    source.append(
        [late],
        [Edge(source=old, type=EdgeType.DERIVED_FROM, target=late.uid)],
        [Facet(node=old, key="stage", value="production")],
    )
    copied, _ = copy(named(source), aim())
    now = contents(source)
    assert copied.rows == {table: len(rows) - known[table] for table, rows in now.items()}
    assert copied.rows["transactions"] == 5
    with opened(aim(), tmp_path) as target:
        assert contents(target) == now


def test_a_third_copy_has_nothing_to_do(source: Store, aim: Aim, tmp_path: Path) -> None:
    copy(named(source), aim())
    copied, _ = copy(named(source), aim())
    assert set(copied.rows.values()) == {0}
    assert copied.size == len(contents(source)["transactions"])


def test_what_a_copy_noted_itself_stays(source: Store, aim: Aim, tmp_path: Path) -> None:
    """A checkpoint, and the newest line of its own journal."""
    source.register("momentum", build)
    copy(named(source), aim())
    with opened(aim(), tmp_path) as target:
        target.note("looked-at")
        target.note("looked-at")
        own = contents(target)
    source.register("momentum", build)
    copied, _ = copy(named(source), aim())
    with opened(aim(), tmp_path) as target:
        now = contents(target)
        assert set(own["checkpoints"]) <= set(now["checkpoints"])
        assert set(own["meta"]) <= set(now["meta"])
        assert now["transactions"] == contents(source)["transactions"]
        assert copied.totals["checkpoints"] == len(now["checkpoints"])


@pytest.mark.parametrize("since", ["the other was written to", "both were written to"])
def test_two_that_parted_are_told_apart(source: Store, aim: Aim, tmp_path: Path, since: str) -> None:
    copy(named(source), aim())
    with opened(aim(), tmp_path) as target:
        set_alias(target, "momentum", "mine", 1)
        before = contents(target)
    if since == "both were written to":
        fill(source, 1)
    count = len(before["transactions"])
    with pytest.raises(UsageError) as caught:
        copy(named(source), aim())
    expected = f"differ from transaction {count} on" if since.startswith("both") else f"has {count} transactions"
    assert expected in str(caught.value)
    with opened(aim(), tmp_path) as target:
        assert contents(target) == before


def test_another_store_is_not_written_over(source: Store, aim: Aim, tmp_path: Path) -> None:
    with Store.open(tmp_path / "other", create=True) as other:
        fill(other, 1)
        copy(named(other), aim())
        before = contents(other)
    with pytest.raises(UsageError, match="holds another store") as caught:
        copy(named(source), aim())
    assert source.id in str(caught.value)
    with opened(aim(), tmp_path) as target:
        assert contents(target) == before


# -- nothing at all ---------------------------------------------------------------------------------------------------

TAMPERINGS = {
    "a node": "UPDATE nodes SET name = 'other' WHERE id = 2",
    "an edge": "DELETE FROM edges WHERE younger = (SELECT max(younger) FROM edges)",
    "a facet": "UPDATE facets SET value = '7' WHERE id = 1",
    "a version": "UPDATE model_versions SET version = 9 WHERE version = 2",
    "a blob": "UPDATE blobs SET size = 7",
    "a transaction": "UPDATE transactions SET created = '2020' WHERE tx = 2",
    "a checkpoint": "UPDATE checkpoints SET root = leaf FROM transactions WHERE tx = 1",
    "a node of no transaction": "UPDATE nodes SET tx = 77 WHERE id = 2",
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_a_damaged_store_is_not_copied(source: Store, aim: Aim, tmp_path: Path, what: str) -> None:
    tamper(source, TAMPERINGS[what])
    with pytest.raises(StoreError, match=r"not as it was recorded|would not hold|violates foreign key") as caught:
        copy(named(source), aim())
    assert "nothing was copied" in f"{caught.value} {caught.value.hint}" or "violates" in str(caught.value)
    _require_nothing(aim(), tmp_path)


def _require_nothing(place: str, tmp_path: Path) -> None:
    if "://" not in place:
        assert not (Path(place) / "lineage.db").exists()
        assert [path.name for path in Path(place).glob(".*")] in ([".gitignore"], [])
        return
    with opened(place, tmp_path) as target:
        assert {table for table, rows in contents(target).items() if rows} == {"meta"}


class Meddling(Silent):
    """Does something in the middle of the copy, once."""

    def __init__(self, task: str, deed: Callable[[], object]) -> None:
        self._task = task
        self._deed = deed
        self.done = False

    def started(self, task: str, total: int | None = None) -> None:
        if task == self._task:
            self.done = True
            self._deed()


@pytest.mark.parametrize("lost", ["source", "target"])
@pytest.mark.parametrize("moment", ["copy edges", "hold the copy against its chain"])
def test_a_connection_lost_on_the_way(postgres_server: Server, tmp_path: Path, moment: str, lost: str) -> None:
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(postgres_server.database())
        source = stack.enter_context(Store.open(tmp_path / ".replay", create=True))
        fill(source)
        if lost == "source":
            copy(named(source), url)
            names = url, str(tmp_path / "copy" / ".replay")
        else:
            names = named(source), url

        def cut() -> None:
            with psycopg.connect(url, autocommit=True) as other:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )

        meddling = Meddling(moment, cut)
        with pytest.raises(StoreError) as caught:
            places.copy(places.find(names[0]), places.aim(names[1]), blobs=False, progress=meddling)
        assert meddling.done
        assert "run the same command again" in (caught.value.hint or "")
        _require_nothing(names[1], tmp_path)
        copied, _ = copy(*names)
        assert copied.size == len(contents(source)["transactions"])


def test_a_full_disk_leaves_what_was_there(sqlite_store: Store, tmp_path: Path) -> None:
    fill(sqlite_store)
    place = tmp_path / "copy" / ".replay"
    copy(named(sqlite_store), str(place), blobs=True)
    big = Node(kind=Kind.RUN, identity={"id": "big"}, attrs={"log": "x" * 5_000_000})
    sqlite_store.append([big])
    with Store.open(place) as target:
        before = contents(target)
        with pytest.raises(StoreError, match="full") as caught:
            copying.copy(sqlite_store.database, Small(place / "lineage.db"), Silent())
        assert "nothing was half-written" in (caught.value.hint or "")
        assert contents(target) == before
        assert verify_store(target) == []
    copied, _ = copy(named(sqlite_store), str(place))
    assert copied.rows["nodes"] == 1


class Small(SqliteDatabase):
    """A file on a disk that is nearly full."""

    @contextlib.contextmanager
    def loading(self):  # type: ignore[no-untyped-def]
        with super().loading() as cursor:
            (pages,) = cursor.rows("PRAGMA page_count")[0]
            cursor.rows(f"PRAGMA max_page_count = {pages + 10}")
            yield cursor


COPIER = """
import sys, time
from pathlib import Path
from replay.progress import Silent
from replay.store import places
class Slow(Silent):
    def started(self, task, total=None):
        print(task, flush=True)
        if task == sys.argv[3]:
            time.sleep(60)
places.copy(places.find(sys.argv[1]), places.aim(sys.argv[2]), blobs=False, progress=Slow())
"""


@pytest.mark.parametrize("moment", ["copy transactions", "copy checkpoints", "hold the copy against its chain"])
def test_one_that_is_killed_leaves_nothing(sqlite_store: Store, aim: Aim, tmp_path: Path, moment: str) -> None:
    fill(sqlite_store)
    command = [sys.executable, "-c", COPIER, named(sqlite_store), aim(), moment]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == moment:
                break
        process.kill()
    if "://" in aim():  # the server notices that the connection is gone when it next wants to answer
        _require_nothing(aim(), tmp_path)
    else:
        assert not (Path(aim()) / "lineage.db").exists()
    copied, _ = copy(named(sqlite_store), aim())
    assert copied.size == len(contents(sqlite_store)["transactions"])
    if "://" not in aim():
        assert sorted(path.name for path in Path(aim()).iterdir()) == [".gitignore", "lineage.db"]


# One process imports everything once and forks a child for each step at which it is ended.
DRIVER = """
import itertools, json, os, sys
from pathlib import Path
import sqlalchemy, alembic.command, rfc8785
from replay.errors import StoreError
from replay.progress import Silent
from replay.store import copying, copying_files, places, steps
from replay.store.database import Store
from replay.store.verify import verify_store
from replay.store.v1 import tables

from tests_support.forking import child

def copy(target):
    places.copy(places.find(sys.argv[1]), places.aim(str(target)), blobs=True, progress=Silent())

def ended(target, step, fault):
    steps._crash_at, steps._fault, steps._steps = step, fault, itertools.count(1)
    copy(target)

def whole(target):
    with Store.open(target) as store:
        return 13 if verify_store(store) or len(store.models()) != 3 else 0

top, fault = Path(sys.argv[2]), sys.argv[3]
rows = []
for step in itertools.count(1):
    target = top / str(step) / ".replay"
    row = {"step": step, "end": child(lambda: ended(target, step, fault)), "there": (target / "lineage.db").exists()}
    row |= {"again": child(lambda: copy(target)), "whole": child(lambda: whole(target))}
    row["left"] = sorted(p.name for p in target.rglob("*") if ".new" in p.name or p.name.startswith(".replay-"))
    rows.append(row)
    if row["end"] == 0: break
print(json.dumps(rows))
"""


@pytest.mark.parametrize(("fault", "ending"), [("", 137), ("ENOSPC", 3)])
def test_every_step_at_which_it_may_end(sqlite_store: Store, tmp_path: Path, fault: str, ending: int) -> None:
    """Killed, or the disk full: no file or all of it is there, and the same command again finishes."""
    fill(sqlite_store)
    sqlite_store.close()
    rows = driven(DRIVER, named(sqlite_store), tmp_path / "copies", fault)
    assert len(rows) > 25, "it has that many steps"
    assert [row["end"] for row in rows] == [ending] * (len(rows) - 1) + [0]
    for row in rows:
        assert (row["again"], row["whole"], row["left"]) == (0, 0, []), row
    there = [row["there"] for row in rows]
    assert there == sorted(there), "from one step on the file is there"


def test_two_copies_to_one_place_at_once(sqlite_store: Store, tmp_path: Path) -> None:
    fill(sqlite_store)
    place = str(tmp_path / "copy" / ".replay")
    command = [sys.executable, "-c", COPIER, named(sqlite_store), place, "copy nodes"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while process.stdout.readline().strip() != "copy nodes":
            pass
        with pytest.raises(StoreError, match="another process is making it"):
            copy(named(sqlite_store), place)
        process.kill()
    copy(named(sqlite_store), place)


def test_what_is_recorded_meanwhile_comes_with_the_next_copy(source: Store, aim: Aim, tmp_path: Path) -> None:
    before = len(contents(source)["transactions"])

    def record() -> None:
        with Store.open(source.root) as other:
            fill(other, 1)

    meddling = Meddling("copy nodes", record)
    copied, _ = places.copy(places.find(named(source)), places.aim(aim()), blobs=False, progress=meddling)
    assert meddling.done
    assert copied.size == before
    copied, _ = copy(named(source), aim())
    assert copied.size == before + 2
    with opened(aim(), tmp_path) as target:
        assert contents(target) == contents(source)


def test_others_may_ask_while_it_is_copied(sqlite_store: Store, postgres_server: Server, tmp_path: Path) -> None:
    """A reader of the target sees what was there before, and waits for nothing."""
    fill(sqlite_store)
    with postgres_server.database() as url, pointing_to(url, tmp_path / "pointing") as reader:
        meddling = Meddling("hold the copy against its chain", lambda: seen.append(reader.models()))
        seen: list[object] = []
        places.copy(places.find(named(sqlite_store)), places.aim(url), blobs=False, progress=meddling)
        assert seen == [[]]
        assert len(reader.models()) == 3


# -- what cannot be ---------------------------------------------------------------------------------------------------


def test_a_store_is_not_copied_onto_itself(source: Store, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(source.root)
    names = [named(source), str(tmp_path / "link")]
    if isinstance(source.database, PostgresDatabase):
        names += [source.database.url, f"{source.database.url}?application_name=other"]
    else:
        names.append(str(source.root / "lineage.db"))
    for one in names:
        for other in names:
            with pytest.raises(UsageError, match="are the same store"):
                copy(one, other)


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("nowhere", "copy", "no store here"),
        ("empty", "copy", "no store here"),
        ("store", "full", "folder with other things"),
        ("store", "text.txt", "is no SQLite database"),
        ("text.txt", "copy", "is no SQLite database"),
        ("store", "foreign.db", "tables of another program: nodes"),
        ("foreign.db", "copy", "tables of another program: nodes"),
        ("empty.db", "copy", "no lineage tables"),
        ("store", "mysql://host/db", "scheme 'mysql'"),
        ("sqlite:///x.db", "copy", "scheme 'sqlite'"),
        ("store", "postgresql://me:secret@host/db", "password in it"),
        ("store", "postgresql://me@host/db?password=secret", "password in it"),
        ("store", "", "expected a path"),
        ("store", "text.txt/copy", "expected a directory"),
    ],
)
def test_wrong_places_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, target: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with Store.open(Path("store"), create=True) as store:
        fill(store, 1)
    for folder in ("empty", "full/inside"):
        Path(folder).mkdir(parents=True)
    Path("text.txt").write_text("hello, this is no database")
    for name, sql in (("foreign.db", "CREATE TABLE nodes (id)"), ("empty.db", "PRAGMA user_version = 0; VACUUM")):
        with contextlib.closing(sqlite3.connect(name)) as connection:
            connection.executescript(sql)
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    with pytest.raises(ReplayError, match=message) as caught:
        copy(source, target)
    assert "secret" not in f"{caught.value} {caught.value.hint}"
    after = sorted(str(path) for path in tmp_path.rglob("*"))
    assert after == before, "nothing was made, and reading left nothing behind"


def test_a_foreign_database_on_the_server_is_left_alone(sqlite_store: Store, postgres_server: Server) -> None:
    with postgres_server.database(tables=False) as url:
        with psycopg.connect(url) as other:
            other.execute("CREATE TABLE nodes (id int)")
        with pytest.raises(UsageError, match="tables of another program: nodes"):
            copy(named(sqlite_store), url)
        with psycopg.connect(url) as other:
            names = other.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
            assert names.fetchall() == [("nodes",)]


@pytest.mark.parametrize("which", ["source", "target"])
def test_another_revision_is_told(source: Store, aim: Aim, tmp_path: Path, which: str) -> None:
    copy(named(source), aim())
    if which == "source":
        tamper(source, "UPDATE alembic_version SET version_num = '9999'")
    else:
        with opened(aim(), tmp_path) as target:
            tamper(target, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="revision 9999, this program knows up to") as caught:
        copy(named(source), aim())
    assert "newer release" in (caught.value.hint or "")


def test_a_server_that_does_not_answer(sqlite_store: Store) -> None:
    for names in ((named(sqlite_store), "postgresql://me@127.0.0.1:1/x"), ("postgresql://me@127.0.0.1:1/x", "copy.db")):
        with pytest.raises(StoreError, match=r"127\.0\.0\.1:1/x: .*refused"):
            copy(*names)
    assert not Path("copy.db").exists()


def test_the_store_of_somebody_else_can_be_copied() -> None:
    """From a folder in which we may only read, by somebody who is not root."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        root, own = Path(made) / ".replay", Path(made) / "own"
        own.mkdir()
        own.chmod(0o777)
        with Store.open(root, create=True) as store:
            fill(store)
            expected = len(contents(store)["transactions"])
        for path in (*root.rglob("*"), root):
            path.chmod(0o555 if path.is_dir() else 0o444)
        receiving, sending = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                if os.geteuid() == 0:
                    os.setuid(65534)
                os.environ["HOME"] = made
                copied, files = copy(str(root), str(own / ".replay"), blobs=True)
                said = f"{copied.size} {files}"
            except BaseException as error:
                said = repr(error)
            os.write(sending, said.encode())
            os._exit(0)
        os.close(sending)
        with os.fdopen(receiving) as pipe:
            said = pipe.read()
        os.waitpid(child, 0)
        root.chmod(0o755)
        # Somebody else's file may be linked or not, as the system's settings say.
        assert said.startswith(tuple(f"{expected} Files(linked={n}, copied={3 - n}," for n in (0, 3))), said


# -- what lies beside -------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / ".replay", create=True) as store:
        fill(store)
        yield store


def test_blobs_are_linked_and_the_journal_comes_too(folder: Store, tmp_path: Path) -> None:
    place = tmp_path / "copy" / ".replay"
    _, files = copy(named(folder), str(place), blobs=True)
    assert files is not None
    assert (files.linked, files.copied, files.already, files.damaged) == (3, 0, 0, [])
    assert files.lines == 3
    with Store.open(place) as target:
        for sha256 in folder.blobs.iter_ids():
            assert target.blobs.path(sha256).samefile(folder.blobs.path(sha256))
        assert target.journal.path.read_bytes() == folder.journal.path.read_bytes()
        assert verify_store(target) == []
    fill(folder, 1)
    _, files = copy(named(folder), str(place), blobs=True)
    assert files is not None
    assert (files.linked, files.already, files.lines) == (1, 3, 4)
    with Store.open(place) as target:
        assert target.journal.path.read_bytes() == folder.journal.path.read_bytes()
        assert verify_store(target) == []


def test_where_no_link_can_be_they_are_copied(folder: Store) -> None:
    """``/dev/shm`` is another file system."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as made:
        place = Path(made) / ".replay"
        assert Path(made).stat().st_dev != folder.root.stat().st_dev
        _, files = copy(named(folder), str(place), blobs=True)
        assert files is not None
        assert (files.linked, files.copied) == (0, 3)
        with Store.open(place) as target:
            assert verify_store(target) == []


def test_a_damaged_blob_is_named_and_left_out(folder: Store, tmp_path: Path) -> None:
    bad, *good = folder.blobs.iter_ids()
    path = folder.blobs.path(bad)
    path.chmod(0o644)
    path.write_bytes(b"other")
    place = tmp_path / "copy" / ".replay"
    _, files = copy(named(folder), str(place), blobs=True)
    assert files is not None
    assert [finding.place for finding in files.damaged] == [f"blob {bad}"]
    with Store.open(place) as target:
        assert list(target.blobs.iter_ids()) == good
        assert [finding.place for finding in verify_store(target)] == [f"blob {bad}"]


def test_a_journal_that_went_another_way_is_refused_before_anything(folder: Store, tmp_path: Path) -> None:
    place = tmp_path / "copy" / ".replay"
    copy(named(folder), str(place), blobs=True)
    with Store.open(place) as target:
        target.journal.append("looked-at")
        before = contents(target)
    fill(folder, 1)
    with pytest.raises(UsageError, match="is not the beginning of"):
        copy(named(folder), str(place), blobs=True)
    with Store.open(place) as target:
        assert contents(target) == before
    assert copy(named(folder), str(place))[0].rows["transactions"] == 2, "without --blobs it goes on"


def test_blobs_need_two_folders(folder: Store, postgres_url: str, tmp_path: Path) -> None:
    for names in ((named(folder), postgres_url), (named(folder), str(tmp_path / "x.db"))):
        with pytest.raises(UsageError, match=r"with --blobs, expected a \.replay folder"):
            copy(*names, blobs=True)
    assert not (tmp_path / "x.db").exists()


def test_folders_whose_lineage_is_on_a_server_have_blobs_too(
    postgres_store: Store, postgres_server: Server, tmp_path: Path
) -> None:
    fill(postgres_store)
    with postgres_server.database() as url:
        place = tmp_path / "copy" / ".replay"
        pointing_to(url, place).close()
        copied, files = copy(named(postgres_store), str(place), blobs=True)
        assert files is not None
        assert (files.linked, files.lines, copied.size) == (3, 3, 6)
        with Store.open(place) as target:
            assert verify_store(target) == []
