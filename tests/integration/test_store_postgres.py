"""Trouble with PostgreSQL: what is told, that nothing is half-written, and that the same call works again."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import conninfo
from tests_support import stores
from tests_support.postgres import PASSWORD, Cluster, Server
from tests_support.stores import DATA, build, contents, raw

from replay.errors import StoreBusyError, StoreCorruptError, StoreError
from replay.lineage import Edge, Kind, Node
from replay.store import migrating, postgres
from replay.store.database import Store
from replay.store.postgres import PostgresDatabase, place_of
from replay.store.verify import verify_store

Built = tuple[list[Node], list[Edge], str]


@pytest.fixture
def store(postgres_store: Store) -> Store:
    return postgres_store


@pytest.fixture
def admin(postgres_server: Server) -> Iterator[psycopg.Connection[Any]]:
    """A superuser's connection to another database of the same server."""
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        yield connection


def name_of(store: Store) -> str:
    assert isinstance(store.database, PostgresDatabase)
    return str(conninfo.conninfo_to_dict(store.database.url)["dbname"])


def cut_off(admin: psycopg.Connection[Any], store: Store) -> int:
    """End every connection to the store's database; how many there were."""
    query = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s"
    return len(admin.execute(query, (name_of(store),)).fetchall())


def all_of(error: BaseException) -> str:
    """Everything that a traceback would show."""
    return "".join(traceback.format_exception(error)) + str(getattr(error, "hint", ""))


# -- the server is gone -----------------------------------------------------------------------------------------------


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with contextlib.closing(Cluster(durable=True)) as own:
        yield own


def test_a_server_that_crashes_and_comes_back(cluster: Cluster, tmp_path: Path) -> None:
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE team")
    migrating.upgrade_postgres(cluster.url("team"))
    with stores.pointing_to(cluster.url("team"), tmp_path / ".replay") as store:
        assert store.register("momentum", build) == 1
        made = store.note("recorded")
        cluster.stop("immediate")
        calls: list[Callable[[], object]] = [
            store.models,
            lambda: store.closure(DATA.uid),
            lambda: list(store.database.stream("SELECT 1")),
            lambda: store.register("momentum", build),
            lambda: store.note("looked-at"),
            lambda: store.load([([DATA], [])]),
            lambda: Store.open(store.root),
            lambda: migrating.upgrade_postgres(cluster.url("team")),
        ]
        for call in calls * 2:
            with pytest.raises(StoreError, match=f"^postgresql://127.0.0.1:{cluster.port}/team: ") as caught:
                call()
            assert caught.value.hint
            assert not isinstance(caught.value, StoreCorruptError), "a server that is down has lost nothing"
        findings = verify_store(store)
        assert [finding.place for finding in findings] == [store.database.place]
        cluster.start()
        assert [m.version for m in store.models()] == [1], "what was committed is there"
        assert store.register("momentum", build) == 2
        assert store.journal.records() == [made]

        def crashing(version: int) -> Built:
            cluster.stop("immediate")
            return build(version)

        with pytest.raises(StoreError, match="team: ") as caught:
            store.register("momentum", crashing)
        assert "nothing was half-written" in (caught.value.hint or "")
        cluster.start()
        assert store.register("momentum", build) == 3
        assert [m.version for m in store.models()] == [1, 2, 3]
        with store.database.snapshot():
            assert len(store.models()) == 3
            cluster.stop("immediate")
            cluster.start()
            with pytest.raises(StoreError):
                store.models()
        assert len(store.models()) == 3
        assert verify_store(store) == []


# -- the connection is lost -------------------------------------------------------------------------------------------


READS: dict[str, Callable[[Store], object]] = {
    "look-up": lambda store: store.node(DATA.uid),
    "closure": lambda store: store.closure(DATA.uid, direction="down"),
    "models": lambda store: store.models(),
    "stream": lambda store: list(store.database.stream("SELECT name FROM nodes ORDER BY id")),
    "audit": verify_store,
}


@pytest.mark.parametrize("what", READS)
def test_a_connection_lost_while_idle_is_made_anew(store: Store, admin: psycopg.Connection[Any], what: str) -> None:
    store.register("momentum", build)
    expected = READS[what](store)
    assert cut_off(admin, store) == 2, "one to read, one to write"
    assert READS[what](store) == expected


def test_a_writing_connection_lost_while_idle_is_made_anew(store: Store, admin: psycopg.Connection[Any]) -> None:
    for version in (1, 2):
        assert store.register("momentum", build) == version
        assert cut_off(admin, store)
    assert store.load([([DATA], [])]) == 0
    assert cut_off(admin, store)
    assert store.note("looked-at").seq == 1
    assert verify_store(store) == []


def test_a_connection_lost_in_mid_write_leaves_nothing(store: Store, admin: psycopg.Connection[Any]) -> None:
    store.append([DATA])
    before = contents(store)
    store.blobs.put_bytes(b"log")

    def cutting(version: int) -> Built:
        assert cut_off(admin, store)
        return build(version)

    for _ in range(2):
        with pytest.raises(StoreError, match=f"^{store.database.place}: .*(terminat|closed)") as caught:
            store.register("momentum", cutting)
        assert caught.value.hint == "nothing was half-written; when the server is back, run the same command again"
        assert contents(store) == before
    assert store.register("momentum", build) == 1
    with raw(store) as run:
        assert run("SELECT count(*) FROM blobs") == [(1,)], "recorded with the one that worked"
    assert verify_store(store) == []


def test_a_connection_lost_in_mid_load_leaves_nothing(store: Store, admin: psycopg.Connection[Any]) -> None:
    before = contents(store)

    def cutting() -> Iterator[tuple[list[Node], list[Edge]]]:
        yield [Node(kind=Kind.DATASET, identity={"id": str(i)}) for i in range(500)], []
        assert cut_off(admin, store)
        yield [DATA], []

    with pytest.raises(StoreError, match=r"terminat|closed"):
        store.load(cutting())
    assert contents(store) == before
    assert store.load([([DATA], [])]) == 1


def test_a_snapshot_ends_with_its_connection(store: Store, admin: psycopg.Connection[Any]) -> None:
    """Another connection would show another state."""
    store.register("momentum", build)
    with Store.open(store.root) as other, other.reading() as database:
        count = "SELECT count(*) FROM model_versions"
        for read in (database.rows, lambda query: list(database.stream(query))):
            with database.snapshot():
                before = read(count)
                assert cut_off(admin, store)
                store.register("momentum", build)
                for _ in range(2):
                    with pytest.raises(StoreError):
                        read(count)
            with database.snapshot():
                assert read(count) == [(before[0][0] + 1,)], "and the next one is a new one"


# -- the commit's answer is lost --------------------------------------------------------------------------------------


class Losing(psycopg.Connection[Any]):
    """A connection that can be lost at its next commit."""

    how: Callable[[Losing], object] | None = None

    def execute(self, query: Any, *args: Any, **options: Any) -> Any:
        how, commits = Losing.how, query == "COMMIT"
        if not (commits and how):
            return super().execute(query, *args, **options)
        Losing.how = None
        how(self)
        self.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    def commit_for_real(self) -> None:
        super().execute("COMMIT")

    def commit_without_waiting(self) -> None:
        self.pgconn.send_query(b"COMMIT")
        while self.pgconn.flush():
            time.sleep(0.001)


@pytest.fixture
def losing(store: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The store, through connections that can be lost."""
    monkeypatch.setattr(Losing, "how", None)
    monkeypatch.setattr(psycopg, "connect", Losing.connect)
    with Store.open(store.root) as other:
        yield other


def losing_it(how: Callable[[Losing], object]) -> Callable[[int], Built]:
    """Builds, and then the commit is lost."""

    def arm(version: int) -> Built:
        Losing.how = how
        return build(version)

    return arm


def test_a_commit_whose_answer_is_lost_is_recognised(losing: Store) -> None:
    assert losing.register("momentum", losing_it(Losing.commit_for_real)) == 1
    assert [m.version for m in losing.models()] == [1]
    assert losing.register("momentum", build) == 2
    Losing.how = Losing.commit_for_real
    losing.append([Node(kind=Kind.DATASET, identity={"id": "x"})])
    with raw(losing) as run:
        assert run("SELECT max(tx), count(*) FROM transactions") == [(3, 3)]
    assert verify_store(losing) == []


def test_a_commit_that_is_still_under_way_is_waited_for(losing: Store) -> None:
    """Asked at once, the server would say that there is no such transaction, and then it would be there."""
    with raw(losing) as run:
        body = "$$ BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END $$"
        run(f"CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS {body}")
        run(
            "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON transactions DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION dawdle()"
        )
    assert losing.register("momentum", losing_it(Losing.commit_without_waiting)) == 1
    assert [m.version for m in losing.models()] == [1]
    assert losing.register("momentum", build) == 2
    assert verify_store(losing) == []


def test_a_commit_that_never_came_is_an_error(losing: Store) -> None:
    losing.blobs.put_bytes(b"log")
    before = contents(losing)
    for _ in range(2):
        with pytest.raises(StoreError, match="server closed the connection unexpectedly") as caught:
            losing.register("momentum", losing_it(lambda connection: None))
        assert "nothing was half-written" in (caught.value.hint or "")
        assert contents(losing) == before
    assert losing.register("momentum", build) == 1
    with raw(losing) as run:
        assert run("SELECT count(*) FROM blobs") == [(1,)]


@pytest.mark.parametrize("recorded", [True, False])
def test_a_commit_of_which_nobody_can_tell_is_said_to_be_one(
    losing: Store, admin: psycopg.Connection[Any], recorded: bool
) -> None:
    def shut(connection: Losing) -> None:
        admin.execute(f"ALTER DATABASE {name_of(losing)} ALLOW_CONNECTIONS false")
        if recorded:
            connection.commit_for_real()

    with pytest.raises(StoreError, match=r"while transaction 1 was being committed") as caught:
        losing.register("momentum", losing_it(shut))
    assert (caught.value.hint or "").startswith("it is recorded whole or not at all; look which")
    admin.execute(f"ALTER DATABASE {name_of(losing)} ALLOW_CONNECTIONS true")
    assert [m.version for m in losing.models()] == ([1] if recorded else [])


def test_notes_and_loads_may_be_told_again(losing: Store) -> None:
    """A commit that is lost there is an error, and the same again changes nothing."""
    losing.register("momentum", build)
    for write in (losing.checkpoint, lambda: losing.note("x"), lambda: losing.load([([DATA, *build(7)[0]], [])])):
        Losing.how = Losing.commit_for_real
        with pytest.raises(StoreError, match="server closed the connection") as caught:
            write()
        assert "run the same command again" in (caught.value.hint or "")
        before = contents(losing)
        write()
        assert {**contents(losing), "meta": None} == {**before, "meta": None}
    assert verify_store(losing) == []


# -- it refuses -------------------------------------------------------------------------------------------------------


@pytest.fixture
def locked(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a database, for a role that needs a password, without it."""
    monkeypatch.delenv("PGPASSWORD", raising=False)
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute(f"CREATE ROLE locked LOGIN PASSWORD '{PASSWORD}'")
        connection.execute("CREATE DATABASE vault OWNER locked")
    return cluster.url("vault", user="locked")


def test_passwords_are_never_told(locked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right, wrong = (locked.replace("@", f":{word}@") for word in (PASSWORD.replace(" ", "%20"), "wr0ng"))
    migrating.upgrade_postgres(right)
    with stores.pointing_to(right, tmp_path / ".replay") as store:
        assert store.register("momentum", build) == 1
        assert PASSWORD.partition(" ")[2] not in store.database.place
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    with Store.open(tmp_path / ".replay", url=locked) as store:
        assert len(store.models()) == 1
    monkeypatch.delenv("PGPASSWORD")
    place = locked.replace("locked@", "")
    for url, words in ((wrong, "password authentication failed"), (locked, "password")):
        for use in (PostgresDatabase, migrating.upgrade_postgres):
            with pytest.raises(StoreError, match=f"^{place}: .*{words}") as caught:
                use(url)
            assert "PGPASSWORD" in (caught.value.hint or "")
            assert "wr0ng" not in all_of(caught.value)
    missing = right.replace("/vault", "/nowhere")
    with pytest.raises(StoreError, match=r'/nowhere: .*"nowhere" does not exist') as caught:
        PostgresDatabase(missing)
    assert "s3cret" not in all_of(caught.value)
    assert "database right?" in (caught.value.hint or "")


UNREADABLE = [
    "postgresql:/ann:s3cret@host/db",
    "postgresql//ann:s3cret@host/db",
    "ann:s3cret@host/db",
    "postgresql://ann:s3cret@host:port/db",
    "postgresql://ann:s3cret@host/db?sslmode",
    "postgresql://ann:s3cret@host/db?nonsense=1",
    "postgresql://ann:s3@cret@host/db",
    "postgresql://ann:s3/cret@host/db",
    "postgresql://ann:12/s3cret@host/db",
    "postgresql://ann:s3%zzcret@host/db",
    "postgresql://ann:s3cret@[host/db",
    "password=s3cret host",
    "host=h password='s3cret",
]


@pytest.mark.parametrize("url", UNREADABLE)
def test_an_address_that_cannot_be_read_is_not_shown(tmp_path: Path, url: str) -> None:
    for use in (place_of, PostgresDatabase, migrating.upgrade_postgres, lambda url: Store.open(tmp_path, url=url)):
        with pytest.raises(StoreError, match=r"^got an address that PostgreSQL cannot read$") as caught:
            use(url)
        assert "write postgresql://USER@HOST:PORT/DATABASE" in (caught.value.hint or "")
        shown = str(caught.value) + repr(caught.value) + repr(caught.value.__cause__) + str(caught.value.hint)
        assert not any(part in shown for part in ("s3", "cret"))
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://ann:s3cret@host:5433/db", "postgresql://host:5433/db"),
        ("postgresql://ann:s3%40cret%2F@host/db?sslmode=require&password=s3cret", "postgresql://host/db"),
        ("postgres://ann@host", "postgresql://host/ann"),
        ("postgresql:///db?host=/run/postgresql", "postgresql:///run/postgresql/db"),
        ("postgresql:///db", "postgresql://local socket/db"),
        ("postgresql://one:1,two:2/db", "postgresql://one,two:1,2/db"),
        ("host=h port=7 dbname=db user=ann password='s3 cret'", "postgresql://h:7/db"),
        ("postgresql://[::1]:5432/db", "postgresql://::1:5432/db"),
    ],
)
def test_an_address_is_told_without_its_password(url: str, place: str) -> None:
    assert place_of(url) == place


def test_a_database_without_tables_is_told(postgres_server: Server) -> None:
    with postgres_server.database(tables=False) as url:
        with pytest.raises(StoreCorruptError, match=r"alembic_version") as caught:
            PostgresDatabase(url)
        assert "`replay store init` makes the tables" in (caught.value.hint or "")


def test_another_service_on_the_port_is_told() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(StoreError, match=f"^postgresql://127.0.0.1:{port}/db: ") as caught:
            PostgresDatabase(f"postgresql://ann:s3cret@127.0.0.1:{port}/db?gssencmode=disable&sslmode=disable")
        thread.join()
    assert "is the server up" in (caught.value.hint or "")
    assert "s3cret" not in str(caught.value)


@pytest.fixture
def reader_url(store: Store, admin: psycopg.Connection[Any]) -> Iterator[str]:
    """The store's database for a role that may only read."""
    assert isinstance(store.database, PostgresDatabase)
    role = f"{name_of(store)}_reader"
    with raw(store) as run:
        run(f"CREATE ROLE {role} LOGIN PASSWORD 'reader'")
        run(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    address = urlsplit(store.database.url)
    yield address._replace(netloc=f"{role}:reader@{address.netloc.rpartition('@')[2]}").geturl()
    with raw(store) as run:
        run(f"DROP OWNED BY {role}")
    admin.execute(f"DROP ROLE {role}")


def test_who_may_only_read_is_told(store: Store, reader_url: str) -> None:
    store.register("momentum", build)
    before = contents(store)
    with Store.open(store.root, url=reader_url) as reader:
        assert len(reader.models()) == 1
        assert verify_store(reader) == []
        for write in (lambda: reader.register("momentum", build), lambda: reader.load([([DATA], []), build(3)[:2]])):
            with pytest.raises(StoreError, match="permission denied") as caught:
                write()
            assert "ask its owner for the right" in (caught.value.hint or "")
    assert contents(store) == before
    assert store.register("momentum", build) == 2, "the turn was given back"


def test_a_database_that_takes_no_writes_is_told(store: Store, admin: psycopg.Connection[Any]) -> None:
    admin.execute(f"ALTER DATABASE {name_of(store)} SET default_transaction_read_only = on")
    with Store.open(store.root) as other:
        with pytest.raises(StoreError, match="read-only transaction"):
            other.register("momentum", build)
        assert other.models() == []


# -- servers and users with settings of their own ---------------------------------------------------------------------


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_server_with_another_isolation_level(store: Store, admin: psycopg.Connection[Any], level: str) -> None:
    """What was recorded while one waited for his turn must be seen."""
    admin.execute(f"ALTER DATABASE {name_of(store)} SET default_transaction_isolation = '{level}'")
    with Store.open(store.root) as one, Store.open(store.root) as other:
        waiter = Waiter(other)

        def while_one_waits(version: int) -> Built:
            waiter.start()
            wait_for_waiter(admin, store)
            return build(version)

        assert one.register("momentum", while_one_waits) == 1
        waiter.join()
        assert waiter.versions == [2]
        assert verify_store(one) == []


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_user_with_another_encoding(store: Store, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    node = Node(kind=Kind.DATASET, identity={"id": "日本"}, name="日本 ü \U0001f600", attrs={"日": "本"})
    monkeypatch.setenv("PGCLIENTENCODING", encoding)
    with Store.open(store.root) as other:
        other.append([node])
        assert other.node(node.uid) == node
    assert store.node(node.uid) == node


def test_stores_in_schemas_of_one_database(postgres_server: Server, tmp_path: Path) -> None:
    with postgres_server.database(tables=False) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            for team in ("one", "two"):
                connection.execute(f"CREATE SCHEMA {team}")
        urls = [f"{url}?options=-csearch_path%3D{team}" for team in ("one", "two")]
        for each in urls:
            migrating.upgrade_postgres(each)
        with (
            stores.pointing_to(urls[0], tmp_path / "one") as one,
            stores.pointing_to(urls[1], tmp_path / "two") as two,
        ):
            assert one.id != two.id
            assert [one.register("momentum", build) for _ in range(2)] == [1, 2]
            assert two.register("momentum", build) == 1
            assert verify_store(one) == verify_store(two) == []


# -- taking turns -----------------------------------------------------------------------------------------------------


class Waiter(threading.Thread):
    """Somebody else who registers."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store
        self.versions: list[int] = []

    def run(self) -> None:
        self.versions.append(self._store.register("momentum", build))


def wait_for_waiter(admin: psycopg.Connection[Any], store: Store) -> None:
    """Until somebody waits for his turn."""
    query = (
        "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database "
        "WHERE d.datname = %s AND l.locktype = 'advisory' AND NOT l.granted"
    )
    end = time.monotonic() + 20
    while admin.execute(query, (name_of(store),)).fetchone() != (1,):
        assert time.monotonic() < end, "nobody waits"
        time.sleep(0.005)


def test_a_waiter_is_served_before_the_one_who_just_wrote(store: Store, admin: psycopg.Connection[Any]) -> None:
    with Store.open(store.root) as other:
        for round_ in range(3):
            waiter = Waiter(other)

            def while_one_waits(version: int, waiter: Waiter = waiter) -> Built:
                waiter.start()
                wait_for_waiter(admin, store)
                return build(version)

            assert store.register("momentum", while_one_waits) == 3 * round_ + 1
            assert store.register("momentum", build) == 3 * round_ + 3, "asked for at once"
            waiter.join()
            assert waiter.versions == [3 * round_ + 2]


def register_until_interrupted(store: Store) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    store.register("momentum", build)


def test_ctrl_c_while_waiting_gives_up_for_good(store: Store) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with raw(store) as run:
            run("SELECT pg_advisory_lock(?)", postgres.TURN)
            with pytest.raises(KeyboardInterrupt):
                register_until_interrupted(store)
            assert store.models() == []
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert store.register("momentum", build) == 1
    with Store.open(store.root) as other:
        assert other.register("momentum", build) == 2


def test_a_turn_that_never_comes_is_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "BUSY_SECONDS", 0.05)
    with raw(store) as run:
        run("SELECT pg_advisory_lock(?)", postgres.TURN)
        with pytest.raises(StoreBusyError, match=r"other writers held it for more than 0\.05 s"):
            store.register("momentum", build)
        assert store.models() == []
    assert store.register("momentum", build) == 1


def write_carelessly(store: Store) -> None:
    with store.database.writing() as cursor:
        cursor.insert("meta", [("a", "b")])
        with contextlib.suppress(StoreError):
            cursor.rows("SELECT nonsense")


def test_a_transaction_that_failed_unseen_is_no_success(store: Store) -> None:
    """The server answers such a commit with ROLLBACK, and with no error."""
    with pytest.raises(StoreError, match="got ROLLBACK from the server, expected COMMIT"):
        write_carelessly(store)
    with raw(store) as run:
        assert run("SELECT count(*) FROM meta WHERE key = 'a'") == [(0,)]
    assert store.register("momentum", build) == 1
