from __future__ import annotations

import contextlib
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from replay.errors import StoreError
from replay.lineage import Edge, EdgeType, Kind, Node
from replay.store import sqlite
from replay.store.database import Store
from replay.store.verify import verify_store


def build(version: int) -> tuple[list[Node], list[Edge], str]:
    model = Node(kind=Kind.MODEL, identity={"sha256": f"{version:064x}"}, attrs={"path": "model.txt"}, name="model")
    registered = Node(kind=Kind.MODEL_VERSION, identity={"name": "m", "version": str(version)})
    edge = Edge(source=registered.uid, type=EdgeType.DERIVED_FROM, target=model.uid, role="model", attrs={"a": "b"})
    return [model, registered], [edge], registered.uid


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path / ".replay", create=True) as opened:
        for number in range(4):
            opened.blobs.put_bytes(b"content %d " % number * 20)
            opened.register("m", build)
        opened.set_alias("m", "prod", 2)
        opened.journal.append("looked-at", by="somebody")
        yield opened


def test_a_good_store_has_no_findings(store: Store) -> None:
    assert verify_store(store) == []


def test_an_empty_store_has_no_findings(tmp_path: Path) -> None:
    with Store.open(tmp_path / "empty", create=True) as empty:
        assert verify_store(empty) == []


def flip(path: Path, position: int, bit: int) -> None:
    mode = path.stat().st_mode
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    path.write_bytes(data)
    path.chmod(mode)


def test_every_flipped_bit_of_blobs_and_journal_is_noticed(store: Store) -> None:
    chance = random.Random(7)
    files = [store.journal.path, *(store.blobs.path(sha256) for sha256 in store.blobs.iter_ids())]
    for round_ in range(300):
        path = files[round_ % len(files)]
        position, bit = chance.randrange(path.stat().st_size), chance.randrange(8)
        flip(path, position, bit)
        findings = verify_store(store)
        assert findings, f"{path} byte {position} bit {bit}"
        if path != store.journal.path:
            assert [f.place for f in findings] == [f"blob {path.parent.name}{path.name}"]
        flip(path, position, bit)
    assert verify_store(store) == []


TAMPERINGS = {
    "attrs": 'UPDATE nodes SET attrs = \'{"path":"other.txt"}\' WHERE id = 3',
    "attrs, no JSON": "UPDATE nodes SET attrs = '{' WHERE id = 3",
    "attrs, other spelling": 'UPDATE nodes SET attrs = \'{ "path":"model.txt"}\' WHERE id = 3',
    "name": "UPDATE nodes SET name = 'other' WHERE id = 3",
    "identity": 'UPDATE nodes SET identity = \'{"sha256":"00"}\' WHERE id = 3',
    "kind": "UPDATE nodes SET kind = 'dataset' WHERE id = 3",
    "unknown kind": "UPDATE nodes SET kind = 'nonsense' WHERE id = 3",
    "kind, wrong type": "UPDATE nodes SET kind = x'ff00' WHERE id = 3",
    "name, no UTF-8": "UPDATE nodes SET name = CAST(x'ff' AS TEXT) WHERE id = 3",
    "evidence": "UPDATE nodes SET evidence = 'asserted' WHERE id = 3",
    "uid": "UPDATE nodes SET uid = zeroblob(32) WHERE id = 3",
    "uid, wrong type": "UPDATE nodes SET uid = 7 WHERE id = 3",
    "node gone": "DELETE FROM nodes WHERE id = 3",
    "node moved to another transaction": "UPDATE nodes SET tx = 1 WHERE id = 3",
    "edge gone": "DELETE FROM edges WHERE younger = 4",
    "edge to nowhere": "UPDATE edges SET older = 99 WHERE younger = 4",
    "edge turned": "UPDATE edges SET older = 1 WHERE younger = 4",
    "edge's role": "UPDATE edges SET role = 'other' WHERE younger = 4",
    "edge's attrs": "UPDATE edges SET attrs = '{}' WHERE younger = 4",
    "version moved": "UPDATE model_versions SET node = 3 WHERE version = 2",
    "version gone": "DELETE FROM model_versions WHERE version = 2",
    "version renumbered": "UPDATE model_versions SET version = 9 WHERE version = 2",
    "newest version gone": "DELETE FROM model_versions WHERE version = 4",
    "alias": "UPDATE alias_moves SET version = 1",
    "alias gone": "DELETE FROM alias_moves",
    "blob forgotten": "DELETE FROM blobs WHERE size = (SELECT min(size) FROM blobs)",
    "blob's size": "UPDATE blobs SET size = 5",
    "look-up": "UPDATE identities SET value = 'f' WHERE node = 3",
    "look-up gone": "DELETE FROM identities WHERE node = 3",
    "transaction": "UPDATE transactions SET digest = zeroblob(32) WHERE tx = 2",
    "transaction gone": "DELETE FROM transactions WHERE tx = 2",
    "row smuggled in": "INSERT INTO alias_moves (name, alias, version, tx) VALUES ('m', 'evil', 1, 2)",
    "transaction smuggled in": "INSERT INTO transactions VALUES (6, '', zeroblob(32))",
    "table gone": "DROP TABLE edges",
    "all tables gone": "DROP TABLE nodes; DROP TABLE transactions",
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_every_change_of_a_row_is_noticed(store: Store, what: str) -> None:
    with contextlib.closing(sqlite.connect(store.database, write=True)) as raw:
        raw.execute("PRAGMA foreign_keys = OFF")
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        raw.executescript(TAMPERINGS[what])
    findings = verify_store(store)
    assert findings
    assert all(finding.place and finding.problem for finding in findings)


DAMAGES: dict[str, Callable[[Store], object]] = {
    "blob gone": lambda s: s.blobs.path(next(s.blobs.iter_ids())).unlink(),
    "all blobs gone": lambda s: shutil.rmtree(s.blobs.root),
    "foreign file": lambda s: (s.blobs.path(next(s.blobs.iter_ids())).parent / "stray").write_bytes(b""),
    "journal gone": lambda s: s.journal.path.unlink(),
    "journal empty": lambda s: s.journal.path.write_bytes(b""),
    "journal is a directory": lambda s: (s.journal.path.unlink(), s.journal.path.mkdir()),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_missing_and_foreign_files_are_named(store: Store, what: str) -> None:
    DAMAGES[what](store)
    assert verify_store(store)


def test_a_blob_that_became_a_fifo_is_named(store: Store) -> None:
    path = store.blobs.path(next(store.blobs.iter_ids()))
    path.unlink()
    os.mkfifo(path)
    assert any("FIFO" in finding.problem for finding in verify_store(store))


def test_a_journal_cut_back_is_noticed(store: Store) -> None:
    lines = store.journal.path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 6
    for kept in range(5):  # the last line is about no transaction: only a copy kept elsewhere tells
        store.journal.path.write_bytes(b"".join(lines[:kept]))
        assert verify_store(store), f"{kept} lines kept"


def test_a_database_set_back_is_noticed(store: Store, tmp_path: Path) -> None:
    store.close()
    shutil.copy(store.database, tmp_path / "old.db")
    with Store.open(store.root) as later:
        for _ in range(2):
            later.register("m", build)
    for path in store.root.glob("lineage.db*"):
        path.unlink()
    shutil.copy(tmp_path / "old.db", store.database)
    with Store.open(store.root) as back:
        assert [f.place for f in verify_store(back)] == ["transaction 7"]


def test_bad_bytes_in_the_database_never_raise(store: Store) -> None:
    store.close()
    good = store.database.read_bytes()
    chance = random.Random(11)
    noticed = 0
    for _ in range(150):
        data = bytearray(good)
        for _ in range(chance.choice([1, 4, 400])):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        for path in store.root.glob("lineage.db*"):
            path.unlink()
        store.database.write_bytes(data)
        try:
            with Store.open(store.root) as damaged:
                noticed += bool(verify_store(damaged))
        except StoreError:
            noticed += 1
    assert noticed > 50, "most of the file is free space, where a bit means nothing"


def test_all_that_is_bad_is_named(store: Store) -> None:
    ids = list(store.blobs.iter_ids())
    flip(store.blobs.path(ids[0]), 3, 1)
    flip(store.blobs.path(ids[2]), 3, 1)
    flip(store.journal.path, 40, 1)
    places = {finding.place for finding in verify_store(store)}
    assert {f"blob {ids[0]}", f"blob {ids[2]}", "journal line 1"} <= places
