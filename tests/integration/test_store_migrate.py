"""From older releases to this one: nothing is lost, nothing is half-done, and what is damaged is named."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests_support import stores, version1
from tests_support.forking import driven
from tests_support.postgres import Server
from tests_support.stores import build, contents

from replay.engine import recipe_of
from replay.errors import StoreBusyError, StoreCorruptError, StoreError, UsageError
from replay.identity import ModelId
from replay.lineage import EdgeType, Evidence, Kind, agent_node, group_node
from replay.progress import Silent
from replay.session import Session
from replay.store import migrating, standing, upgrading
from replay.store.database import Store
from replay.store.journal import Journal
from replay.store.upgrading import Upgraded, upgrade
from replay.store.v1 import migrate
from replay.store.verify import verify_store


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The ``.replay`` folder of release 0.1, in a repository."""
    (tmp_path / ".git").mkdir()
    version1.lay_out(tmp_path / ".replay")
    return tmp_path / ".replay"


def migrated(root: Path, *, dry_run: bool = False) -> Upgraded:
    return upgrade(root, None, dry_run=dry_run, progress=Silent())


def tamper(root: Path, *statements: str) -> None:
    """Change the old database past its triggers."""
    with contextlib.closing(sqlite3.connect(root / "lineage.db")) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for sql in statements:
            connection.executescript(sql)
        connection.commit()


def listing(root: Path) -> list[str]:
    """The names of everything in a folder but locks and blobs."""
    found = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    return sorted(name for name in found if not name.endswith((".lock", ".queue")) and not name.startswith("blobs/"))


# -- nothing is lost --------------------------------------------------------------------------------------------------


def test_every_row_is_there_in_its_transaction_at_its_time(old: Path) -> None:
    before = {
        table: version1.rows(old / "lineage.db", f"SELECT tx, count(*) FROM {table} GROUP BY tx ORDER BY tx")
        for table in ("nodes", "edges", "model_versions", "alias_moves", "blobs")
    }
    times = version1.rows(old / "lineage.db", "SELECT tx, created FROM transactions ORDER BY tx")
    done = migrated(old)
    assert (done.changed, done.found, done.rows["transactions"]) == (True, "release 0.1", 7)
    with Store.open(old) as store:
        run = store.database.rows
        assert run("SELECT tx, created FROM transactions ORDER BY tx") == times
        counted = {
            table: dict(run(f"SELECT tx, count(*) FROM {table} GROUP BY tx ORDER BY tx"))
            for table in ("nodes", "edges", "facets", "model_versions", "blobs")
        }
        # Besides: the group and the recorder with the first execution; each version's and execution's edge to them.
        assert counted["nodes"] == {**dict(before["nodes"]), 1: dict(before["nodes"])[1] + 2}
        assert counted["edges"] == {tx: n + 2 if tx <= 3 else n for tx, n in before["edges"]}
        assert counted["facets"] == dict(before["alias_moves"])
        assert counted["model_versions"] == dict(before["model_versions"])
        assert counted["blobs"] == dict(before["blobs"])


def test_nodes_keep_what_they_said(old: Path) -> None:
    nodes = version1.rows(old / "lineage.db", "SELECT kind, name, identity, attrs FROM nodes WHERE kind <> 'action'")
    migrated(old)
    with Store.open(old) as store:
        kept = {
            (node.kind.value, node.name, json.dumps(node.identity, sort_keys=True)): node
            for node in (store.node(uid) for uid in _uids(store))
        }
        for kind, name, identity, attrs in nodes:
            node = kept[str(kind), str(name), json.dumps(json.loads(str(identity)), sort_keys=True)]
            assert {key: node.attrs[key] for key in json.loads(str(attrs))} == json.loads(str(attrs))
            more = {"commit", "grade"} if kind == "model_version" else set()
            assert node.attrs.keys() == json.loads(str(attrs)).keys() | more
            assert node.evidence is Evidence.RECORDED


def _uids(store: Store) -> list[str]:
    from replay.uid import text_of

    return [text_of(raw) for (raw,) in store.database.rows("SELECT uid FROM nodes ORDER BY id")]


def test_only_these_become_something_else(old: Path) -> None:
    migrated(old)
    with Store.open(old) as store:
        replay = store.node(f"action:{version1.REPLAY}")
        assert (replay.kind, replay.type, replay.attrs["verdict"]) == (Kind.ACTION, "replay", "reproduced")
        first = store.model_version(ModelId.parse("trend:1"))
        assert [(e.type, n.uid) for e, n in store.neighbours(replay.uid)] == [(EdgeType.REPLAYS, first)]
        group, who = group_node("trend"), agent_node("root", "the operating system")
        assert store.node(group.uid) == group
        assert store.node(who.uid) == who
        for number, execution in enumerate(version1.EXECUTIONS, start=1):
            node = store.node(f"execution:{execution}")
            assert (node.kind, node.type) == (Kind.COLLECTION, "execution")
            up = [(e.type, e.role, n.uid) for e, n in store.neighbours(node.uid)]
            assert up == [(EdgeType.ACTED_BY, "recorder", who.uid)]
            version = store.model_version(ModelId.parse(f"trend:{number}"))
            groups = [e.role for e, n in store.neighbours(version) if n.uid == group.uid and e.type is EdgeType.PART_OF]
            assert groups == ["version"]


def test_aliases_keep_their_moves(old: Path) -> None:
    migrated(old)
    with Store.open(old) as store:
        moves = [(facet.key, facet.value, facet.recorded) for facet in store.history(group_node("trend").uid)]
        assert [move[:2] for move in moves] == [("alias:champion", 1), ("alias:challenger", 2), ("alias:champion", 2)]
        assert [time for *_, time in moves] == sorted(time for *_, time in moves)
        assert [(row.version, row.aliases) for row in store.models()] == [
            (1, ()),
            (2, ("challenger", "champion")),
            (3, ()),
        ]


def test_recipes_are_the_same_to_the_last_bit(old: Path) -> None:
    migrated(old)
    with Session.open(old.parent, overrides=(), progress=Silent(), create=False) as session:
        assert {id: recipe_of(id, session).recipe_id for id in version1.RECIPES} == version1.RECIPES
        assert recipe_of("trend@champion", session).model_id == "trend:2"


def test_a_model_version_says_its_commit_and_grade(old: Path) -> None:
    migrated(old)
    with Session.open(old.parent, overrides=(), progress=Silent(), create=False) as session:
        for id in version1.RECIPES:
            recipe = recipe_of(id, session)
            node = session.store.node(session.store.model_version(ModelId.parse(id)))
            assert node.attrs == {"commit": recipe.code.commit, "grade": recipe.grade.value}


def test_the_record_is_intact_and_the_journal_tells_of_it(old: Path) -> None:
    lines = Journal(old / "journal.jsonl").records()
    done = migrated(old)
    with Store.open(old) as store:
        assert verify_store(store) == []
        record = store.journal.records()[-1]
        checkpoint = store.checkpoint()
        assert checkpoint is not None
        assert store.journal.records()[:-1] == lines
        assert record.action == "migrated"
        assert record.fields == {
            "of": "release 0.1",
            "revision": "0001",
            "kept": "lineage.v1.db",
            "sha256": hashlib.sha256((old / "lineage.v1.db").read_bytes()).hexdigest(),
            "size": 7,
            "root": checkpoint.root.hex(),
        }
        assert done.sha256 == record.fields["sha256"]


def test_the_same_store_becomes_the_same_chain(tmp_path: Path) -> None:
    """So a checkpoint of a migration that was repeated still fits."""
    roots = []
    for name in "ab":
        version1.lay_out(tmp_path / name)
        migrated(tmp_path / name)
        with Store.open(tmp_path / name) as store:
            made = store.checkpoint()
            assert made is not None
            roots.append((made.size, made.root))
    assert roots[0] == roots[1]


def test_the_old_file_is_kept_as_it_was(old: Path, tmp_path: Path) -> None:
    before = list(_dump(old / "lineage.db"))
    migrated(old)
    assert list(_dump(old / "lineage.v1.db")) == before
    assert listing(old) == [".gitignore", "journal.jsonl", "lineage.db", "lineage.v1.db"]
    for name in ("lineage.v1.db", "journal.jsonl"):
        shutil.copy(old / name, tmp_path / name)
    back = tmp_path / "back"
    version1.lay_out(back)
    shutil.copy(old / "lineage.v1.db", back / "lineage.db")
    assert migrated(back).changed, "it can be put back"


def _dump(file: Path) -> Iterator[str]:
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        yield from connection.iterdump()


def test_recording_goes_on_afterwards(old: Path) -> None:
    from replay.lineage import Edge, Node

    migrated(old)

    def build(version: int) -> tuple[list[Node], list[Edge], str]:
        made = Node(kind=Kind.MODEL_VERSION, identity={"model": "trend", "version": str(version), "execution": "x"})
        return [made], [Edge(source=made.uid, type=EdgeType.PART_OF, target=group_node("trend").uid)], made.uid

    with Store.open(old) as store:
        assert store.register("trend", build) == 4
        assert verify_store(store) == []


def test_what_is_still_in_the_log_is_migrated_too(tmp_path: Path) -> None:
    """A program that was killed left its last transactions in the write-ahead log."""
    file = version1.lay_out(tmp_path / "whole")
    root = tmp_path / ".replay"
    shutil.copytree(tmp_path / "whole", root)
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        with connection:
            connection.execute("INSERT INTO alias_moves (name, alias, version, tx) VALUES ('trend', 'late', 3, 8)")
            digest = hashlib.sha256(_alias_digest("trend", "late", 3)).digest()
            connection.execute("INSERT INTO transactions VALUES (8, '2026-11-24T23:00:00.000000+00:00', ?)", (digest,))
        Journal(tmp_path / "whole/journal.jsonl").append("transaction", tx=8, digest=digest.hex(), rows=1)
        for name in ("lineage.db", "lineage.db-wal", "journal.jsonl"):
            shutil.copy(tmp_path / "whole" / name, root / name)
    assert (root / "lineage.db-wal").stat().st_size > 0
    assert migrated(root, dry_run=True).rows["transactions"] == 8
    assert migrated(root).rows["transactions"] == 8
    with Store.open(root) as store:
        assert store.models()[2].aliases == ("late",)
        assert verify_store(store) == []
    assert listing(root) == [".gitignore", "journal.jsonl", "lineage.db", "lineage.v1.db"]


def _alias_digest(name: str, alias: str, version: int) -> bytes:
    line = f'["alias","{name}","{alias}",{version}]'
    return hashlib.sha256(line.encode()).hexdigest().encode()


def test_times_that_go_back_are_said(old: Path) -> None:
    """Release 0.1 did not bind times; today's chain wants them in order."""
    tamper(old, "UPDATE transactions SET created = '2020-01-01T00:00:00.000000+00:00' WHERE tx = 4")
    done = migrated(old)
    assert done.notes == ("1 transactions had a time before the one before them, and have that one's now",)
    with Store.open(old) as store:
        assert verify_store(store) == []


# -- what is asked first ----------------------------------------------------------------------------------------------


def test_other_commands_say_what_to_do(old: Path) -> None:
    with pytest.raises(StoreError, match=r"release 0\.1") as caught:
        Store.open(old)
    assert "replay store migrate" in (caught.value.hint or "")
    assert not isinstance(caught.value, StoreCorruptError)


def test_a_dry_run_changes_nothing(old: Path) -> None:
    before = (old / "lineage.db").read_bytes()
    done = migrated(old, dry_run=True)
    assert (done.needed, done.changed, done.found) == (True, False, "release 0.1")
    assert done.rows == {
        "transactions": 7, "nodes": 27, "edges": 55, "model_versions": 3, "alias_moves": 3, "blobs": 2,
    }  # fmt: skip
    assert (old / "lineage.db").read_bytes() == before
    assert not (old / "lineage.v1.db").exists()


def test_a_second_time_there_is_nothing_to_do(old: Path) -> None:
    migrated(old)
    before = (old / "journal.jsonl").read_bytes()
    again = migrated(old)
    assert (again.changed, again.needed, again.found, again.notes) == (False, False, "revision 0001", ())
    assert (old / "journal.jsonl").read_bytes() == before


def test_no_store_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no store here"):
        migrated(tmp_path)


# -- what is damaged --------------------------------------------------------------------------------------------------

TAMPERINGS = {
    "attrs": "UPDATE nodes SET attrs = '{}' WHERE id = 3",
    "attrs, no JSON": "UPDATE nodes SET attrs = '{' WHERE id = 3",
    "name": "UPDATE nodes SET name = 'other' WHERE id = 3",
    "identity": 'UPDATE nodes SET identity = \'{"sha256":"00"}\' WHERE id = 3',
    "kind": "UPDATE nodes SET kind = 'dataset' WHERE id = 3",
    "unknown kind": "UPDATE nodes SET kind = 'nonsense' WHERE id = 3",
    "name, no UTF-8": "UPDATE nodes SET name = CAST(x'ff' AS TEXT) WHERE id = 3",
    "evidence": "UPDATE nodes SET evidence = 'asserted' WHERE id = 3",
    "uid": "UPDATE nodes SET uid = zeroblob(32) WHERE id = 3",
    "node gone": "DELETE FROM nodes WHERE id = 11",
    "node moved to another transaction": "UPDATE nodes SET tx = 2 WHERE id = 3",
    "edge gone": "DELETE FROM edges WHERE younger = 5",
    "edge to nowhere": "UPDATE edges SET older = 99 WHERE younger = 27",
    "edge's role": "UPDATE edges SET role = 'other' WHERE younger = 27",
    "edge's attrs": 'UPDATE edges SET attrs = \'{"a":"b"}\' WHERE younger = 27',
    "version moved": "UPDATE model_versions SET node = 3 WHERE version = 2",
    "version gone": "DELETE FROM model_versions WHERE version = 2",
    "version renumbered": "UPDATE model_versions SET version = 9 WHERE version = 2",
    "alias": "UPDATE alias_moves SET version = 1",
    "alias gone": "DELETE FROM alias_moves",
    "blob forgotten": "DELETE FROM blobs WHERE size = 0",
    "blob's size": "UPDATE blobs SET size = 5 WHERE size = 0",
    "look-up": "UPDATE identities SET value = 'f' WHERE node = 3",
    "look-up gone": "DELETE FROM identities WHERE node = 3",
    "transaction": "UPDATE transactions SET digest = zeroblob(32) WHERE tx = 2",
    "transaction gone": "DELETE FROM transactions WHERE tx = 2",
    "transaction and its rows gone": "DELETE FROM alias_moves WHERE tx = 6; DELETE FROM transactions WHERE tx = 6",
    "newest transaction gone": "DELETE FROM alias_moves WHERE tx > 5; DELETE FROM transactions WHERE tx > 5",
    "row smuggled in": "INSERT INTO alias_moves (name, alias, version, tx) VALUES ('trend', 'evil', 1, 5)",
    "transaction smuggled in": "INSERT INTO transactions VALUES (8, '2026', zeroblob(32))",
    "table gone": "DROP TABLE edges",
    "all tables gone": "DROP TABLE nodes; DROP TABLE transactions",
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_a_damaged_file_is_refused_and_stays(old: Path, what: str) -> None:
    tamper(old, TAMPERINGS[what])
    before = (old / "lineage.db").read_bytes()
    for dry_run in (True, False):
        with pytest.raises(StoreCorruptError, match=r"not as release 0\.1 wrote it: .+") as caught:
            migrated(old, dry_run=dry_run)
    assert "backup" in (caught.value.hint or "")
    assert version1.rows(old / "lineage.db", "PRAGMA user_version") == [(1,)]
    assert listing(old) == [".gitignore", "journal.jsonl", "lineage.db"]
    with contextlib.closing(sqlite3.connect(old / "lineage.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    assert (old / "lineage.db").read_bytes()[100:] == before[100:], "but for how it is opened"


def test_the_message_names_the_row(old: Path) -> None:
    tamper(old, TAMPERINGS["alias"])
    with pytest.raises(StoreCorruptError, match="transaction 6: got rows with digest"):
        migrated(old)


@pytest.mark.parametrize("lines", [0, 1, 5, 8])
def test_a_journal_cut_back_is_noticed(old: Path, lines: int) -> None:
    kept = (old / "journal.jsonl").read_bytes().splitlines(keepends=True)[:lines]
    (old / "journal.jsonl").write_bytes(b"".join(kept))
    with pytest.raises(StoreCorruptError, match="the journal has None"):
        migrated(old)


def test_what_today_does_not_keep_is_refused(old: Path) -> None:
    """A text with a NUL, which PostgreSQL would not take: release 0.1 took it."""
    with contextlib.closing(sqlite3.connect(old / "lineage.db")) as connection, connection:
        digest = hashlib.sha256(hashlib.sha256(b'["alias","tre\\u0000nd","a",1]').hexdigest().encode()).digest()
        connection.execute("INSERT INTO alias_moves (name, alias, version, tx) VALUES (?, 'a', 1, 8)", ("tre\0nd",))
        connection.execute("INSERT INTO transactions VALUES (8, '2027-01-01T00:00:00.000000+00:00', ?)", (digest,))
    Journal(old / "journal.jsonl").append("transaction", tx=8, digest=digest.hex(), rows=1)
    with pytest.raises(StoreError, match="transaction 8"):
        migrated(old)
    assert version1.rows(old / "lineage.db", "PRAGMA user_version") == [(1,)]
    assert listing(old) == [".gitignore", "journal.jsonl", "lineage.db"]


# -- others, and what comes between -----------------------------------------------------------------------------------


def test_another_process_that_uses_it_is_waited_for_and_told(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "WAIT_MS", 50)
    with contextlib.closing(sqlite3.connect(old / "lineage.db")) as other:
        other.execute("SELECT count(*) FROM nodes").fetchone()
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusyError, match="another process uses it"):
            migrated(old)
        other.execute("ROLLBACK")
    assert migrated(old).changed


def test_two_migrations_at_once_are_one(old: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from replay.progress import Silent\n"
        "from replay.store.upgrading import upgrade; from replay.errors import StoreError\n"
        "try: print(upgrade(Path(sys.argv[1]), None, dry_run=False, progress=Silent()).changed)\n"
        "except StoreError as error: print(type(error).__name__)\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, old], stdout=subprocess.PIPE) for _ in range(3)]
    said = [process.communicate()[0].decode().strip() for process in running]
    assert said.count("True") == 1, said
    assert set(said) <= {"True", "False", "StoreBusyError"}, said
    with Store.open(old) as store:
        assert verify_store(store) == []
        assert [record.action for record in store.journal.records()].count("migrated") == 1


def test_a_file_of_an_earlier_migration_is_not_written_over(old: Path) -> None:
    (old / "lineage.v1.db").write_bytes(b"precious")
    with pytest.raises(StoreError, match="is there already") as caught:
        migrated(old)
    assert "move it away" in (caught.value.hint or "")
    assert (old / "lineage.v1.db").read_bytes() == b"precious"
    assert version1.rows(old / "lineage.db", "PRAGMA user_version") == [(1,)]


# One process imports everything once and forks a child for each step at which it is ended.
DRIVER = """
import itertools, json, os, sys
from pathlib import Path
import sqlalchemy, alembic.command, rfc8785
from replay.errors import StoreError
from replay.progress import Silent
from replay.store import steps
from replay.store import migrating, standing, upgrading
from replay.store.database import Store
from replay.store.upgrading import upgrade
from replay.store.verify import verify_store
from replay.store.v1 import migrate, convert, audit
from tests_support import stores, version1
from tests_support.postgres import Server
from tests_support.stores import build, contents

from tests_support.forking import child

def ended(root, step, fault):
    steps._crash_at, steps._fault, steps._steps = step, fault, itertools.count(1)
    upgrade(root, None, dry_run=False, progress=Silent())

def again(root):
    upgrade(root, None, dry_run=False, progress=Silent())

def whole(root):
    with Store.open(root) as store:
        actions = [record.action for record in store.journal.records()]
        print(actions, file=sys.stderr)
        return 13 if verify_store(store) or actions.count("migrated") != 1 or len(store.models()) != 3 else 0

top, fault = Path(sys.argv[1]), sys.argv[2]
rows = []
for step in itertools.count(1):
    root = top / str(step) / ".replay"
    file = version1.lay_out(root)
    end = child(lambda: ended(root, step, fault))
    old = version1.rows(file, "PRAGMA user_version") == [(1,)]
    usable = version1.rows(file, "SELECT count(*) FROM nodes")[0][0]
    rows.append({"step": step, "end": end, "old": old, "nodes": usable})
    rows[-1] |= {"again": child(lambda: again(root)), "whole": child(lambda: whole(root))}
    rows[-1]["left"] = sorted(p.name for p in root.rglob("*") if ".new" in p.name or p.name.startswith(".replay-"))
    if end == 0: break
print(json.dumps(rows))
"""


@pytest.mark.parametrize(("fault", "ending"), [("", 137), ("ENOSPC", 3)])
def test_every_step_at_which_it_may_end(tmp_path: Path, fault: str, ending: int) -> None:
    """Killed, or the disk full: the old store or the new one is there, and the same command again finishes."""
    rows = driven(DRIVER, tmp_path, fault)
    assert len(rows) > 12, "it has that many steps"
    assert [row["end"] for row in rows] == [ending] * (len(rows) - 1) + [0]
    for row in rows:
        assert row["nodes"] == (27 if row["old"] else 29), row
        assert (row["again"], row["whole"], row["left"]) == (0, 0, []), row
    turned = [row["old"] for row in rows]
    assert turned == sorted(turned, reverse=True), "from one step on it is the new one"
    assert not all(turned[:-1]), "it may end between the new file and the journal's line"


# -- from revision to revision ----------------------------------------------------------------------------------------

_NEXT = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "0002", "0001"
def upgrade():
    op.create_table("later", sa.Column("word", sa.Text, primary_key=True))
"""


@pytest.fixture
def next_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A release that knows one more revision."""
    scripts = tmp_path / "scripts"
    shutil.copytree(migrating.SCRIPTS, scripts)
    (scripts / "versions" / "r0002_later.py").write_text(_NEXT)
    with monkeypatch.context() as patched:
        patched.setattr(migrating, "SCRIPTS", scripts)
        for module in (migrating, standing, upgrading):
            patched.setattr(module, "REVISION", "0002")
        for module in (migrating, standing):
            patched.setattr(module, "REVISIONS", ("0001", "0002"))
        yield


def test_tables_of_an_older_revision_are_brought_up_to_date(store: Store, next_release: None) -> None:
    root, place = store.root, store.database.place
    store.register("momentum", build)
    before = contents(store)
    store.close()
    with pytest.raises(StoreError, match="got tables of revision 0001, expected 0002") as caught:
        Store.open(root)
    assert "replay store migrate" in (caught.value.hint or "")
    asked = migrated(root, dry_run=True)
    assert (asked.place, asked.found, asked.needed, asked.changed) == (place, "revision 0001", True, False)
    done = migrated(root)
    assert (done.found, done.changed) == ("revision 0001", True)
    with Store.open(root) as opened:
        assert opened.database.rows("SELECT count(*) FROM later") == [(0,)]
        assert contents(opened) | {"meta": before["meta"], "checkpoints": []} == before
        record = opened.journal.records()[-1]
        assert (record.action, record.fields["of"]) == ("migrated", "revision 0001")
        assert verify_store(opened) == []
    again = migrated(root)
    assert (again.found, again.changed, again.needed) == ("revision 0002", False, False)


def test_a_migration_that_fails_changes_nothing(store: Store, next_release: None) -> None:
    (migrating.SCRIPTS / "versions" / "r0002_later.py").write_text(_NEXT + "    op.execute('SELECT * FROM nowhere')\n")
    before = contents(store)
    store.close()
    for _ in range(2):
        with pytest.raises(StoreError, match="nowhere"):
            migrated(store.root)
    assert migrated(store.root, dry_run=True).found == "revision 0001"
    assert contents(store) == before


def test_a_newer_release_is_told(store: Store) -> None:
    stores.tamper(store, "UPDATE alembic_version SET version_num = '9999'")
    for dry_run in (True, False):
        with pytest.raises(StoreError, match="revision 9999, this program knows up to 0001") as caught:
            migrated(store.root, dry_run=dry_run)
        assert "newer release" in (caught.value.hint or "")


def test_an_empty_server_is_told(postgres_server: Server, tmp_path: Path) -> None:
    with postgres_server.database(tables=False) as url, pytest.raises(UsageError, match="no lineage tables") as caught:
        upgrade(tmp_path, url, dry_run=False, progress=Silent())
    assert "replay store init" in (caught.value.hint or "")
