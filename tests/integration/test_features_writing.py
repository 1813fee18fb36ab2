"""Registering feature groups and writing rows, on both databases: what is refused, and what stays for good."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests_support.features import COLUMNS, Row, parquet, registered, rows_of, table
from tests_support.project import flip
from tests_support.recordings import session_of

from replay import features
from replay.errors import PolicyError, StoreBusyError, UsageError
from replay.features.values import Columns
from replay.lineage import Edge, EdgeType, Kind, Node
from replay.session import Session
from replay.store.database import Store
from replay.store.verify import verify_store

ROWS: list[Row] = [("a", 1, 1.5), ("b", 2, None)]


@pytest.fixture
def session(store: Store) -> Session:
    return session_of(store)


def register(session: Session, name: str = "prices", **options: Any) -> features.Registered:
    return features.register(name, session, **{"record_id": "id", "event_time": "at"} | options)


def write(session: Session, path: Path, name: str = "prices") -> features.Written:
    return features.write(features.find(name, session.ground), path, session)


# -- registering -------------------------------------------------------------------------------------------------------


def test_a_definition_is_never_changed_another_one_follows_it(session: Session) -> None:
    assert register(session).new
    again = register(session)
    assert (again.new, again.group.definition.version) == (False, 1)
    described = register(session, document="description: closes\n")
    assert [one.version for one in described.group.definitions] == [1, 2]
    assert described.group.definitions[0].document == ""
    assert described.group.definitions[1].document == "description: closes\n"
    assert not register(session).new, "what is not mentioned stays"
    moved = register(session, event_time="known")
    assert (moved.group.definition.event_time, moved.group.definition.version) == ("known", 3)
    said = [facet.value["event_time"] for facet in session.store.history(moved.group.uid) if facet.key == "definition"]
    assert said == ["at", "at", "known"]
    assert {one.by for one in moved.group.definitions} == {session.asker.user}


def test_who_registered_is_an_action_of_the_lineage(session: Session) -> None:
    group = register(session, columns=COLUMNS).group
    actions = [node for _, node in session.store.neighbours(group.uid, direction="down") if node.kind is Kind.ACTION]
    assert [(node.type, node.basis) for node in actions] == [("register", session.asker.user)]
    assert session.store.facets(group.uid)["schema"].action == actions[0].uid
    last = list(session.store.journal.records())[-1]
    assert (last.action, last.fields["feature_group"]) == ("features register", "prices")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"record_id": "at2"}, "the record id: got 'at2', expected 'id'"),
        ({"event_time": "known"}, "the event time: got 'known', expected 'at'"),
        ({"columns": COLUMNS[:2]}, r"the column 'value' \(float64\) is missing"),
        ({"columns": (*COLUMNS[:2], ("value", "float32"))}, "column 'value': got float32, expected float64"),
    ],
)
def test_what_rows_rest_on_cannot_change(change: Any, message: str, session: Session, tmp_path: Path) -> None:
    register(session, columns=COLUMNS)
    write(session, parquet(tmp_path / "rows.parquet", ROWS))
    with pytest.raises(UsageError, match=rf"prices has rows \(1 batch\).*{message}") as caught:
        register(session, **change)
    assert "register another group" in str(caught.value.hint)
    assert len(features.find("prices", session.ground).definitions) == 1


def test_before_there_are_rows_everything_can_change(session: Session) -> None:
    register(session, columns=COLUMNS)
    made = register(session, record_id="key", columns=(("key", "int64"), ("at", "date")))
    assert made.group.definition.columns == (("key", "int64"), ("at", "date"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "Prices"}, "got the feature group 'Prices'"),
        ({"name": ""}, "got the feature group ''"),
        ({"name": "a/b/c"}, "got the feature group 'a/b/c'"),
        ({"event_time": "id"}, "got the column 'id' as record id and as event time"),
        ({"columns": (("at", "date"),)}, "the record id 'id' is no column"),
        ({"columns": (("id", "float64"), ("at", "date"))}, "got float64, expected an integer"),
        ({"columns": (("id", "int8"), ("at", "int64"))}, "got int64, expected a timestamp"),
    ],
)
def test_a_registration_that_makes_no_sense_is_refused(options: Any, message: str, session: Session) -> None:
    with pytest.raises(UsageError, match=message):
        register(session, **options)
    assert features.every(session.ground) == []


def test_a_secret_in_a_definition_is_refused_and_not_kept(session: Session) -> None:
    with pytest.raises(PolicyError, match="the definition: looks like a password"):
        register(session, document="source: db\npassword: hunter2222\n")
    assert features.every(session.ground) == []


def test_unknown_groups_have_near_matches(session: Session) -> None:
    register(session)
    with pytest.raises(UsageError, match="no feature group 'prcies'") as caught:
        features.find("prcies", session.ground)
    assert "did you mean prices?" in str(caught.value.hint)
    with pytest.raises(UsageError) as caught:
        features.find("zzz", session.ground)
    assert "did you mean" not in str(caught.value.hint)


def test_another_stores_group_of_the_same_name_is_another_group(session: Session) -> None:
    theirs = Node(
        kind=Kind.COLLECTION,
        type="feature_group",
        identity={"feature_group": "prices", "store": "01ARZ3NDEKTSV4RRFFQ69G5FAV"},
        name="prices",
    )
    session.store.append([theirs])
    assert features.every(session.ground) == []
    mine = register(session).group
    assert mine.uid != theirs.uid
    assert [group.uid for group in features.every(session.ground)] == [mine.uid]


# -- writing -----------------------------------------------------------------------------------------------------------


def test_rows_are_kept_byte_for_byte_and_only_once(session: Session, tmp_path: Path) -> None:
    group = register(session, columns=COLUMNS).group
    path = parquet(tmp_path / "rows.parquet", ROWS, compression="gzip")
    first = write(session, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert (first.new, first.batch.sha256, first.batch.rows) == (True, digest, 2)
    assert (first.batch.first, first.batch.last) == (
        "1970-01-01T00:00:00.000000001Z", "1970-01-01T00:00:00.000000002Z",
    )  # fmt: skip
    kept = session.store.blobs.path(digest)
    assert kept.read_bytes() == path.read_bytes()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o444
    path.rename(tmp_path / "other.parquet")
    again = write(session, tmp_path / "other.parquet")
    assert (again.new, again.batch) == (False, first.batch)
    assert features.batches_of(group, session.store) == [first.batch]
    assert not verify_store(session.store)


def test_the_write_time_is_that_of_the_write_though_the_bytes_were_recorded_before(
    session: Session, tmp_path: Path
) -> None:
    path = parquet(tmp_path / "rows.parquet", ROWS)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    run = Node(kind=Kind.RUN, identity={"run": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, name="build")
    made = Node(kind=Kind.DATASET, identity={"sha256": sha256}, name="out/rows.parquet")
    session.store.append([run, made], [Edge(source=run.uid, type=EdgeType.GENERATED, target=made.uid, role="output")])
    group = register(session).group
    batch = write(session, path).batch
    assert batch.written > group.definition.recorded
    assert batch.blake3
    assert run.uid in session.store.closure(batch.uid).nodes, "a batch stands on the run that made it"


def test_one_file_may_be_written_to_two_groups(session: Session, tmp_path: Path) -> None:
    path = parquet(tmp_path / "rows.parquet", ROWS)
    for name in ("one", "two"):
        register(session, name)
        assert write(session, path, name).new
    one, two = (features.batches_of(features.find(name, session.ground), session.store) for name in ("one", "two"))
    assert one[0].sha256 == two[0].sha256
    assert one[0].written < two[0].written


def test_the_first_rows_decide_the_columns(session: Session, tmp_path: Path) -> None:
    register(session)
    write(session, parquet(tmp_path / "rows.parquet", ROWS))
    assert features.find("prices", session.ground).definition.columns == COLUMNS
    other = table([("c", 3, 1.0)]).append_column("extra", pa.array([1]))
    pq.write_table(other, tmp_path / "other.parquet")
    with pytest.raises(UsageError, match="the column 'extra' is not the group's"):
        write(session, tmp_path / "other.parquet")


def columns(**changes: Any) -> pa.Table:
    """`ROWS` with other columns; ``None`` takes one away."""
    made = table(ROWS)
    for name, array in changes.items():
        if name in made.schema.names:
            made = made.drop_columns([name])
        if array is not None:
            made = made.append_column(name, array)
    return made


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (columns(id=None), "the column 'id' is missing"),
        (columns(at=None, value=None), "the column 'at' is missing; the column 'value' is missing"),
        (columns(more=pa.array([1, 2])), "the column 'more' is not the group's"),
        (columns(value=pa.array([1, 2])), "column 'value': got int64, expected float64"),
        (columns(at=pa.array([1, 2], pa.timestamp("us", "UTC"))), r"'at': got timestamp\[us, UTC\], expected"),
        (columns(at=pa.array([1, 2], pa.timestamp("ns"))), r"'at': got timestamp\[ns\], expected timestamp\[ns, UTC\]"),
        (columns(at=pa.array(["2026-01-01", "2026-01-02"])), "column 'at': got string"),
        (columns(id=pa.array(["a", None])), "column 'id': row 2 is null"),
        (columns(at=pa.array([None, 2], pa.timestamp("ns", "UTC"))), "column 'at': row 1 is null"),
        (columns(value=pa.nulls(2)), "column 'value': every value is null"),
        (columns(value=pa.array([{"x": 1}, {"x": 2}])), "column 'value': its type is struct"),
        (table([]), "got no rows"),
    ],
)  # fmt: skip
def test_rows_that_are_not_the_groups_are_refused_and_not_kept(
    rows: pa.Table, message: str, session: Session, tmp_path: Path
) -> None:
    group = register(session, columns=COLUMNS).group
    pq.write_table(rows, tmp_path / "bad.parquet")
    with pytest.raises(UsageError, match=rf"bad\.parquet: .*{message}"):
        write(session, tmp_path / "bad.parquet")
    assert features.batches_of(group, session.store) == []
    assert not list(session.store.blobs.iter_ids())


@pytest.mark.parametrize("deleted", [pa.array([0, 1], pa.int8()), pa.array([True, None])])
def test_deletions_are_true_or_false(deleted: pa.Array, session: Session, tmp_path: Path) -> None:
    register(session)
    pq.write_table(columns(is_deleted=deleted), tmp_path / "rows.parquet")
    with pytest.raises(UsageError, match=r"'is_deleted'.*(got int8, expected bool|row 2 is null)"):
        write(session, tmp_path / "rows.parquet")


def test_columns_may_come_in_any_order_and_encoding(session: Session, tmp_path: Path) -> None:
    register(session, columns=COLUMNS)
    made = table(ROWS).select(["value", "at", "id"])
    made = made.set_column(2, "id", made["id"].dictionary_encode())
    made = made.set_column(1, "at", made["at"].cast(pa.timestamp("ns", "Asia/Tokyo")))
    pq.write_table(made, tmp_path / "rows.parquet")
    write(session, tmp_path / "rows.parquet")
    group = features.find("prices", session.ground)
    features.read(group, session, as_of="2026-01-01", target=tmp_path / "view.parquet")
    assert rows_of(tmp_path / "view.parquet") == ROWS


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda path: path.write_bytes(b"PAR1 and no more"), "no readable Parquet file"),
        (lambda path: path.write_bytes(b""), "has no row of column names"),
        (lambda path: path.mkdir(), "got a directory"),
        (lambda path: path.symlink_to("/etc/hostname"), "got a symbolic link"),
        (os.mkfifo, "got a FIFO"),
        (lambda path: None, "does not exist"),
    ],
)
def test_what_is_no_file_of_rows_is_refused(prepare: Any, message: str, session: Session, tmp_path: Path) -> None:
    register(session, columns=COLUMNS)
    prepare(tmp_path / "rows.parquet")
    with pytest.raises(UsageError, match=message):
        write(session, tmp_path / "rows.parquet")


def test_a_damaged_parquet_file_is_refused_when_it_is_written_not_years_later(session: Session, tmp_path: Path) -> None:
    register(session, columns=COLUMNS)
    path = parquet(tmp_path / "rows.parquet", [("a", n, float(n)) for n in range(9000)], compression="gzip")
    flip(path)
    with pytest.raises(UsageError, match="no readable Parquet file"):
        write(session, path)


# -- CSV ---------------------------------------------------------------------------------------------------------------

TYPED: Columns = (
    ("id", "int64"), ("at", "timestamp[us, UTC]"), ("name", "string"), ("x", "float64"), ("n", "decimal(10, 2)"),
    ("day", "date"), ("yes", "bool"),
)  # fmt: skip


def test_a_csv_file_is_read_with_the_groups_types(session: Session, tmp_path: Path) -> None:
    register(session, columns=TYPED)
    text = (
        "\ufeffx,id,at,name,n,day,yes\n"
        '1.5,7,2026-03-02T10:00:00+01:00,"a, ""b""\nc",1.25,2026-03-02,true\n'
        ',8,2026-03-02T10:00:00.5Z,,,,\n-0.0,9,2026-03-02T10:00:00Z,"",-3.00,1969-12-31,false\n'
    )
    (tmp_path / "rows.csv").write_text(text)
    done = write(session, tmp_path / "rows.csv")
    assert (done.batch.rows, done.batch.name) == (3, "rows.csv")
    assert (done.batch.first, done.batch.last) == ("2026-03-02T09:00:00Z", "2026-03-02T10:00:00.5Z")
    found = pq.read_table(session.store.blobs.path(done.batch.sha256))
    assert found.schema.names == [name for name, _ in TYPED]
    assert found["name"].to_pylist() == ['a, "b"\nc', None, ""]
    assert found["x"].to_pylist() == [1.5, None, -0.0]
    assert found["yes"].to_pylist() == [True, None, False]
    source = hashlib.sha256((tmp_path / "rows.csv").read_bytes()).hexdigest()
    ups = {node.uid for edge, node in session.store.neighbours(done.batch.uid) if edge.type is EdgeType.DERIVED_FROM}
    assert ups == {f"sha256:{source}"}
    assert (write(session, tmp_path / "rows.csv").new, len(list((session.store.root / "workspaces").iterdir()))) == (
        False, 0,
    )  # fmt: skip


def test_the_same_csv_rows_are_the_same_batch(session: Session, tmp_path: Path) -> None:
    register(session, columns=COLUMNS)
    (tmp_path / "one.csv").write_text("id,at,value\na,2026-03-02T10:00:00Z,1\n")
    (tmp_path / "two.csv").write_text("at,value,id\n2026-03-02T11:00:00+01:00,1.0,a\n")
    first = write(session, tmp_path / "one.csv")
    again = write(session, tmp_path / "two.csv")
    assert (again.new, again.batch) == (False, first.batch)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,at,value\na,2026-03-02T10:00:00,1\n", "CSV conversion error to timestamp"),
        ("id,at,value\na,2026-03-02T10:00:00Z,one\n", "CSV conversion error to double"),
        ("id,at\na,2026-03-02T10:00:00Z\n", "the column 'value' is missing"),
        ("id,at,value,more\na,2026-03-02T10:00:00Z,1,2\n", "the column 'more' is not the group's"),
        ("id,at,value,id\na,2026-03-02T10:00:00Z,1,2\n", "several columns named 'id'"),
        ("id,at,value\n,2026-03-02T10:00:00Z,1\n", "column 'id': row 1 is null"),
        ("id,at,value\n", "got no rows"),
        ("\n", "the column 'id' is missing|no row of column names"),
        ("id,at,value\na,2026-03-02T10:00:00Z\n", "Expected 3 columns, got 2"),
        ('id,at,value\n"a,2026-03-02T10:00:00Z,1\n', "no readable CSV file"),
        (b"id,at,value\n\xff,2026-03-02T10:00:00Z,1\n", "no UTF-8"),
        (b"id,at,value\n" + b"a,2026-03-02T10:00:00Z,1\n" * 60_000 + b"\xff,2026-03-02T10:00:00Z,1\n", "invalid UTF8"),
    ],
)  # fmt: skip
def test_bad_csv_is_refused_and_not_kept(text: str | bytes, message: str, session: Session, tmp_path: Path) -> None:
    register(session, columns=COLUMNS)
    (tmp_path / "rows.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(UsageError, match=message):
        write(session, tmp_path / "rows.csv")
    assert not list(session.store.blobs.iter_ids())
    assert not list((session.store.root / "workspaces").iterdir())


def test_csv_cannot_decide_the_columns_nor_fill_lists(session: Session, tmp_path: Path) -> None:
    register(session)
    (tmp_path / "rows.csv").write_text("id,at,value\na,2026-03-02T10:00:00Z,1\n")
    with pytest.raises(UsageError, match="a CSV file does not say their types") as caught:
        write(session, tmp_path / "rows.csv")
    assert "--schema" in str(caught.value.hint)
    register(session, columns=(("id", "string"), ("at", "timestamp[us, UTC]"), ("value", "list<float64>")))
    with pytest.raises(UsageError, match=r"no readable CSV file: .*list"):
        write(session, tmp_path / "rows.csv")


# -- at once -----------------------------------------------------------------------------------------------------------


def test_a_definition_that_changes_while_rows_are_checked_is_noticed(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = register(session, columns=COLUMNS).group
    real = session.store.blobs.put_file

    def slow(*arguments: Any) -> str:
        register(session, columns=(*COLUMNS, ("volume", "int64")))
        return real(*arguments)

    monkeypatch.setattr(session.store.blobs, "put_file", slow)
    with pytest.raises(StoreBusyError, match="the definition of prices was changed"):
        write(session, parquet(tmp_path / "rows.parquet", ROWS))
    assert features.batches_of(group, session.store) == []


def test_rows_that_come_while_a_definition_is_registered_are_noticed(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(session, columns=COLUMNS)
    real = session.require

    def slow(*_: Any) -> None:  # the last thing that is done before the store is asked again
        monkeypatch.setattr(session, "require", real)
        write(session, parquet(tmp_path / "rows.parquet", ROWS))

    monkeypatch.setattr(session, "require", slow)
    with pytest.raises(UsageError, match="prices has rows"):
        register(session, record_id="value", columns=(("value", "int64"), ("at", "date")), document="a: 1\n")
    assert len(features.find("prices", session.ground).definitions) == 1


def test_of_two_first_writes_with_other_columns_one_wins(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(session)
    other = tmp_path / "other.parquet"
    pq.write_table(table(ROWS).append_column("extra", pa.array([1, 2])), other)
    done: list[features.Written] = []
    put = session.store.blobs.put_file

    def slow(*arguments: Any) -> str:
        monkeypatch.setattr(session.store.blobs, "put_file", put)
        done.append(write(session, other))
        return put(*arguments)

    monkeypatch.setattr(session.store.blobs, "put_file", slow)
    with pytest.raises(StoreBusyError, match="was changed"):
        write(session, parquet(tmp_path / "rows.parquet", ROWS))
    assert [pair[0] for pair in features.find("prices", session.ground).definition.columns][-1] == "extra"


def test_many_writers_and_registrations_lose_nothing(store: Store, tmp_path: Path) -> None:
    session = session_of(store)
    group = registered(session)
    troubles: list[BaseException] = []

    def work(number: int) -> None:
        try:
            path = parquet(tmp_path / f"{number}.parquet", [(f"r{number % 4}", 1, float(number % 4))])
            features.write(group, path, session)
            register(session, document=f"version: {number}\n")
        except StoreBusyError:
            return
        except BaseException as error:
            troubles.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not troubles
    assert len(features.batches_of(group, store)) <= 4
    versions = [one.version for one in features.find("prices", session.ground).definitions]
    assert versions == list(range(1, len(versions) + 1))
    assert len({batch.sha256 for batch in features.batches_of(group, store)}) == len(features.batches_of(group, store))
    assert not verify_store(store)
