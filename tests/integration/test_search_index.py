"""The index beside the record: it follows the record, may be lost at any time, and is shared by many."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pytest
from tests_support import postgres, stores
from tests_support.search_sample import ask, names, record, say

from replay.errors import StoreBusyError, StoreError
from replay.lineage import Edge, EdgeType, Kind, Node
from replay.progress import Silent
from replay.store import fsops
from replay.store.database import Store
from replay.store.interface import Row
from replay.store.migrating import upgrade_postgres
from replay.store.search import schema, sqlite
from replay.store.search.build import refresh
from replay.store.search.index import IndexDatabase
from replay.store.search.places import index_of
from replay.store.search.postgres import PostgresIndex
from replay.store.search.sqlite import SqliteIndex


@contextlib.contextmanager
def opened(store: Store) -> Iterator[IndexDatabase]:
    with contextlib.closing(index_of(store, own=store, attached=False)) as index:
        yield index


def built(store: Store) -> int:
    """How often the index was made from nothing: each time its tables are others."""
    with opened(store) as index:
        if isinstance(index, SqliteIndex):
            return index.rows("PRAGMA schema_version")[0][0] * 10**9 + index.path.stat().st_ino
        return index.rows("SELECT oid FROM pg_class WHERE relname = 'search_state'")[0][0]


def file_of(store: Store) -> Path:
    return store.root / "cache" / "search.db"


def test_it_is_made_by_the_first_search_and_brought_up_to_date_by_the_next(store: Store) -> None:
    record(store, "churn", parameters={"lr": 0.1})
    assert names(store, "kind=model_version") == ["churn:1"]
    first = built(store)
    record(store, "churn", parameters={"lr": 0.2})
    assert names(store, "kind=model_version params.lr>0.15") == ["churn:2"]
    assert names(store, "kind=model_version params.lr>0.05") == ["churn:2", "churn:1"]
    assert built(store) == first


def test_an_empty_store_has_nothing_to_find(store: Store) -> None:
    found = ask(store, "")
    assert (found.total, found.hits, found.next, found.complete) == (0, (), None, True)
    record(store, "churn")
    assert ask(store, "").total == 10


def test_edges_that_come_later_bring_their_values(store: Store) -> None:
    run = Node(kind=Kind.RUN, identity={"run": "0" * 26}, name="train", attrs={"parameters": {"p.yaml:lr": "0.5"}})
    config = Node(kind=Kind.CONFIG, identity={"config": "1" * 64}, name="config", attrs={"resolved": "depth: 3\n"})
    execution = Node(kind=Kind.COLLECTION, type="execution", identity={"execution": "2" * 26}, name="whole")
    trial = Node(kind=Kind.COLLECTION, type="trial", identity={"trial": "t"}, name="t")
    store.append([run, config, execution, trial])
    assert names(store, "params.lr=0.5 or params.depth=3") == ["config", "train"]
    for source, type_, target in (
        (execution, EdgeType.PART_OF, trial),
        (run, EdgeType.USED, config),
        (run, EdgeType.PART_OF, execution),
    ):
        store.append([], [Edge(source=source.uid, type=type_, target=target.uid)])
        ask(store, "")
    assert names(store, "params.lr=0.5") == ["t", "whole", "train"]
    assert names(store, "params.depth=3") == ["t", "whole", "config", "train"]
    assert names(store, "trial=t") == ["t", "whole", "train"]


def test_what_is_said_holds_until_something_else_is_said(store: Store) -> None:
    uid = record(store, "churn", says={"tag_desk": "rates", "status": "approved"})
    assert names(store, "tag:desk=rates and status=approved") == ["churn:1"]
    say(store, uid, tag_desk="fx")
    assert names(store, "tag:desk=rates") == []
    assert names(store, "tag:desk=fx and status=approved") == ["churn:1"]
    assert names(store, "rates") == []
    assert names(store, "fx") == ["churn:1"]
    say(store, uid, tag_desk=None)
    assert names(store, "tag:desk exists") == []
    assert names(store, "fx") == []
    say(store, uid, tag_desk="rates")
    assert names(store, "tag:desk=rates") == ["churn:1"]


def test_an_alias_is_found_at_the_version_that_it_means(store: Store) -> None:
    record(store, "churn")
    record(store, "churn")
    stores.set_alias(store, "churn", "prod", 1)
    assert names(store, "alias=prod") == ["churn:1"]
    stores.set_alias(store, "churn", "prod", 2)
    assert names(store, "alias=prod") == ["churn:2"]
    stores.set_alias(store, "churn", "prod", None)
    assert names(store, "alias=prod") == []


def test_deployments_are_found_whichever_edge_came_first(store: Store) -> None:
    for order in (0, 1):
        version = record(store, f"churn{order}")
        action = Node(kind=Kind.ACTION, type="deploy", identity={"action": f"{order}" * 26}, name="deploy")
        made = Node(kind=Kind.DEPLOYMENT, type="endpoint", identity={"deployment": str(order)}, name="prod")
        edges = [
            Edge(source=action.uid, type=EdgeType.USED, target=version, role="version"),
            Edge(source=action.uid, type=EdgeType.GENERATED, target=made.uid, role="deployment"),
        ]
        store.append([action, made])
        for edge in edges if order else reversed(edges):
            store.append([], [edge])
            ask(store, "")
    assert names(store, "deployments[to=prod]") == ["churn1:1", "churn0:1"]


# -- lost, damaged, foreign -------------------------------------------------------------------------------------------


def test_a_deleted_file_is_made_again(sqlite_store: Store) -> None:
    record(sqlite_store, "churn")
    assert names(sqlite_store, "kind=model_version") == ["churn:1"]
    shutil.rmtree(sqlite_store.root / "cache")
    assert names(sqlite_store, "kind=model_version") == ["churn:1"]


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "bits", "other"])
def test_a_damaged_file_is_made_again(sqlite_store: Store, damage: str) -> None:
    record(sqlite_store, "churn")
    assert names(sqlite_store, "train*") != []
    file = file_of(sqlite_store)
    whole = file.read_bytes()
    if damage == "other":
        shutil.copy(sqlite_store.root / "lineage.db", file)
    else:
        middle = len(whole) // 2
        bits = whole[:100] + bytes(one ^ 0xFF for one in whole[100:middle]) + whole[middle:]
        file.write_bytes({"cut": whole[:middle], "empty": b"", "text": b"no database" * 100, "bits": bits}[damage])
    for rest in ("-wal", "-shm"):
        file.with_name(file.name + rest).unlink(missing_ok=True)
    record(sqlite_store, "churn")
    assert names(sqlite_store, "kind=model_version params.lr=0.5") == ["churn:2", "churn:1"]


def test_an_index_of_another_version_is_made_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    record(store, "churn")
    assert names(store, "kind=model_version") == ["churn:1"]
    before = built(store)
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    assert names(store, "kind=model_version params.lr=0.5") == ["churn:1"]
    after = built(store)
    assert after != before
    assert names(store, "kind=model_version") == ["churn:1"]
    assert built(store) == after


def test_a_record_that_was_set_back_is_another_record(sqlite_store: Store, tmp_path: Path) -> None:
    root = sqlite_store.root
    record(sqlite_store, "churn")
    sqlite_store.close()
    shutil.copytree(root, tmp_path / "backup")
    with Store.open(root) as store:
        record(store, "churn", parameters={"lr": 7})
        assert names(store, "kind=model_version params.lr=7") == ["churn:2"]
    (root / "cache").rename(tmp_path / "cache")
    shutil.rmtree(root)
    shutil.copytree(tmp_path / "backup", root)
    shutil.copytree(tmp_path / "cache", root / "cache")
    with Store.open(root) as store:
        assert names(store, "kind=model_version") == ["churn:1"]  # fewer transactions
        record(store, "churn", parameters={"lr": 8})
        shutil.rmtree(root / "cache")
        shutil.copytree(tmp_path / "cache", root / "cache")
        assert names(store, "kind=model_version params.lr=7") == []  # as many, but others
        assert names(store, "kind=model_version params.lr=8") == ["churn:2"]


def test_a_server_that_crashed_has_lost_the_index_and_makes_it_again(tmp_path: Path) -> None:
    with contextlib.closing(postgres.Cluster(durable=True)) as cluster:
        with contextlib.closing(psycopg.connect(cluster.url(), autocommit=True)) as admin:
            admin.execute("CREATE DATABASE crash")
        upgrade_postgres(cluster.url("crash"))
        with stores.pointing_to(cluster.url("crash"), tmp_path / ".replay") as store:
            record(store, "churn")
            assert names(store, "kind=model_version") == ["churn:1"]
            cluster.stop("immediate")
            cluster.start()
            with opened(store) as index:
                assert index.state() is None
            assert names(store, "kind=model_version params.lr=0.5") == ["churn:1"]


# -- who may not write ------------------------------------------------------------------------------------------------


@pytest.fixture
def roles(postgres_url: str) -> Iterator[dict[str, str]]:
    """Addresses of those who may read the record, write it, and make tables beside it."""
    ident = postgres_url.rpartition("/")[2]
    made = {role: f"{ident}_{role}" for role in ("reader", "writer", "maker")}
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        for role, name in made.items():
            rights = "SELECT" if role == "reader" else "SELECT, INSERT"
            admin.execute(f"CREATE ROLE {name} LOGIN")
            admin.execute(f"GRANT {rights} ON ALL TABLES IN SCHEMA public TO {name}")
        admin.execute(f"GRANT CREATE ON SCHEMA public TO {made['maker']}")
    user = psycopg.conninfo.conninfo_to_dict(postgres_url)["user"]
    try:
        yield {role: postgres_url.replace(f"//{user}@", f"//{name}@") for role, name in made.items()}
    finally:
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            for name in made.values():
                admin.execute(f"DROP OWNED BY {name}")
                admin.execute(f"DROP ROLE {name}")


def refreshed(url: str, store: Store) -> int:
    with contextlib.closing(PostgresIndex(url)) as index:
        return refresh(index, store, Silent())


def test_who_may_not_make_tables_is_told_so(postgres_store: Store, roles: dict[str, str]) -> None:
    record(postgres_store, "churn")
    for role in ("reader", "writer"):
        with pytest.raises(StoreError) as raised:
            refreshed(roles[role], postgres_store)
        assert "may not make tables here" in str(raised.value)
        assert "GRANT CREATE ON SCHEMA public" in (raised.value.hint or "")


def test_the_index_is_shared_by_those_who_share_the_record(postgres_store: Store, roles: dict[str, str]) -> None:
    record(postgres_store, "churn")
    assert refreshed(roles["maker"], postgres_store) == 1
    assert refreshed(roles["reader"], postgres_store) == 1
    record(postgres_store, "churn")
    with pytest.raises(StoreError, match="permission denied"):
        refreshed(roles["reader"], postgres_store)
    assert refreshed(roles["writer"], postgres_store) == 2
    assert refreshed(roles["reader"], postgres_store) == 2
    assert names(postgres_store, "kind=model_version") == ["churn:2", "churn:1"]


def test_a_cache_that_cannot_be_written_is_told(sqlite_store: Store) -> None:
    record(sqlite_store, "churn")
    (sqlite_store.root / "cache").write_text("a file where the folder belongs")
    with pytest.raises(StoreError, match="cache"):
        ask(sqlite_store, "")


def test_a_full_disk_leaves_the_index_as_it_was(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    record(sqlite_store, "churn")
    assert names(sqlite_store, "kind=model_version") == ["churn:1"]
    record(sqlite_store, "churn")

    class Full(sqlite.SqliteCursor):
        def insert(self, table: str, rows: Sequence[Row]) -> None:
            self.rows("PRAGMA max_page_count = 1")  # what SQLite says then is what it says on a full disk
            super().insert(table, rows)

    monkeypatch.setattr(sqlite, "SqliteCursor", Full)
    long = [Node(kind=Kind.DATASET, identity={"sha256": f"{n:064x}"}, name=f"{n} " * 800) for n in range(300)]
    sqlite_store.append(long)
    with pytest.raises(StoreError, match="full") as raised:
        ask(sqlite_store, "")
    assert "free space" in (raised.value.hint or "")
    with opened(sqlite_store) as index:
        assert index.rows("SELECT count(*) FROM search_nodes")[0][0] == 10  # as it was
    monkeypatch.undo()
    assert names(sqlite_store, "kind=model_version") == ["churn:2", "churn:1"]


# -- many at once -----------------------------------------------------------------------------------------------------

SEARCHER = """
import sys
from pathlib import Path
from tests_support.search_sample import ask
from replay.store.database import Store
with Store.open(Path(sys.argv[1])) as store:
    last = 0
    for _ in range(int(sys.argv[2])):
        total = ask(store, "kind=run and params.lr exists").total
        assert total >= last, (total, last)
        last = total
        assert ask(store, "kind=run").total >= total
print(last)
"""
WRITER = """
import sys
from pathlib import Path
from replay.identity import ulid
from replay.lineage import Kind, Node
from replay.store.database import Store
with Store.open(Path(sys.argv[1])) as store:
    for number in range(int(sys.argv[2])):
        attrs = {"parameters": {"p.yaml:lr": str(number)}}
        store.append([Node(kind=Kind.RUN, identity={"run": ulid()}, name="r", attrs=attrs)])
"""


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    folders = [str(Path(stores.__file__).parents[1]), str(Path(fsops.__file__).parents[2])]
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(folders)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def test_many_search_while_many_write(store: Store) -> None:
    writers = [start(WRITER, store.root, 60) for _ in range(3)]
    searchers = [start(SEARCHER, store.root, 25) for _ in range(3)]
    for process in (*writers, *searchers):
        finish(process)
    assert ask(store, "kind=run and params.lr exists").total == 180
    with opened(store) as index:
        assert index.rows("SELECT count(*) FROM search_nodes")[0][0] == 180
        assert index.rows("SELECT count(*) FROM search_links")[0][0] == 180


def test_threads_of_one_process_take_turns(store: Store) -> None:
    for _ in range(3):
        record(store, "churn")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: names(store, "kind=model_version params.lr=0.5"), range(24)))
    assert found == [["churn:3", "churn:2", "churn:1"]] * 24


@pytest.mark.parametrize("delay", [0.05, 0.3, 0.6, 0.9, 1.3])
def test_a_searcher_killed_while_it_makes_the_index(store: Store, delay: float) -> None:
    for start_at in (0, 4000):
        store.append(
            [
                Node(kind=Kind.DATASET, identity={"sha256": f"{n:064x}"}, name=f"d {n}", attrs={"size": n})
                for n in range(start_at, start_at + 4000)
            ]
        )
    process = start(SEARCHER, store.root, 1)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert ask(store, "attrs.size>=0").total == 8000
    assert ask(store, "d").total == 8000
    leftovers = [path.name for path in (store.root / "cache").glob(".replay-tmp-*")] if file_of(store).exists() else []
    assert leftovers == []


class Told(Silent):
    """Notes what began."""

    def __init__(self) -> None:
        self.tasks: list[str] = []

    def started(self, task: str, total: int | None = None) -> None:
        self.tasks.append(task)


def test_a_searcher_waits_for_the_one_who_makes_the_index(store: Store) -> None:
    record(store, "churn")
    told = Told()
    with concurrent.futures.ThreadPoolExecutor(1) as pool, opened(store) as holder, opened(store) as other:
        with holder.alone():
            waiting = pool.submit(refresh, other, store, told)
            while not told.tasks:
                time.sleep(0.01)
            assert told.tasks == ["wait for the search index, which another process makes"]
        assert waiting.result(60) == 1
    assert told.tasks[1:] == ["search index"]
    assert names(store, "kind=model_version") == ["churn:1"]


def test_nobody_waits_for_ever(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    record(sqlite_store, "churn")
    monkeypatch.setattr(sqlite, "SHORT_SECONDS", 0.1)
    monkeypatch.setattr(sqlite, "WAIT_SECONDS", 0.2)
    with opened(sqlite_store) as index, index.alone(), pytest.raises(StoreBusyError, match="held by process"):
        ask(sqlite_store, "")
    assert names(sqlite_store, "kind=model_version") == ["churn:1"]


def test_a_few_new_nodes_are_not_worth_a_word(store: Store) -> None:
    told = Told()
    with opened(store) as index:
        for _ in range(2):
            record(store, "churn")
            refresh(index, store, told)
    assert told.tasks == ["search index"]


def test_a_search_is_not_disturbed_by_an_index_that_is_made_anew(store: Store) -> None:
    record(store, "churn")
    ask(store, "")
    with concurrent.futures.ThreadPoolExecutor(1) as pool, opened(store) as reader:
        with reader.reading():
            before = reader.rows("SELECT count(*) FROM search_nodes")
            again = pool.submit(rebuild, store)
            done, _ = concurrent.futures.wait([again], timeout=0.5)
            assert bool(done) is isinstance(reader, SqliteIndex)  # the other one waits until nobody reads
            assert reader.rows("SELECT count(*) FROM search_nodes") == before == [(10,)]
        again.result(60)
        assert reader.rows("SELECT count(*) FROM search_nodes") == [(0,)]
    assert names(store, "kind=model_version") == ["churn:1"]


def rebuild(store: Store) -> None:
    with opened(store) as index, index.alone(), index.rebuilding():
        pass
