"""Loading very many nodes at once: the same as appending them, all or nothing, on both databases."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests_support.stores import DATA, build, contents, link, node, raw, run_id

from replay.errors import StoreError, UsageError
from replay.lineage import Edge, EdgeType, Kind, Node
from replay.store import sqlite
from replay.store.database import Store
from replay.store.verify import verify_store

Batch = tuple[list[Node], list[Edge]]


def batches(count: int, size: int = 300) -> list[Batch]:
    """Runs that each used `DATA` and what the run before generated; older ones first."""
    made: list[Batch] = [([DATA], [])]
    last = DATA
    for start in range(0, count, size):
        nodes: list[Node] = []
        edges: list[Edge] = []
        for number in range(start, min(start + size, count)):
            run = node(Kind.RUN, run=run_id(number))
            model = Node(kind=Kind.MODEL, identity={"sha256": f"{number:064x}"}, name="m", attrs={"n": number})
            nodes += [run, model]
            edges += [link(run, EdgeType.USED, DATA, "train"), link(run, EdgeType.USED, last, "warm start")]
            edges += [link(run, EdgeType.GENERATED, model, "model")]
            last = model
        made.append((nodes, edges))
    return made


def indexes(store: Store) -> list[tuple[str, ...]]:
    query = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
    if not store.database.shared:
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' ORDER BY 1"
    with raw(store) as run:
        found = run(query)
    assert {"nodes_uid", "edges_reverse"} <= {row[0] for row in found}
    return found


def recorded(store: Store) -> tuple[object, ...]:
    """Everything but the times and what follows from them."""
    found = contents(store)
    transactions = [(tx, digest, sums) for tx, _, digest, sums, _ in found["transactions"]]
    return (transactions, *(found[table] for table in ("nodes", "edges", "facets", "model_versions", "blobs")))


@pytest.mark.parametrize("before", [[], batches(40)], ids=["empty", "not empty"])
def test_loading_is_appending(store: Store, tmp_path: Path, before: list[Batch]) -> None:
    """Also of what is there already, in part: new edges between old nodes."""
    given = batches(700)
    again = [(DATA, given[1][0][5])]
    given.append(([], [link(b, EdgeType.DERIVED_FROM, a) for a, b in again]))
    known = indexes(store)
    with Store.open(tmp_path / "other", create=True) as other:
        for filled in (store, other):
            for nodes, edges in before:
                filled.append(nodes, edges)
        assert store.load(iter(given)) == sum(len(nodes) for nodes, _ in given) - sum(len(n) for n, _ in before)
        for nodes, edges in given:
            other.append(nodes, edges)
        assert recorded(store) == recorded(other)
        last = given[-2][0][-1]
        assert store.closure(last.uid) == other.closure(last.uid)
    assert indexes(store) == known
    with raw(store) as run:
        assert run("SELECT size FROM checkpoints") == run("SELECT max(tx) FROM transactions"), "it made one itself"
    assert verify_store(store) == []
    assert store.register("momentum", build) == 1
    assert store.load(given) == 0, "all of it is there"
    assert verify_store(store) == []


def broken(good: list[Batch]) -> Iterator[tuple[type[Exception], Iterator[Batch]]]:
    """Loads that end badly in a late batch."""
    stranger = node(Kind.DATASET, id="never recorded")

    def raising() -> Iterator[Batch]:
        yield from good
        raise FileNotFoundError("of the caller")

    yield StoreError, iter([*good, ([], [link(good[1][0][0], EdgeType.USED, stranger)])])
    yield StoreError, iter([good[0], *reversed(good[1:])])
    yield UsageError, iter([*good, ([Node(kind=Kind.RUN, identity={"id": "x"}, attrs={"a": 0.5})], [])])
    yield UsageError, iter([*good, ([Node(kind=Kind.RUN, identity={"id": "x"}, name="\0")], [])])
    yield FileNotFoundError, raising()


@pytest.mark.parametrize("filled", [False, True], ids=["empty", "not empty"])
def test_a_failed_load_leaves_nothing(store: Store, filled: bool) -> None:
    if filled:
        store.register("momentum", build)
    before, known = contents(store), indexes(store)
    good = batches(650)
    for error, given in broken(good):
        with pytest.raises(error):
            store.load(given)
        assert contents(store) == before
        assert indexes(store) == known
    assert store.load(good) == 1301 - filled, "`DATA` is there already"
    assert indexes(store) == known
    assert verify_store(store) == []


def test_loading_nothing_leaves_nothing(store: Store) -> None:
    before, known = contents(store), indexes(store)
    assert store.load([]) == store.load([([], [])]) == 0
    assert contents(store) == before
    assert indexes(store) == known


def test_readers_see_nothing_of_a_load_before_its_end(store: Store) -> None:
    """And it waits for none of them, even where the file would rather be written without its log."""
    good = batches(650)
    with Store.open(store.root) as other, other.reading() as database, database.snapshot():
        assert database.rows("SELECT count(*) FROM nodes") == [(0,)]

        def watched() -> Iterator[Batch]:
            for batch in good:
                assert database.rows("SELECT count(*) FROM nodes") == [(0,)]
                yield batch

        assert store.load(watched()) == 1301
        assert database.rows("SELECT count(*) FROM nodes") == [(0,)]
    with Store.open(store.root) as other:
        assert len(other.closure(DATA.uid, direction="down").nodes) == 1301


def test_a_load_leaves_the_file_with_its_log(sqlite_store: Store) -> None:
    """Without it, readers and a writer would wait for each other."""
    database = sqlite_store.database
    assert isinstance(database, sqlite.SqliteDatabase)
    for given in (batches(20), batches(40)):
        sqlite_store.load(given)
        with contextlib.closing(sqlite.connect(database.path)) as other:
            assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert sqlite_store.has(DATA.uid)
