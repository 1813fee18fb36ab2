"""A store whose lineage is a file: opening it, and what can be wrong with the file or its directory."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests_support.stores import DATA, build, contents, node, raw, tamper

from replay.errors import ConfigError, StoreBusyError, StoreCorruptError, StoreError, UsageError
from replay.lineage import Kind, Node
from replay.store import backends, sqlite
from replay.store.database import Store


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    return sqlite_store


def file_of(store: Store) -> Path:
    assert isinstance(store.database, sqlite.SqliteDatabase)
    return store.database.path


def forget(store: Store) -> None:
    """Close it and remove its database."""
    store.close()
    for path in store.root.glob("lineage.db*"):
        path.unlink()


def test_a_new_store_is_found_and_ignored_by_git(store: Store, tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    assert Store.find(tmp_path / "deep/er") == store.root == tmp_path / ".replay"
    assert Store.find(Path("/")) is None
    assert (store.root / ".gitignore").read_text() == "*\n"
    assert store.models() == []


def test_a_store_of_another_repository_is_not_found(store: Store, tmp_path: Path) -> None:
    (tmp_path / "vendored/.git").mkdir(parents=True)
    (tmp_path / "vendored/deep").mkdir()
    assert Store.find(tmp_path / "vendored/deep") is None
    assert Store.find(tmp_path) == store.root


def test_two_stores_have_two_ids_and_one_keeps_its_own(store: Store, tmp_path: Path) -> None:
    with Store.open(tmp_path / "other", create=True) as other, Store.open(store.root, create=True) as again:
        assert len({store.id, other.id, again.id}) == 2
        assert store.id == again.id
    assert len(store.id) == 26


def test_the_reader_cannot_write(store: Store) -> None:
    with contextlib.closing(sqlite.connect(file_of(store))) as reader, pytest.raises(sqlite3.OperationalError):
        reader.execute("INSERT INTO meta VALUES ('', '')")


def test_a_missing_store_has_a_hint(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no store here") as caught:
        Store.open(tmp_path / ".replay")
    assert "replay record" in (caught.value.hint or "")
    assert not (tmp_path / ".replay").exists(), "reading makes nothing"


@pytest.mark.parametrize("create", [False, True])
@pytest.mark.parametrize("content", [b"", b"no database, but long enough", b"SQLite format 3\0" + b"\xff" * 2000])
def test_a_file_that_is_no_database_is_refused_and_kept(store: Store, content: bytes, create: bool) -> None:
    forget(store)
    file_of(store).write_bytes(content)
    with pytest.raises(StoreCorruptError, match=r"lineage\.db") as caught:
        Store.open(store.root, create=create)
    assert caught.value.hint
    assert file_of(store).read_bytes() == content


def test_a_foreign_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".replay").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / ".replay/lineage.db")) as other:
        other.execute("CREATE TABLE t (x)")
    for create in (False, True):
        with pytest.raises(StoreCorruptError, match="application id"):
            Store.open(tmp_path / ".replay", create=create)


def test_a_database_that_is_gone_is_not_begun_anew(store: Store) -> None:
    store.register("momentum", build)
    store.note("recorded")
    forget(store)
    with pytest.raises(StoreCorruptError, match="is gone") as caught:
        Store.open(store.root, create=True)
    assert "backup" in (caught.value.hint or "")
    assert not file_of(store).exists()


def test_a_busy_database_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a program that takes no turns."""
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    store.append([DATA])
    with contextlib.closing(sqlite.connect(file_of(store), write=True)) as other:
        other.execute("BEGIN IMMEDIATE")
        with Store.open(store.root) as second, pytest.raises(StoreBusyError) as caught:
            second.register("momentum", build)
        assert "again" in (caught.value.hint or "")
        assert store.node(DATA.uid) == DATA, "readers are never blocked"
        other.execute("ROLLBACK")
    assert store.register("momentum", build) == 1


def test_a_file_that_somebody_keeps_for_himself_is_busy_and_not_corrupt(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    store.close()
    with contextlib.closing(sqlite.connect(file_of(store), write=True)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreBusyError):
            Store.open(store.root)


def test_a_full_disk_is_told_and_loses_nothing(store: Store) -> None:
    store.register("momentum", build)
    database = store.database
    assert isinstance(database, sqlite.SqliteDatabase)
    before = contents(store)
    big = Node(kind=Kind.RUN, identity={"id": "big"}, attrs={"log": "x" * 5_000_000})
    writer = database._write_connection()  # the page limit is the disk's end
    pages = writer.execute("PRAGMA page_count").fetchone()[0]
    writer.execute(f"PRAGMA max_page_count = {pages + 10}")
    with pytest.raises(StoreError, match="full") as caught:
        store.append([big])
    assert "nothing was half-written" in (caught.value.hint or "")
    assert contents(store) == before
    writer.execute("PRAGMA max_page_count = 1000000")
    assert store.register("momentum", build) == 2
    store.append([big])
    assert store.node(big.uid) == big


# -- who may write ----------------------------------------------------------------------------------------------------


@pytest.fixture
def others() -> Iterator[Path]:
    """The store of somebody else, in a directory where only he may write."""
    with tempfile.TemporaryDirectory() as made:
        Path(made).chmod(0o755)
        root = Path(made) / ".replay"
        with Store.open(root, create=True) as store:
            store.register("momentum", build)
        for path in (*root.iterdir(), root):
            path.chmod(0o555)
        yield root
        root.chmod(0o755)


def as_plain_user(work: Callable[[], object]) -> str:
    """What ``work`` returns or raises in a child that is not root, who may write everywhere."""
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            said = repr(work())
        except StoreError as error:
            said = f"{error} HINT {error.hint}"
        except BaseException as error:
            said = f"UNEXPECTED {error!r}"
        os.write(sending, said.encode())
        os._exit(0)
    os.close(sending)
    with os.fdopen(receiving) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def test_a_store_that_cannot_be_written_is_refused(others: Path) -> None:
    said = as_plain_user(lambda: Store.open(others))
    assert "is read-only, expected write permission HINT even readers share" in said


def test_the_store_of_somebody_else_can_be_read(others: Path) -> None:
    def read() -> object:
        with Store.open(others, read_only=True) as store:
            return len(store.closure(store.models()[0].uid).nodes)

    before = {path.name: path.stat().st_mtime_ns for path in others.iterdir()}
    assert as_plain_user(read) == "4"
    assert {path.name: path.stat().st_mtime_ns for path in others.iterdir()} == before


def test_nothing_is_written_into_a_store_opened_for_reading(store: Store) -> None:
    store.append([DATA])
    before = contents(store)
    with Store.open(store.root, read_only=True) as other:
        assert other.node(DATA.uid) == DATA
        for write in (
            lambda: other.append([node(Kind.RUN, id="x")]),
            lambda: other.register("momentum", build),
            lambda: other.load([([DATA], [])]),
            other.checkpoint,
            lambda: other.note("looked-at"),
        ):
            with pytest.raises(StoreError, match="for reading only") as caught:
                write()
            assert caught.value.hint
    assert contents(store) == before
    assert store.journal.records() == []


# -- damage -----------------------------------------------------------------------------------------------------------


def test_a_damaged_page_is_an_error_of_ours(store: Store) -> None:
    store.append([node(Kind.DATASET, id=str(i)) for i in range(2000)])
    store.close()
    size = file_of(store).stat().st_size
    with file_of(store).open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    with pytest.raises(StoreCorruptError), Store.open(store.root) as damaged:
        damaged.find_prefix("0000")


@pytest.mark.parametrize(
    "change",
    [
        "name = CAST(x'ff' AS TEXT)",
        "kind = 99",
        "attrs = '{'",
        "attrs = '{\"a\":' || (SELECT group_concat('[', '') FROM (WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL "
        "SELECT x + 1 FROM n WHERE x < 100000) SELECT x FROM n))",
        "evidence = 'dreamt:'",
        "uid = x'63' || uid",
        "uid = id",
        "identity = '[]'",
    ],
)
def test_a_row_that_was_never_written_so_is_an_error_of_ours(store: Store, change: str) -> None:
    store.register("momentum", build)
    tamper(store, f"UPDATE nodes SET {change} WHERE kind IN (6, 8)")
    with pytest.raises(StoreCorruptError) as caught:
        store.closure(DATA.uid, direction="down")
    assert caught.value.hint


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"{}", b'{"url": null}', b'{"url": ["postgresql://ann:s3cret@host/db"]}', b"\xff"],
)
def test_a_file_that_names_no_server_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / backends.POINTER).write_bytes(content)
    with pytest.raises(ConfigError, match=r"store\.json: cannot be read") as caught:
        Store.open(tmp_path)
    assert "replay store init" in (caught.value.hint or "")
    assert "s3cret" not in str(caught.value)


def test_the_address_of_a_server_is_for_its_owner_alone(tmp_path: Path) -> None:
    backends.point_to(tmp_path, "postgresql://ann:s3cret@host/db")
    assert (tmp_path / backends.POINTER).stat().st_mode & 0o777 == 0o600
    assert json.loads((tmp_path / backends.POINTER).read_bytes()) == {"url": "postgresql://ann:s3cret@host/db"}
    assert backends.url_of(tmp_path) == "postgresql://ann:s3cret@host/db"


def test_a_file_that_lost_its_log_gets_it_back(store: Store) -> None:
    """As after a load that was killed."""
    store.close()
    with contextlib.closing(sqlite.connect(file_of(store), write=True)) as other:
        assert other.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    with Store.open(store.root) as again:
        again.append([DATA])
        with raw(again) as run:
            assert run("PRAGMA journal_mode") == [("wal",)]
