"""Whatever is changed behind the program's back is found by `verify`, and named, on SQLite and on PostgreSQL."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests_support import stores
from tests_support.postgres import Server
from tests_support.stores import contents, link, raw, set_alias, tamper

from replay.lineage import Edge, EdgeType, Facet, Kind, Node, group_node
from replay.progress import Silent
from replay.store import backends, chain
from replay.store.copying import copy
from replay.store.database import Store
from replay.store.findings import Finding
from replay.store.journal import Journal, Record
from replay.store.postgres import PostgresDatabase
from replay.store.sqlite import SqliteDatabase
from replay.store.verify import verify_store
from replay.uid import raw_of

Change = tuple[str, tuple[Any, ...]]


def model(version: int) -> Node:
    return Node(kind=Kind.MODEL, identity={"sha256": f"{version:064x}"}, attrs={"path": "model.txt"}, name="data")


def registered(version: int) -> Node:
    return Node(kind=Kind.MODEL_VERSION, identity={"model": "m", "version": str(version)}, name="m")


def edge(version: int) -> Edge:
    return Edge(
        source=registered(version).uid,
        type=EdgeType.DERIVED_FROM,
        target=model(version).uid,
        role="made",
        attrs={"a": "b"},
    )


def build(version: int) -> tuple[list[Node], list[Edge], str]:
    return [model(version), registered(version)], [edge(version)], registered(version).uid


LATE = link(registered(2), EdgeType.DERIVED_FROM, model(1), "late")
GROUP = group_node("m")


def fill(store: Store) -> Store:
    """Transactions 1 to 4 and 7 register (version 2 is 2, with nodes 3 and 4), 5 sets an alias, 6 adds a late edge."""
    for number in range(4):
        store.blobs.put_bytes(b"content %d" % number)
        store.register("m", build)
    set_alias(store, "m", "prod", 2)
    store.append([], [LATE], [Facet(node=GROUP.uid, key="owner", value="ann"), Facet(node=GROUP.uid, key="x", value=1)])
    store.note("recorded")
    store.register("m", build)
    store.note("looked-at", by="somebody")
    assert verify_store(store) == []
    return store


@pytest.fixture(scope="module")
def filled_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a store in a file, to be copied."""
    root = tmp_path_factory.mktemp("filled") / ".replay"
    with Store.open(root, create=True) as store:
        fill(store)
    return root


@pytest.fixture(scope="module")
def filled_database(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a filled database and its store's directory, to be copied."""
    root = tmp_path_factory.mktemp("filled") / ".replay"
    with postgres_server.database() as url:
        with stores.pointing_to(url, root) as store:
            fill(store)
        yield url, root


@pytest.fixture
def filled_file(filled_directory: Path, tmp_path: Path) -> Iterator[Store]:
    shutil.copytree(filled_directory, tmp_path / ".replay")
    with Store.open(tmp_path / ".replay") as store:
        yield store


@pytest.fixture
def filled_server(filled_database: tuple[str, Path], postgres_server: Server, tmp_path: Path) -> Iterator[Store]:
    shutil.copytree(filled_database[1], tmp_path / ".replay")
    with (
        postgres_server.database(like=filled_database[0]) as url,
        stores.pointing_to(url, tmp_path / ".replay") as store,
    ):
        yield store


@pytest.fixture(params=["sqlite", "postgres"])
def filled(request: pytest.FixtureRequest) -> Store:
    return request.getfixturevalue("filled_file" if request.param == "sqlite" else "filled_server")


NODE, VERSION = f"node {model(2).uid}", f"node {registered(2).uid}"
EDGE = f"edge {registered(2).uid} derived_from(made) {model(2).uid}"
LATE_EDGE = f"edge {registered(2).uid} derived_from(late) {model(1).uid}"
OTHER_UID = b"\x01" + b"\xee" * 32
_OF = {"nodes": "id = 3", "facets": "id = 1", "checkpoints": "size = 6", "meta": "key <> 'store'"}


def of(table: str, assignment: str, *values: Any) -> list[Change]:
    """Change the row of a table that belongs to version 2, or to the alias."""
    return [(f"UPDATE {table} SET {assignment} WHERE {_OF.get(table, 'tx = 2')}", values)]


def one(sql: str, *values: Any) -> list[Change]:
    return [(sql, values)]


AND_MORE = "and more"
ALL_CHECKPOINTS = ["checkpoint 6", "checkpoint 7", "checkpoint 6 of the journal", "checkpoint 7 of the journal"]
BLOBS = [hashlib.sha256(b"content %d" % number).hexdigest() for number in range(4)]
OF_2 = [NODE, VERSION, EDGE, "model version m:2", f"blob {BLOBS[1]}"]
CUT_OUT = [*OF_2, "transaction 3", *ALL_CHECKPOINTS]
TAMPERINGS: dict[str, tuple[list[Change], list[str]]] = {
    # what was done, and what must be named
    "attrs": (of("nodes", "attrs = ?", '{"path":"other.txt"}'), [NODE]),
    "attrs, no JSON": (of("nodes", "attrs = '{'"), [NODE]),
    "attrs, no object": (of("nodes", "attrs = '[]'"), [NODE]),
    "attrs, other spelling": (of("nodes", "attrs = ?", '{ "path":"model.txt"}'), [NODE]),
    "attrs, very deep": (of("nodes", "attrs = ?", '{"a":' + "[" * 50_000 + "]" * 50_000 + "}"), [NODE]),
    "name": (of("nodes", "name = 'other'"), [NODE]),
    "type": (of("nodes", "type = 'other'"), [NODE]),
    "identity": (of("nodes", "identity = ?", '{"sha256":"00"}'), [NODE]),
    "identity of what only hashes it": (one("UPDATE nodes SET identity = ? WHERE id = 4", '{"model":"n"}'), [VERSION]),
    "identity, no JSON": (one("UPDATE nodes SET identity = '' WHERE id = 4"), [VERSION]),
    "kind": (of("nodes", "kind = 1"), [NODE]),
    "unknown kind": (of("nodes", "kind = 99"), [NODE]),
    "evidence": (of("nodes", "evidence = 'asserted:me'"), [NODE]),
    "unknown evidence": (of("nodes", "evidence = 'dreamt:me'"), [NODE]),
    "uid": (of("nodes", "uid = ?", OTHER_UID), ["node sha256:" + "ee" * 32]),
    "uid, no such form": (of("nodes", "uid = ?", b"\x63" * 33), ["node " + "63" * 33]),
    "uid, too short": (of("nodes", "uid = ?", b"\x01\xff"), ["node 01ff"]),
    "uid, empty": (of("nodes", "uid = ?", b""), ["node "]),
    "node gone": (one("DELETE FROM nodes WHERE id = 3"), ["transaction 2", EDGE.replace(model(2).uid, "number 3")]),
    "node moved to another transaction": (of("nodes", "tx = 1"), [NODE, "transaction 2"]),
    "node moved to no transaction": (of("nodes", "tx = 99"), [NODE, "transaction 2"]),
    "node renumbered": (of("nodes", "id = 99"), [NODE, EDGE.replace(model(2).uid, "number 3")]),
    "node smuggled in": (
        one("INSERT INTO nodes VALUES (50, ?, 1, '', '', NULL, '{}', NULL, 2)", OTHER_UID),
        ["node sha256:" + "ee" * 32],
    ),
    "edge gone": (one("DELETE FROM edges WHERE tx = 2"), ["transaction 2"]),
    "edge to nowhere": (of("edges", "older = 98"), [f"edge {registered(2).uid} derived_from(made) number 98"]),
    "edge to another node": (of("edges", "older = 1"), [f"edge {registered(2).uid} derived_from(made) {model(1).uid}"]),
    "edge's role": (of("edges", "role = 'other'"), [EDGE.replace("made", "other")]),
    "edge's type": (of("edges", "type = 1"), [EDGE.replace("derived_from", "used")]),
    "edge's type, unknown": (of("edges", "type = 77"), [EDGE.replace("derived_from", "77")]),
    "edge's attrs": (of("edges", "attrs = '{}'"), [EDGE]),
    "edge's attrs, no JSON": (of("edges", "attrs = ''"), [EDGE]),
    "edge's evidence": (of("edges", "evidence = 'inferred:x'"), [EDGE]),
    "edge made late": (of("edges", "late = 1"), [EDGE]),
    "edge made early": (one("UPDATE edges SET late = 0 WHERE tx = 6"), [LATE_EDGE]),
    "edge moved to another transaction": (of("edges", "tx = 3"), [EDGE, "transaction 2"]),
    "edge smuggled in": (
        one("INSERT INTO edges VALUES (4, 1, 1, 'evil', '{}', NULL, 0, 2)"),
        [f"edge {registered(2).uid} used(evil) {model(1).uid}"],
    ),
    "facet": (of("facets", "value = '1'"), [f"facet alias:prod of {GROUP.uid}"]),
    "facet, no JSON": (of("facets", "value = ''"), [f"facet alias:prod of {GROUP.uid}"]),
    "facet's key": (of("facets", "key = 'alias:test'"), [f"facet alias:test of {GROUP.uid}"]),
    "facet's node": (of("facets", "node = 3"), [f"facet alias:prod of {model(2).uid}"]),
    "facet's evidence": (of("facets", "evidence = 'asserted:me'"), [f"facet alias:prod of {GROUP.uid}"]),
    "facet's evidence, unknown": (of("facets", "evidence = 'dreamt'"), [f"facet alias:prod of {GROUP.uid}"]),
    "facet's action": (of("facets", "action = 3"), [f"facet alias:prod of {GROUP.uid}"]),
    "facet gone": (one("DELETE FROM facets WHERE id = 1"), ["transaction 5"]),
    "facet gone from among others": (one("DELETE FROM facets WHERE id = 3"), ["transaction 6"]),
    "facets changed places": (
        [("UPDATE facets SET id = ? WHERE id = ?", ids) for ids in ((99, 2), (2, 3), (3, 99))],
        [f"facet owner of {GROUP.uid}", f"facet x of {GROUP.uid}"],
    ),
    "facet smuggled in": (
        one("INSERT INTO facets VALUES (40, 9, 'alias:evil', '1', NULL, NULL, 5)"),
        [f"facet alias:evil of {GROUP.uid}"],
    ),
    "version moved": (of("model_versions", "node = 3"), ["model version m:2"]),
    "version gone": (one("DELETE FROM model_versions WHERE version = 2"), ["transaction 2", "model m"]),
    "version renumbered": (of("model_versions", "version = 9"), ["model version m:9", "model m"]),
    "version renamed": (of("model_versions", "name = 'n'"), ["model version n:2", "model n", "model m"]),
    "newest version gone": (one("DELETE FROM model_versions WHERE version = 5"), ["transaction 7"]),
    "blob forgotten": (one("DELETE FROM blobs WHERE tx = 2"), ["transaction 2"]),
    "blob's size": (of("blobs", "size = 5"), [f"blob {BLOBS[1]}"]),
    "blob's name": (of("blobs", "sha256 = ?", b"\xaa" * 32), ["blob " + "aa" * 32]),
    "blob's name, too short": (of("blobs", "sha256 = ?", b"\xaa"), ["blob aa"]),
    "blob smuggled in": (one("INSERT INTO blobs VALUES (?, 1, 2)", b"\xaa" * 32), ["blob " + "aa" * 32]),
    "digest": (of("transactions", "digest = ?", bytes(32)), ["transaction 2"]),
    "digest, empty": (of("transactions", "digest = ?", b""), ["transaction 2"]),
    "time": (of("transactions", "created = '2001-01-01'"), ["transaction 2"]),
    "time, later": (of("transactions", "created = '2999-01-01'"), ["transaction 2", "transaction 3"]),
    "leaf": (of("transactions", "leaf = ?", bytes(32)), ["transaction 2", "transaction 3", *ALL_CHECKPOINTS]),
    "checksums": (of("transactions", "sums = ?", bytes(64)), ["transaction 2"]),
    "checksums, empty": (of("transactions", "sums = ?", b""), ["transaction 2"]),
    "transaction gone": (one("DELETE FROM transactions WHERE tx = 2"), CUT_OUT),
    "transactions changed places": (
        [("UPDATE transactions SET tx = ? WHERE tx = ?", numbers) for numbers in ((99, 2), (2, 3), (3, 99))],
        ["transaction 2", *CUT_OUT, AND_MORE],
    ),
    "transaction smuggled in": (
        one("INSERT INTO transactions VALUES (8, '2999-01-01', ?, ?, ?)", bytes(32), bytes(20), bytes(32)),
        ["transaction 8"],
    ),
    "transaction far away": (of("transactions", "tx = ?", 1 << 60), [f"transaction {1 << 60}", *CUT_OUT]),
    "transaction before all": (of("transactions", "tx = -1"), ["transaction -1", "transaction 1", *CUT_OUT]),
    "checkpoint's root": (of("checkpoints", "root = ?", bytes(32)), ["checkpoint 6"]),
    "checkpoint's frontier": (of("checkpoints", "frontier = ?", bytes(64)), ["checkpoint 6"]),
    "checkpoint moved": (of("checkpoints", "size = 5"), ["checkpoint 5", "checkpoint 6"]),
    "checkpoint beyond the end": (of("checkpoints", "size = 9"), ["checkpoint 9", "checkpoint 6"]),
    "checkpoint gone": (one("DELETE FROM checkpoints WHERE size = 6"), ["checkpoint 6"]),
    "all checkpoints gone": (one("DELETE FROM checkpoints"), ["checkpoint 6", "checkpoint 7"]),
    "what is told of the journal": (of("meta", "value = ?", "0" * 64), ["journal record 1"]),
    "edges gone": ([*of("nodes", "name = 'x'"), ("DROP TABLE edges", ())], ["table edges", NODE]),
    "blobs gone": ([*of("nodes", "name = 'x'"), ("DROP TABLE blobs", ())], ["table blobs", NODE]),
    "facets gone": ([*of("nodes", "name = 'x'"), ("DROP TABLE facets", ())], ["table facets", NODE, "tombstones"]),
    "checkpoints gone": ([*of("nodes", "name = ''"), ("DROP TABLE checkpoints", ())], ["chain", "checkpoints"]),
    "meta gone": (one("DROP TABLE meta"), ["journal"]),
}  # fmt: skip


def places(findings: list[Finding]) -> list[str]:
    assert all(finding.problem for finding in findings)
    return [finding.place for finding in findings]


@pytest.mark.parametrize("what", TAMPERINGS)
def test_every_change_of_a_row_is_found_and_named(filled: Store, what: str) -> None:
    expect(filled, *TAMPERINGS[what])


TEXT_UID = base64.b64encode(raw_of(model(2).uid)).decode()
MADE = base64.b64decode("made")
ONLY_SQLITE: dict[str, tuple[list[Change], list[str]]] = {
    # SQLite keeps values of any type in any column, and text that is no UTF-8
    "name, no UTF-8": (of("nodes", "name = CAST(x'ff' AS TEXT)"), [NODE]),
    "attrs, no UTF-8": (of("nodes", "attrs = CAST(x'7bff7d' AS TEXT)"), [NODE]),
    "role, no UTF-8": (of("edges", "role = CAST(x'ff' AS TEXT)"), [EDGE.replace("made", "b'\\xff'")]),
    "key, no UTF-8": (of("facets", "key = CAST(x'ff' AS TEXT)"), [f"facet b'\\xff' of {GROUP.uid}"]),
    "time, no UTF-8": (of("transactions", "created = CAST(x'ff' AS TEXT)"), ["transaction 2"]),
    "kind, no number": (of("nodes", "kind = x'ff00'"), [NODE]),
    "uid, a number": (of("nodes", "uid = 7"), ["node 7"]),
    "uid, text in base 64": (of("nodes", "uid = ?", TEXT_UID), [f"node {TEXT_UID}"]),
    "name, the bytes it is base 64 of": (of("nodes", "name = ?", base64.b64decode("data")), [NODE]),
    "role, the bytes it is base 64 of": (of("edges", "role = ?", MADE), [EDGE.replace("made", repr(MADE))]),
    "blob's name, text": (of("blobs", "sha256 = 'x'"), ["blob x"]),
    "transaction of a node, text": (of("nodes", "tx = 'x'"), [NODE, "transaction 2"]),
    "transaction of an edge, bytes": (of("edges", "tx = x'ff'"), [EDGE, "transaction 2"]),
    "digest, text": (of("transactions", "digest = 'x'"), ["transaction 2"]),
    "leaf, a number": (of("transactions", "leaf = 7"), ["transaction 2", "transaction 3", *ALL_CHECKPOINTS]),
    "checksums, text": (of("transactions", "sums = 'x'"), ["transaction 2"]),
    "time, bytes": (of("transactions", "created = x'00'"), ["transaction 2"]),
    "checkpoint's root, text": (of("checkpoints", "root = 'x'"), ["checkpoint 6"]),
}  # fmt: skip


@pytest.mark.parametrize("what", ONLY_SQLITE)
def test_values_that_only_sqlite_keeps_are_found_and_named(filled_file: Store, what: str) -> None:
    expect(filled_file, *ONLY_SQLITE[what])


def expect(store: Store, changes: list[Change], expected: list[str]) -> None:
    """Change rows, and look for what must be named: all of it and nothing else, unless others may follow from it."""
    for sql, values in changes:
        tamper(store, sql, *values)
    found = {finding.place for finding in verify_store(store) if "names a row" not in finding.problem}  # SQLite's words
    assert set(expected) - {AND_MORE} <= found
    assert AND_MORE in expected or found == set(expected)


WORDS = {
    "name": "is not as it was recorded (in transaction 2)",
    "node smuggled in": "was never recorded (in transaction 2)",
    "edge gone": "a row of edges is gone",
    "facet gone from among others": "a row of facets is gone",
    "node moved to no transaction": "its transaction 99 is not recorded",
    "transaction gone": "comes after transaction 1: what lay between is gone",
    "time, later": "before that of the transaction before it",
    "checksums": "the checksums of its rows are not as they were recorded",
    "digest": "got rows whose digest is not the recorded one",
    "leaf": "its link to the chain does not fit",
}


@pytest.mark.parametrize("what", WORDS)
def test_what_was_done_is_said(filled_file: Store, what: str) -> None:
    for sql, values in TAMPERINGS[what][0]:
        tamper(filled_file, sql, *values)
    assert any(WORDS[what] in finding.problem for finding in verify_store(filled_file))


def seal_anew(store: Store) -> None:
    """Make the chain fit the rows, whatever they are."""
    with raw(store, guarded=False) as run:
        prev = chain.FIRST
        for tx, created in run("SELECT tx, created FROM transactions ORDER BY tx"):
            rows = {
                table: run(f"SELECT {columns} FROM {table} WHERE tx = ? ORDER BY {key}", tx)
                for table, (columns, key) in chain.TABLES.items()
            }
            entry = chain.seal(tx, created, prev, rows)
            run(
                "UPDATE transactions SET digest = ?, sums = ?, leaf = ? WHERE tx = ?",
                entry.digest,
                entry.sums,
                entry.leaf,
                tx,
            )
            prev = entry.leaf
        run("DELETE FROM checkpoints")
        run("DELETE FROM meta WHERE key <> 'store'")
    store.journal.path.unlink(missing_ok=True)


SENSELESS = [
    "attrs, no JSON", "attrs, other spelling", "attrs, very deep", "identity of what only hashes it", "unknown kind",
    "unknown evidence", "uid, no such form", "edge to nowhere", "edge's type, unknown", "edge's attrs, no JSON",
    "edge made late", "edge made early", "facet, no JSON", "facet's evidence, unknown", "version moved", "blob's size",
    "blob's name",
]  # fmt: skip


@pytest.mark.parametrize("what", SENSELESS)
def test_a_row_that_makes_no_sense_is_named_though_the_chain_holds_it(filled: Store, what: str) -> None:
    """As a program with a bug would have recorded it."""
    seal_anew(filled)
    assert verify_store(filled) == []
    changes, expected = TAMPERINGS[what]
    for sql, values in changes:
        tamper(filled, sql, *values)
    seal_anew(filled)
    expect(filled, [], expected)


# Changes that do not hide one another: each is named, whatever else is wrong.
TOGETHER = [
    "name", "edge's attrs", "facet's key", "blob's size", "version gone", "leaf", "checkpoint's root",
    "checksums of another", "edge made early", "facet smuggled in", "what is told of the journal",
]  # fmt: skip


def test_all_that_is_bad_is_named(filled: Store) -> None:
    another = one("UPDATE transactions SET sums = '' WHERE tx = 4"), ["transaction 4"]
    given = {**TAMPERINGS, "checksums of another": another}
    expect(
        filled,
        [change for what in TOGETHER for change in given[what][0]],
        [place for what in TOGETHER for place in given[what][1]],
    )


def test_a_row_that_was_changed_with_its_checksum_is_found(filled: Store) -> None:
    """And one that was made to fit its checksum, too: that proves nothing."""
    tamper(filled, "UPDATE nodes SET name = 'other' WHERE id = 3")
    with raw(filled, guarded=False) as run:
        rows = {
            table: run(f"SELECT {columns} FROM {table} WHERE tx = 2 ORDER BY {key}")
            for table, (columns, key) in chain.TABLES.items()
        }
        sums = chain.pack({table: chain.lines_of(found) for table, found in rows.items()})
        run("UPDATE transactions SET sums = ? WHERE tx = 2", sums)
        assert places(verify_store(filled)) == ["transaction 2"]
        (prev, _), (_, created) = run("SELECT leaf, created FROM transactions WHERE tx <= 2 ORDER BY tx")
        forged = chain.seal(2, created, prev, rows)
        run("UPDATE transactions SET digest = ?, leaf = ? WHERE tx = 2", forged.digest, forged.leaf)
    found = places(verify_store(filled))
    assert "transaction 3" in found, "it names the leaf before it"
    assert {"checkpoint 6", "checkpoint 7", "checkpoint 6 of the journal"} <= set(found)


Rows = dict[str, list[tuple[Any, ...]]]
NEWEST_LAST = [*chain.TABLES, "transactions", "checkpoints"]


def set_to(store: Store, rows: Rows) -> None:
    """Give the database other contents, but for ``meta``."""
    with raw(store, guarded=False) as run:
        for table in NEWEST_LAST:
            run(f"DELETE FROM {table}")
            for row in rows[table]:
                run(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", *row)


def test_a_newest_transaction_that_is_gone_is_noticed(filled: Store) -> None:
    for table in [*chain.TABLES, "transactions"]:
        tamper(filled, f"DELETE FROM {table} WHERE tx = 7")
    assert places(verify_store(filled)) == ["checkpoint 7", "checkpoint 7 of the journal"]
    tamper(filled, "DELETE FROM checkpoints WHERE size = 7")
    findings = verify_store(filled)
    assert places(findings) == ["checkpoint 7 of the journal", "checkpoint 7"]
    assert "has only 6 transactions: it was set back" in findings[0].problem


def test_a_database_set_back_by_one_transaction_is_noticed(filled: Store) -> None:
    before = contents(filled)
    filled.register("m", build)
    filled.note("recorded")
    set_to(filled, before)
    findings = verify_store(filled)
    assert places(findings) == ["checkpoint 8 of the journal", "checkpoint 8"]
    assert "was set back" in findings[0].problem
    filled.append([Node(kind=Kind.DATASET, identity={"id": "something else"})])
    filled.note("recorded")
    findings = verify_store(filled)
    assert places(findings) == ["checkpoint 8 of the journal"], "also once there is another transaction 8"
    assert "got the root" in findings[0].problem


def test_a_history_that_was_written_anew_is_noticed(filled: Store, tmp_path: Path) -> None:
    """With every row, digest, leaf and checkpoint as a program of ours would have made them."""
    with Store.open(tmp_path / "forged", create=True) as forged:
        for number in range(4):
            forged.blobs.put_bytes(b"content %d" % number)
            forged.register("m", build)
        set_alias(forged, "m", "prod", 3)  # was 2
        forged.append([], [LATE])
        forged.checkpoint()
        forged.register("m", build)
        forged.checkpoint()
        set_to(filled, contents(forged))
    assert filled.alias("m", "prod") == 3
    assert places(verify_store(filled)) == ["checkpoint 6 of the journal", "checkpoint 7 of the journal"]


# -- the journal ------------------------------------------------------------------------------------------------------


def test_a_journal_that_was_cut_back_is_noticed(filled: Store) -> None:
    for _ in range(3):
        filled.note("looked-at")
    lines = filled.journal.path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 5
    for kept in range(1, 4):
        filled.journal.path.write_bytes(b"".join(lines[:kept]))
        assert places(verify_store(filled)) == ["journal record 4"]
        filled.note("looked-at")
        assert "journal record 4" in places(verify_store(filled)), "also once it goes on"


@pytest.mark.parametrize("left", [b"", None])
def test_a_journal_that_is_gone_is_noticed(filled_file: Store, left: bytes | None) -> None:
    """Not in PostgreSQL, which other directories with journals of their own may share."""
    filled_file.journal.path.unlink()
    if left is not None:
        filled_file.journal.path.write_bytes(left)
    assert places(verify_store(filled_file)) == ["journal"]
    filled_file.note("begun anew")
    assert places(verify_store(filled_file)) == ["journal"]


def test_directories_that_share_a_database_have_journals_of_their_own(postgres_store: Store, tmp_path: Path) -> None:
    fill(postgres_store)
    assert isinstance(postgres_store.database, PostgresDatabase)
    with stores.pointing_to(postgres_store.database.url, tmp_path / "other") as other:
        assert verify_store(other) != [], "its blobs are elsewhere"
        assert all(place.startswith("blob ") for place in places(verify_store(other)))
        for store in (other, postgres_store, other, postgres_store):
            store.note("looked-at")
        assert all(place.startswith("blob ") for place in places(verify_store(other)))
    assert verify_store(postgres_store) == []


def test_a_copy_knows_the_journals_of_other_folders(filled_server: Store, tmp_path: Path) -> None:
    """Two folders share a server; one of them goes back to a file, which then knows both journals."""
    assert isinstance(filled_server.database, PostgresDatabase)
    with stores.pointing_to(filled_server.database.url, tmp_path / "other") as other:
        for _ in range(2):
            other.note("looked-at")
        shutil.copytree(filled_server.blobs.root, other.blobs.root, dirs_exist_ok=True)
        with contextlib.closing(empty_file(tmp_path / "other")) as file:
            copy(other.database, file, Silent())
    (tmp_path / "other" / backends.POINTER).unlink()
    with Store.open(tmp_path / "other") as back:
        assert verify_store(back) == []
        back.note("looked-at")
        assert verify_store(back) == []
        lines = back.journal.path.read_bytes().splitlines(keepends=True)
        back.journal.path.write_bytes(lines[0])
        assert places(verify_store(back)) == ["journal record 2"]


def empty_file(root: Path) -> SqliteDatabase:
    """An empty database beside what is in ``root``."""
    backends.make_file(root / backends.FILE)
    return SqliteDatabase(root / backends.FILE)


# -- while others write -----------------------------------------------------------------------------------------------


class Overtaken(Journal):
    """Somebody else records, and notes it, before and after it is read."""

    def __init__(self, journal: Journal, act: Callable[[], object]) -> None:
        super().__init__(journal.path)
        self._act = act

    def records(self) -> list[Record]:
        self._act()
        found = super().records()
        self._act()
        return found


def test_what_others_record_meanwhile_is_no_finding(filled: Store) -> None:
    with Store.open(filled.root) as other:

        def record() -> None:
            other.register("m", build)
            other.note("recorded")
            other.note("looked-at")

        filled.journal = Overtaken(filled.journal, record)
        assert verify_store(filled) == []
        assert len(other.models()) == 9, "twice for each time the journal is read"
