"""The audit of a store's files: blobs, journal and database. Changed rows are in `test_store_tampering`."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests_support.stores import build, contents, set_alias

from replay.errors import StoreError
from replay.lineage import Kind, Node
from replay.store import sqlite
from replay.store.database import Store
from replay.store.verify import verify_store


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    for number in range(4):
        sqlite_store.blobs.put_bytes(b"content %d " % number * 20)
        sqlite_store.register("momentum", build)
        sqlite_store.note("recorded", version=number + 1)
    set_alias(sqlite_store, "momentum", "prod", 2)
    sqlite_store.note("looked-at", by="somebody")
    return sqlite_store


def file_of(store: Store) -> Path:
    assert isinstance(store.database, sqlite.SqliteDatabase)
    return store.database.path


def test_a_good_store_has_no_findings(store: Store) -> None:
    assert verify_store(store) == []
    with Store.open(store.root, read_only=True) as other:
        assert verify_store(other) == []


def test_an_empty_store_has_no_findings(tmp_path: Path) -> None:
    with Store.open(tmp_path / "empty", create=True) as empty:
        assert verify_store(empty) == []


def test_verifying_changes_nothing(store: Store) -> None:
    before = {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file() and "-shm" not in path.name}
    assert verify_store(store) == []
    after = {path: path.read_bytes() for path in store.root.rglob("*") if path.is_file() and "-shm" not in path.name}
    assert before == after
    assert store.register("momentum", build) == 5, "and it can be written as before"


# -- blobs and journal ------------------------------------------------------------------------------------------------


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
    for round_ in range(200):
        path = files[round_ % len(files)]
        position, bit = chance.randrange(path.stat().st_size), chance.randrange(8)
        flip(path, position, bit)
        findings = verify_store(store)
        assert findings, f"{path} byte {position} bit {bit}"
        if path != store.journal.path:
            assert [f.place for f in findings] == [f"blob {path.parent.name}{path.name}"]
        flip(path, position, bit)
    assert verify_store(store) == []


def any_blob(store: Store) -> Path:
    return store.blobs.path(next(store.blobs.iter_ids()))


def number_of_blobs(store: Store) -> int:
    return len(list(store.blobs.iter_ids()))


def become_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def become_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


DAMAGES: dict[str, tuple[Callable[[Store], object], str]] = {
    "blob gone": (lambda s: any_blob(s).unlink(), "blob "),
    "blob empty": (lambda s: (any_blob(s).chmod(0o644), any_blob(s).write_bytes(b"")), "blob "),
    "blob a FIFO": (lambda s: become_fifo(any_blob(s)), "blob "),
    "blob a link": (lambda s: become_link(any_blob(s)), "blob "),
    "blob a directory": (lambda s: (path := any_blob(s), path.unlink(), path.mkdir()), "blob "),
    "all blobs gone": (lambda s: shutil.rmtree(s.blobs.root), "blob "),
    "foreign file": (lambda s: (any_blob(s).parent / "stray").write_bytes(b""), "/"),
    "journal gone": (lambda s: s.journal.path.unlink(), "journal"),
    "journal empty": (lambda s: s.journal.path.write_bytes(b""), "journal"),
    "journal a directory": (lambda s: (s.journal.path.unlink(), s.journal.path.mkdir()), "journal"),
    "journal no text": (lambda s: s.journal.path.write_bytes(b"\xff\0\n" * 3), "journal line 1"),
    "journal very deep": (lambda s: s.journal.path.write_bytes(b"[" * 100_000 + b"\n"), "journal line 1"),
    "journal of another store": (
        lambda s: s.journal.path.write_bytes(s.journal.path.read_bytes()[:-9]),
        "journal line",
    ),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_missing_and_foreign_files_are_named(store: Store, what: str) -> None:
    damage, place = DAMAGES[what]
    damage(store)
    findings = verify_store(store)
    assert any(finding.place.startswith(place) for finding in findings), findings


def test_all_blobs_that_are_bad_are_named(store: Store) -> None:
    ids = list(store.blobs.iter_ids())
    assert len(ids) == 4
    flip(store.blobs.path(ids[0]), 3, 1)
    store.blobs.path(ids[1]).unlink()
    flip(store.blobs.path(ids[2]), 3, 1)
    flip(store.journal.path, 40, 1)
    places = {finding.place for finding in verify_store(store)}
    assert {f"blob {ids[0]}", f"blob {ids[1]}", f"blob {ids[2]}", "journal line 1"} <= places
    assert f"blob {ids[3]}" not in places


# -- the file of the database -----------------------------------------------------------------------------------------


def test_a_database_set_back_is_noticed(store: Store, tmp_path: Path) -> None:
    store.close()
    shutil.copy(file_of(store), tmp_path / "old.db")
    with Store.open(store.root) as later:
        later.register("momentum", build)
        later.note("recorded")
    for path in store.root.glob("lineage.db*"):
        path.unlink()
    shutil.copy(tmp_path / "old.db", file_of(store))
    with Store.open(store.root) as back:
        places = [finding.place for finding in verify_store(back)]
    assert places == ["checkpoint 6 of the journal", "checkpoint 6"]


def test_a_database_set_back_with_its_journal_is_not_noticed(store: Store, tmp_path: Path) -> None:
    """Which is what `verify` says of itself: a copy of the journal's last line, kept elsewhere, tells."""
    store.close()
    kept = {path: path.read_bytes() for path in (file_of(store), store.journal.path)}
    with Store.open(store.root) as later:
        later.register("momentum", build)
        last = later.note("recorded")
    for path in store.root.glob("lineage.db*"):
        path.unlink()
    for path, content in kept.items():
        path.write_bytes(content)
    with Store.open(store.root) as back:
        assert verify_store(back) == []
        assert last.hash not in {record.hash for record in back.journal.records()}


def damaged_in(store: Store, data: bytes) -> int:
    """How many findings a store with this database has; an error of ours is one."""
    for path in store.root.glob("lineage.db*"):
        path.unlink()
    file_of(store).write_bytes(data)
    try:
        with Store.open(store.root) as damaged:
            return len(verify_store(damaged))
    except StoreError:
        return 1


def test_flipped_bits_of_the_database_never_raise(store: Store) -> None:
    store.append([Node(kind=Kind.DATASET, identity={"id": str(i)}, attrs={"n": i}) for i in range(400)])
    store.close()
    good = file_of(store).read_bytes()
    assert damaged_in(store, good) == 0
    chance = random.Random(11)
    noticed = 0
    for _ in range(150):
        data = bytearray(good)
        for _ in range(chance.choice([1, 4, 400])):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        noticed += bool(damaged_in(store, data))
    assert noticed > 100, "some of the file is free space, where a bit means nothing"


def test_a_database_that_was_cut_off_never_raises(store: Store) -> None:
    store.close()
    good = file_of(store).read_bytes()
    chance = random.Random(13)
    for _ in range(20):
        assert damaged_in(store, good[: chance.randrange(len(good))])


def test_a_flipped_bit_of_the_log_never_raises(store: Store) -> None:
    """What was written since the log was last emptied lies there; SQLite drops what does not fit its checksums."""
    root = store.root
    with Store.open(root) as writer:
        writer.register("momentum", build)
        writer.note("recorded")
        whole = contents(writer)
        files = {path.name: path.read_bytes() for path in root.glob("lineage.db*") if path.suffix != ".db-shm"}
    store.close()
    assert len(files["lineage.db-wal"]) > 1000
    chance = random.Random(17)
    for _ in range(40):
        log = bytearray(files["lineage.db-wal"])
        log[chance.randrange(len(log))] ^= 1 << chance.randrange(8)
        for path in root.glob("lineage.db*"):
            path.unlink()
        (root / "lineage.db").write_bytes(files["lineage.db"])
        (root / "lineage.db-wal").write_bytes(log)
        with Store.open(root) as damaged:
            found = verify_store(damaged)
            lost = contents(damaged) != whole
        assert bool(found) == lost, "what is lost is noticed, by the checkpoints in the journal"
