"""Attaching another team's store: what is refused, what is never written, and what is said when it is lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests_support import postgres, stores
from tests_support.keys import Signer
from tests_support.stores import DATA, build, link, node, tamper, uid

from replay.access import close, ground_of
from replay.access.asking import system_user
from replay.access.attached import attach, attachments, detach, open_attached
from replay.access.groups import Groups
from replay.access.rules import IdentityRule, set_rule
from replay.ask import ask, focal
from replay.errors import AttachedStoreError, ConfigError, NotRecordedError, ResolveError, StoreError, UsageError
from replay.lineage import EdgeType, Kind, Node
from replay.query import Answer, Query
from replay.store.database import Store
from replay.store.migrating import upgrade_postgres

ALL = 'permit (principal, action == Action::"read", resource);'


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Store]:
    """Another team's store, which shares everything that its model stands on."""
    with Store.open(tmp_path / "other" / ".replay", create=True) as store:
        share_all(store)
        yield store


def share_all(store: Store) -> None:
    store.register("momentum", build)
    groups = Groups(store, system_user())
    groups.create("all")
    groups.add("all", [uid(store, "momentum:1")], upstream=True)
    groups.set_policy("all", ALL)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Store]:
    """One's own store: a run that used what the other team made."""
    with Store.open(tmp_path / "own" / ".replay", create=True) as store:
        model = next(n for n in build(1)[0] if n.kind is Kind.MODEL)
        run = Node(kind=Kind.RUN, identity={"run": stores.run_id(9)}, name="score")
        store.append([run, model], [link(run, EdgeType.USED, model, "input:model.txt")])
        yield store


def upstream(store: Store) -> Answer:
    ground = ground_of(store)
    try:
        return ask(Query(start=(f"run:{stores.run_id(9)}",)), ground)
    finally:
        close(ground)


def test_a_folder_may_be_named_by_itself_or_by_what_it_lies_in(own: Store, other: Store, tmp_path: Path) -> None:
    made = attach(own, "theirs", "other", tmp_path)
    assert (made.place, made.id) == (str(other.root), other.id)
    assert DATA.uid in upstream(own).found
    assert detach(own, "theirs") == made
    assert attachments(own.root) == {}
    assert DATA.uid not in upstream(own).found
    assert attach(own, "theirs", str(other.root), tmp_path) == made


@pytest.mark.parametrize(
    ("name", "place", "expected"),
    [
        ("Theirs", "other", "got the name 'Theirs', expected small letters"),
        ("", "other", "got the name ''"),
        ("a/b", "other", "got the name 'a/b'"),
        ("theirs", "nowhere", "nowhere: is no folder"),
        ("theirs", "file", "file: is no folder"),
        ("theirs", "empty", "empty: no store here"),
        ("theirs", "own", "is this store itself, or a copy of it"),
        ("theirs", "postgresql://u:hush@db/lineage", "an address with a password in it"),
        ("theirs", "postgresql://u@db/lineage?password=hush", "an address with a password in it"),
        ("theirs", "mysql://db/lineage", "got the scheme 'mysql', expected postgresql://"),
        ("theirs", "postgresql://u@127.0.0.1:1/lineage", "postgresql://127.0.0.1:1/lineage: connection"),
    ],
)
def test_what_cannot_be_attached_is_refused_with_the_reason(
    own: Store, other: Store, tmp_path: Path, name: str, place: str, expected: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    with pytest.raises((UsageError, AttachedStoreError)) as caught:
        attach(own, name, place, tmp_path)
    assert expected in str(caught.value)
    assert "hush" not in f"{caught.value} {caught.value.hint}"
    assert not (own.root / "attached.json").exists()


def test_a_name_and_a_store_are_taken_once(own: Store, other: Store, tmp_path: Path) -> None:
    attach(own, "theirs", "other", tmp_path)
    with pytest.raises(UsageError, match="theirs is attached already"):
        attach(own, "theirs", "other", tmp_path)
    with pytest.raises(UsageError, match="is attached already, as theirs"):
        attach(own, "again", "other", tmp_path)
    with pytest.raises(UsageError, match="no store is attached as 'thiers'") as caught:
        detach(own, "thiers")
    assert caught.value.hint == "attached are: theirs"


def test_a_list_that_cannot_be_read_is_no_empty_list(own: Store) -> None:
    for text in ("{", '{"schema_version": "replay.attached/2", "stores": {}}', '{"stores": []}'):
        (own.root / "attached.json").write_text(text)
        with pytest.raises(ConfigError, match=r"attached\.json: cannot be read"):
            ground_of(own)


def lose(how: str, other: Store) -> None:
    """Make another team's store one that cannot be asked."""
    other.close()
    database = other.root / "lineage.db"
    if how == "gone":
        shutil.rmtree(other.root)
    elif how == "moved":
        other.root.rename(other.root.with_name("elsewhere"))
    elif how == "newer":
        with Store.open(other.root) as again:
            tamper(again, "UPDATE alembic_version SET version_num = '9999'")
    elif how == "damaged":
        database.write_bytes(b"no database at all, " * 500)
    elif how == "cut short":
        database.write_bytes(database.read_bytes()[:8192])
    elif how == "another":
        shutil.rmtree(other.root)
        with Store.open(other.root, create=True) as again:
            share_all(again)
    else:
        database.unlink()


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("gone", "is no folder, expected the .replay folder of a store"),
        ("moved", "is no folder"),
        ("newer", "got tables of revision 9999"),
        ("damaged", "expected an SQLite database"),
        ("cut short", "malformed"),
        ("another", "got the store"),
        ("without its database", "no store here"),
    ],
)
def test_a_store_that_is_lost_is_named_and_the_answer_never_called_complete(
    own: Store, other: Store, tmp_path: Path, how: str, expected: str
) -> None:
    attach(own, "theirs", "other", tmp_path)
    lose(how, other)
    answer = upstream(own)
    assert (answer.complete, answer.truncated_by) == (False, ("store theirs",))
    assert len(answer.found) == 1, "one's own store is asked all the same"
    (finding,) = answer.findings
    assert finding.startswith("the attached store theirs was not asked: ")
    assert expected in finding
    ground = ground_of(own)
    with pytest.raises(
        ResolveError, match="nothing is recorded as 'momentum:1'; the attached store theirs was not"
    ) as caught:
        focal("momentum:1", ground, directory=tmp_path)
    assert not isinstance(caught.value, NotRecordedError)  # it may be recorded there
    close(ground)
    detach(own, "theirs")
    assert upstream(own).complete


def test_a_store_that_is_lost_in_the_middle_of_a_question_is_left_out(own: Store, other: Store, tmp_path: Path) -> None:
    attach(own, "theirs", "other", tmp_path)
    ground = ground_of(own)
    assert ask(Query(start=(f"run:{stores.run_id(9)}",)), ground).complete
    ground.places[1].store.close()  # as when a server goes away
    answer = ask(Query(start=(f"run:{stores.run_id(9)}",)), ground)
    assert (answer.truncated_by, len(answer.found)) == (("store theirs",), 1)
    with pytest.raises(ResolveError, match="the attached store theirs was not asked"):
        focal("momentum:1", ground, directory=tmp_path)


def test_a_server_that_is_down_is_named(own: Store, postgres_server: postgres.Server, tmp_path: Path) -> None:
    with postgres_server.database(tables=False) as url:
        upgrade_postgres(url)
        with stores.pointing_to(url, tmp_path / "pg" / ".replay") as theirs:
            share_all(theirs)
        attach(own, "theirs", url, tmp_path)
        attach_again = ground_of(own)
        assert DATA.uid in ask(Query(start=(f"run:{stores.run_id(9)}",)), attach_again).found
        close(attach_again)
    answer = upstream(own)  # the database is dropped
    assert answer.truncated_by == ("store theirs",)
    assert "does not exist" in answer.findings[0]


def test_nothing_is_written_to_an_attached_store(own: Store, other: Store, tmp_path: Path) -> None:
    attach(own, "theirs", "other", tmp_path)
    opened = open_attached("theirs", attachments(own.root)["theirs"], own.root)
    before = stores.contents(other)
    with pytest.raises(StoreError, match="is open for reading only"):
        opened.append([node(Kind.DATASET, sha256="1" * 64)])
    opened.close()
    assert stores.contents(other) == before


def test_a_session_of_postgresql_cannot_write(own: Store, postgres_server: postgres.Server, tmp_path: Path) -> None:
    with postgres_server.database(tables=False) as url:
        upgrade_postgres(url)
        with stores.pointing_to(url, tmp_path / "pg" / ".replay") as theirs:
            places = (url, str(theirs.root))
        for place in places:
            attach(own, "theirs", place, tmp_path)
            opened = open_attached("theirs", attachments(own.root)["theirs"], own.root)
            with pytest.raises(StoreError, match="read-only transaction"):
                opened.append([node(Kind.DATASET, sha256="1" * 64)])
            opened.close()
            detach(own, "theirs")
        text = (own.root / "attached.json").read_text()
        assert "password" not in text


def in_another_user_s_shoes(question: str, root: Path) -> int:
    """The exit code of a child process that asks as a user who may write nothing here."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        with Store.open(root / "own" / ".replay") as own:
            answer = upstream(own)
            code = 0 if eval(question, {"answer": answer, "DATA": DATA}) else 3
    except BaseException as error:
        print(type(error), error)
        code = 2
    finally:
        os._exit(code)


@pytest.mark.parametrize("quiet", [True, False], ids=["closed", "in use"])
def test_a_store_is_read_by_a_user_who_may_not_write_there(quiet: bool) -> None:
    with tempfile.TemporaryDirectory() as made, contextlib.ExitStack() as stack:
        root = Path(made)
        root.chmod(0o755)
        theirs = stack.enter_context(Store.open(root / "other" / ".replay", create=True))
        share_all(theirs)
        with Store.open(root / "own" / ".replay", create=True) as own:
            model = next(n for n in build(1)[0] if n.kind is Kind.MODEL)
            run = Node(kind=Kind.RUN, identity={"run": stores.run_id(9)}, name="score")
            own.append([run, model], [link(run, EdgeType.USED, model, "input:model.txt")])
            attach(own, "theirs", "other", root)
        if quiet:
            theirs.close()
        for path in [root / "other", *(root / "other").rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        for path in [root / "own", *(root / "own").rglob("*")] if os.geteuid() == 0 else []:
            os.chown(path, 65534, 65534)
        before = {path: path.stat().st_mtime_ns for path in (root / "other").rglob("*")}
        assert in_another_user_s_shoes("DATA.uid in answer.found and answer.complete", root) == 0
        assert {path: path.stat().st_mtime_ns for path in (root / "other").rglob("*")} == before
        (root / "other").chmod(0o000)
        assert in_another_user_s_shoes("answer.truncated_by == ('store theirs',)", root) == 0
        for path in [root / "other", root / "other" / ".replay"]:
            path.chmod(0o755)


def test_a_store_that_wants_a_token_is_asked_with_one(
    own: Store, other: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = Signer()
    attach(own, "theirs", "other", tmp_path)
    Groups(other, system_user()).set_policy("all", 'permit (principal == User::"ann" , action, resource);')
    set_rule(other, IdentityRule(identity="token", keys=(signer.pem,)), system_user())
    answer = upstream(own)
    assert answer.truncated_by == ("store theirs",)
    assert "a signed token is wanted here" in answer.findings[0]
    monkeypatch.setenv("REPLAY_TOKEN", Signer().token("ann"))
    assert "the token is refused" in upstream(own).findings[0]
    monkeypatch.setenv("REPLAY_TOKEN", signer.token("bob"))
    assert (upstream(own).hidden, upstream(own).truncated_by) == (1, ("access",))
    monkeypatch.setenv("REPLAY_TOKEN", signer.token("ann"))
    assert DATA.uid in upstream(own).found
    assert not own.journal.path.exists()


def test_whoever_may_read_may_not_use(own: Store, other: Store, tmp_path: Path) -> None:
    from replay.access import require_attached
    from replay.errors import PolicyError

    attach(own, "theirs", "other", tmp_path)
    ground = ground_of(own)
    with pytest.raises(PolicyError, match=r"may not use dataset prices .*in the attached store theirs no policy of"):
        require_attached("use", [DATA.uid], ground)
    assert own.journal.records()[-1].fields["refused"] == "use"
    Groups(other, system_user()).set_policy("all", f'{ALL} permit (principal, action == Action::"use", resource);')
    close(ground)
    ground = ground_of(own)
    require_attached("use", [DATA.uid, "sha256:" + "8" * 64], ground)
    close(ground)
