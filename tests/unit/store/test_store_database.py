from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from replay.errors import ModelNotFoundError, ResolveError, StoreBusyError, StoreCorruptError, StoreError, UsageError
from replay.identity import ModelId
from replay.lineage import Edge, EdgeType, Evidence, Kind, Node
from replay.store import sqlite
from replay.store.database import Store


def node(kind: Kind, **identity: str) -> Node:
    return Node(kind=kind, identity=identity)


def link(source: Node, type_: EdgeType, target: Node, role: str = "") -> Edge:
    return Edge(source=source.uid, type=type_, target=target.uid, role=role)


DATA = Node(
    kind=Kind.DATASET,
    identity={"sha256": "ab" * 32},
    attrs={"path": "data/ü.csv", "rows": 3, "nested": [None, True, {"a": "b"}]},
    name="prices",
    evidence=Evidence.INFERRED,
)


def build(version: int, name: str = "momentum") -> tuple[list[Node], list[Edge], str]:
    run = node(Kind.RUN, id=f"{name}-{version}")
    model = node(Kind.MODEL, sha256=f"{version:064x}")
    metrics = node(Kind.METRICS, sha256=f"{version + 1000:064x}")
    registered = node(Kind.MODEL_VERSION, name=name, version=str(version))
    edges = [
        link(run, EdgeType.USED, DATA, "train"),
        link(run, EdgeType.USED, DATA, "valid"),
        link(run, EdgeType.GENERATED, model, "model"),
        link(run, EdgeType.GENERATED, metrics, "metrics"),
        link(registered, EdgeType.DERIVED_FROM, model),
    ]
    return [DATA, run, model, metrics, registered], edges, registered.uid


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / ".replay", create=True) as opened:
        yield opened


def uid(store: Store, text: str) -> str:
    return store.model_version(ModelId.parse(text))


def test_a_new_store_is_found_and_ignored_by_git(store: Store, tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    assert Store.find(tmp_path / "deep/er") == store.root == tmp_path / ".replay"
    assert Store.find(Path("/")) is None
    assert (store.root / ".gitignore").read_text() == "*\n"
    assert store.models() == []


def test_registering_counts_from_one_for_each_model(store: Store) -> None:
    assert [store.register("momentum", build) for _ in range(3)] == [1, 2, 3]
    assert store.register("other", lambda version: build(version, "other")) == 1
    assert [(m.name, m.version) for m in store.models()] == [
        ("momentum", 1),
        ("momentum", 2),
        ("momentum", 3),
        ("other", 1),
    ]
    assert store.models()[1].uid == build(2)[2] == uid(store, "momentum:2")
    assert uid(store, "momentum") == build(3)[2], "a name alone is the newest"


def test_values_come_back_as_they_were(store: Store) -> None:
    store.register("momentum", build)
    assert store.node(DATA.uid) == DATA
    nodes, edges, _ = build(1)
    lineage = store.closure(uid(store, "momentum:1"))
    metrics = nodes[3]
    assert lineage.nodes == {n.uid: n for n in nodes if n is not metrics}
    assert sorted(map(repr, lineage.edges)) == sorted(repr(e) for e in edges if e.target != metrics.uid)
    assert (lineage.complete, lineage.truncated_by, lineage.focal) == (True, (), build(1)[2])


def test_closures_go_both_ways_nearest_first(store: Store) -> None:
    for _ in range(2):
        store.register("momentum", build)
    up = store.closure(uid(store, "momentum:1"))
    assert [n.kind for n in up.nodes.values()] == [Kind.MODEL_VERSION, Kind.MODEL, Kind.RUN, Kind.DATASET]
    down = store.closure(DATA.uid, direction="down")
    assert sorted(n.kind for n in down.nodes.values()) == sorted(
        [Kind.DATASET] + 2 * [Kind.RUN, Kind.MODEL, Kind.METRICS, Kind.MODEL_VERSION]
    )
    assert len(down.edges) == 10


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_a_cut_closure_says_so(store: Store, limit: int) -> None:
    store.register("momentum", build)
    whole = store.closure(uid(store, "momentum:1"))
    cut = store.closure(uid(store, "momentum:1"), limit=limit)
    assert list(cut.nodes) == list(whole.nodes)[:limit]
    assert all(e.source in cut.nodes and e.target in cut.nodes for e in cut.edges)
    assert cut.complete == (limit == 4)
    assert cut.truncated_by == (() if limit == 4 else (f"limit of {limit} nodes",))


def test_dense_diamonds_are_walked_once(store: Store) -> None:
    """12 levels × 4 nodes, fully linked: 16.8 million paths, 49 nodes."""
    levels = [[node(Kind.DATASET, id=f"{level}-{i}") for i in range(4 if level else 1)] for level in range(13)]
    pairs = [(a, b) for one, two in itertools.pairwise(levels) for a in one for b in two]
    store.append(
        [n for level in levels for n in level],
        [link(a, EdgeType.DERIVED_FROM, b) for a, b in pairs],
    )
    lineage = store.closure(levels[0][0].uid)
    assert (len(lineage.nodes), len(lineage.edges)) == (49, 4 + 11 * 16)


def test_cycles_end(store: Store) -> None:
    one, two = node(Kind.DATASET, id="1"), node(Kind.DATASET, id="2")
    store.append([one, two], [link(one, EdgeType.SAME_AS, two), link(two, EdgeType.SAME_AS, one)])
    assert len(store.closure(one.uid).nodes) == 2


def test_neighbours_tell_the_outputs_of_a_run(store: Store) -> None:
    store.register("momentum", build)
    run = build(1)[0][1]
    outputs = store.neighbours(run.uid, direction="down")
    assert [(e.role, n.kind) for e, n in outputs] == [("model", Kind.MODEL), ("metrics", Kind.METRICS)]
    assert all((e.source, e.target) == (run.uid, n.uid) for e, n in outputs)
    inputs = store.neighbours(run.uid)
    assert sorted(e.role for e, _ in inputs) == ["train", "valid"]
    assert {n.uid for _, n in inputs} == {DATA.uid}


def test_what_was_recorded_first_stays(store: Store) -> None:
    store.append([DATA], [])
    other = Node(kind=DATA.kind, identity=DATA.identity, attrs={"path": "elsewhere"}, name="other")
    assert other.uid == DATA.uid
    before = len(store.journal.records())
    store.append([other, other], [])
    assert store.node(DATA.uid) == DATA
    assert len(store.journal.records()) == before, "nothing new, no transaction"


def test_equal_edges_are_one(store: Store) -> None:
    nodes, edges, _ = build(1)
    store.append(nodes, edges)
    store.append(nodes, [*edges, *edges])
    assert len(store.closure(DATA.uid, direction="down").edges) == len(edges)


def test_many_nodes_in_one_transaction(store: Store) -> None:
    """More than one batch of look-ups."""
    chain = [node(Kind.DATASET, id=str(i)) for i in range(1300)]
    edges = [link(a, EdgeType.DERIVED_FROM, b) for a, b in itertools.pairwise(chain)]
    store.append(chain, edges)
    store.append(chain, edges)
    lineage = store.closure(chain[0].uid)
    assert list(lineage.nodes) == [n.uid for n in chain]
    assert len(lineage.edges) == 1299


def test_a_failed_write_leaves_nothing(store: Store) -> None:
    stranger = node(Kind.RUN, id="never recorded")

    def bad_edge(version: int) -> tuple[list[Node], list[Edge], str]:
        nodes, edges, registered = build(version)
        return nodes, [*edges, link(stranger, EdgeType.USED, DATA)], registered

    def raising(version: int) -> tuple[list[Node], list[Edge], str]:
        raise FileNotFoundError("of the caller")

    def wrong_kind(version: int) -> tuple[list[Node], list[Edge], str]:
        nodes, edges, _ = build(version)
        return nodes, edges, DATA.uid

    def nested(version: int) -> tuple[list[Node], list[Edge], str]:
        store.append([DATA], [])
        return build(version)

    store.blobs.put_bytes(b"log")
    for bad, error, text in (
        (bad_edge, StoreError, stranger.uid),
        (raising, FileNotFoundError, "of the caller"),
        (wrong_kind, StoreError, "expected a recorded model version"),
        (nested, StoreError, "inside another write"),
    ):
        with pytest.raises(error, match=text):
            store.register("momentum", bad)
    assert store.models() == []
    assert store.find_digest("ab" * 32) == []
    assert store.register("momentum", build) == 1
    with pytest.raises(StoreError, match="is momentum:1 already"):
        store.register("momentum", lambda _: build(1))


def test_floats_and_bad_names_are_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="float"):
        store.append([Node(kind=Kind.RUN, identity={"id": "x"}, attrs={"seconds": 1.5})], [])
    for bad in ("Momentum", "momentum:1", "a b", "", "momentum@prod"):
        with pytest.raises(UsageError):
            store.register(bad, build)
    assert store.models() == []


def test_aliases_move_and_keep_their_past(store: Store) -> None:
    for _ in range(2):
        store.register("momentum", build)
    store.set_alias("momentum", "prod", 1)
    assert uid(store, "momentum@prod") == build(1)[2]
    store.set_alias("momentum", "prod", 2)
    store.set_alias("momentum", "champion", 2)
    assert uid(store, "momentum@prod") == build(2)[2]
    assert [m.aliases for m in store.models()] == [(), ("champion", "prod")]
    store.set_alias("momentum", "prod", 1)
    assert uid(store, "momentum@prod") == build(1)[2]
    with sqlite3.connect(store.database) as raw:
        assert raw.execute("SELECT count(*) FROM alias_moves WHERE alias = 'prod'").fetchone() == (3,)
    raw.close()
    with pytest.raises(ModelNotFoundError):
        store.set_alias("momentum", "prod", 3)
    with pytest.raises(UsageError):
        store.set_alias("momentum", "Prod", 1)


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("momentun:1", "did you mean momentum?"),
        ("momentum:3", "recorded of momentum: 1, 2, @prod"),
        ("momentum@prud", "recorded of momentum: 1, 2, @prod"),
        ("quite-else", "`replay models` lists what is recorded"),
    ],
)
def test_an_unknown_model_has_near_matches(store: Store, wanted: str, hint: str) -> None:
    for _ in range(2):
        store.register("momentum", build)
    store.set_alias("momentum", "prod", 2)
    with pytest.raises(ModelNotFoundError, match=wanted) as caught:
        uid(store, wanted)
    assert hint in (caught.value.hint or "")


def test_unknown_nodes_are_an_error(store: Store) -> None:
    for use in (store.node, store.closure, store.neighbours):
        with pytest.raises(ResolveError, match="no node"):
            use("00" * 32)
        with pytest.raises(UsageError, match="64 hex digits"):
            use("prices")


def test_nodes_are_found_by_identity(store: Store) -> None:
    for _ in range(2):
        store.register("momentum", build)
    assert store.find_digest("ab" * 32) == [DATA]
    assert store.nodes_by(Kind.RUN, sha256="ab" * 32) == []
    assert store.nodes_by(Kind.MODEL_VERSION, name="momentum", version="2") == [build(2)[0][4]]
    assert len(store.nodes_by(name="momentum")) == 2
    assert store.find_prefix("ab") == [DATA]
    assert len(store.find_prefix("0000")) == 4
    assert len(store.find_prefix("0000", limit=3)) == 3
    assert [n.identity["id"] for n in store.find_prefix("momentum-", key="id")] == ["momentum-1", "momentum-2"]
    with pytest.raises(UsageError):
        store.nodes_by(Kind.RUN)


TABLES = ["nodes", "edges", "identities", "model_versions", "alias_moves", "blobs", "transactions"]


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_append_only(store: Store, table: str) -> None:
    store.blobs.put_bytes(b"x")
    store.register("momentum", build)
    store.set_alias("momentum", "prod", 1)
    with contextlib.closing(sqlite.connect(store.database, write=True)) as raw:
        column = raw.execute(f"SELECT name FROM pragma_table_info('{table}')").fetchone()[0]
        assert raw.execute(f"SELECT count(*) FROM {table}").fetchone()[0] > 0
        for statement in (
            f"UPDATE {table} SET {column} = {column}",
            f"DELETE FROM {table}",
            f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
        ):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                raw.execute(statement)


def test_the_reader_cannot_write(store: Store) -> None:
    with contextlib.closing(sqlite.connect(store.database)) as raw, pytest.raises(sqlite3.OperationalError):
        raw.execute("INSERT INTO transactions VALUES (1, '', x'')")


def test_a_missing_store_has_a_hint(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no store here") as caught:
        Store.open(tmp_path / ".replay")
    assert "replay record" in (caught.value.hint or "")
    assert not (tmp_path / ".replay").exists(), "reading makes nothing"


@pytest.mark.parametrize("create", [False, True])
@pytest.mark.parametrize("content", [b"", b"no database, but long enough", b"SQLite format 3\0" + b"\xff" * 2000])
def test_a_file_that_is_no_database_is_refused_and_kept(store: Store, content: bytes, create: bool) -> None:
    store.close()
    for path in store.root.glob("lineage.db*"):
        path.unlink()
    store.database.write_bytes(content)
    with pytest.raises(StoreCorruptError, match=r"lineage\.db") as caught:
        Store.open(store.root, create=create)
    assert caught.value.hint
    assert store.database.read_bytes() == content


def test_a_foreign_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".replay").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / ".replay/lineage.db")) as raw:
        raw.execute("CREATE TABLE t (x)")
    for create in (False, True):
        with pytest.raises(StoreCorruptError, match="application id"):
            Store.open(tmp_path / ".replay", create=create)


def test_a_newer_store_is_refused(store: Store) -> None:
    store.close()
    with contextlib.closing(sqlite.connect(store.database, write=True)) as raw:
        raw.execute(f"PRAGMA user_version = {sqlite.VERSION + 1}")
    with pytest.raises(StoreError, match=f"got schema version {sqlite.VERSION + 1}") as caught:
        Store.open(store.root)
    assert "newer release" in (caught.value.hint or "")


def test_a_database_that_is_gone_is_not_begun_anew(store: Store) -> None:
    store.register("momentum", build)
    store.close()
    for path in store.root.glob("lineage.db*"):
        path.unlink()
    with pytest.raises(StoreCorruptError, match="is gone") as caught:
        Store.open(store.root, create=True)
    assert "backup" in (caught.value.hint or "")
    assert not store.database.exists()


def test_a_busy_database_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    store.append([DATA], [])
    with contextlib.closing(sqlite.connect(store.database, write=True)) as other:
        other.execute("BEGIN IMMEDIATE")
        with Store.open(store.root) as second, pytest.raises(StoreBusyError) as caught:
            second.register("momentum", build)
        assert "again" in (caught.value.hint or "")
        assert store.node(DATA.uid) == DATA, "readers are never blocked"
        other.execute("ROLLBACK")
    assert store.register("momentum", build) == 1


def test_a_full_disk_is_told_and_loses_nothing(store: Store) -> None:
    store.register("momentum", build)
    big = Node(kind=Kind.RUN, identity={"id": "big"}, attrs={"log": "x" * 5_000_000})
    store.append([], [])
    raw = store._writer._engine.raw_connection().driver_connection  # the page limit is the disk's end
    pages = raw.execute("PRAGMA page_count").fetchone()[0]
    raw.execute(f"PRAGMA max_page_count = {pages + 10}")
    with pytest.raises(StoreError, match="full") as caught:
        store.append([big], [])
    assert "nothing was half-written" in (caught.value.hint or "")
    raw.execute("PRAGMA max_page_count = 1000000")
    assert store.register("momentum", build) == 2
    store.append([big], [])


def test_a_read_only_store_is_refused() -> None:
    """As a user who may not write; root may always."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        root = Path(made) / ".replay"
        Store.open(root, create=True).close()
        for path in (root / "lineage.db", root):
            path.chmod(0o555)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                if os.geteuid() == 0:
                    os.setuid(65534)
                Store.open(root)
            except StoreError as error:
                code = 0 if "read-only" in str(error) and error.hint else 2
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        root.chmod(0o755)


def test_a_damaged_page_is_an_error_of_ours(store: Store) -> None:
    store.append([node(Kind.DATASET, id=str(i)) for i in range(2000)], [])
    store.close()
    size = store.database.stat().st_size
    with store.database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with pytest.raises(StoreCorruptError), Store.open(store.root) as damaged:
        damaged.find_digest("00" * 32)


def test_reading_never_imports_sqlalchemy(store: Store) -> None:
    store.register("momentum", build)
    store.set_alias("momentum", "prod", 1)
    code = (
        "import sys; from pathlib import Path; from replay.identity import ModelId\n"
        "from replay.store.database import Store\n"
        "with Store.open(Path(sys.argv[1])) as store:\n"
        "    uid = store.model_version(ModelId.parse('momentum@prod')); assert len(store.closure(uid).nodes) == 4\n"
        "    store.models(); store.node(uid); store.neighbours(uid)\n"
        "    store.find_digest('ab' * 32); store.find_prefix('a')\n"
        "heavy = {'sqlalchemy', 'alembic', 'docker', 'git', 'boto3', 'numpy', 'rfc8785'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    subprocess.run([sys.executable, "-c", code, store.root], check=True)


def test_blobs_are_recorded_with_the_next_transaction(store: Store) -> None:
    kept = store.blobs.put_bytes(b"log")
    with pytest.raises(UsageError):
        store.append([Node(kind=Kind.RUN, identity={"id": "x"}, attrs={"seconds": 1.5})], [])
    store.append([], [])
    with contextlib.closing(sqlite.connect(store.database)) as raw:
        assert raw.execute("SELECT lower(hex(sha256)), size FROM blobs").fetchall() == [(kept, 3)]
