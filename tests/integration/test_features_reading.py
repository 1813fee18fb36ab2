"""Views of a feature group, on both databases: the right rows, and the same rows again."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests_support.features import (
    COLUMNS,
    DAY,
    WITH_DELETIONS,
    Row,
    as_of,
    parquet,
    registered,
    rows_of,
)
from tests_support.project import flip
from tests_support.recordings import session_of

from replay import features
from replay.errors import StoreBusyError, StoreCorruptError, UsageError
from replay.features.times import nanoseconds, shown
from replay.features.values import Columns
from replay.lineage import EdgeType, Kind
from replay.session import Session
from replay.store.database import Store
from replay.store.verify import verify_store

MONDAY = nanoseconds("2026-03-02T00:00:00Z")


@pytest.fixture
def session(store: Store) -> Session:
    return session_of(store)


def write(session: Session, rows: list[Row], folder: Path, columns: Columns = COLUMNS, name: str = "prices") -> Any:
    group = features.find(name, session.ground)
    return features.write(group, parquet(folder / "rows.parquet", rows, columns), session)


def read(session: Session, moment: int | str, folder: Path, name: str = "prices", **options: Any) -> features.Reading:
    text = moment if isinstance(moment, str) else shown(moment)
    group = features.find(name, session.ground)
    return features.read(group, session, as_of=text, target=folder / "view.parquet", **options)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


IDS = st.sampled_from(["a", "b", "é", "\U0001f4c8", "\ufffd", ""])
BATCH = st.lists(st.tuples(IDS, st.integers(0, 5), st.integers(0, 99), st.booleans()), min_size=1, max_size=8)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(BATCH, min_size=1, max_size=4), late=BATCH, moment=st.integers(-1, 6))
def test_a_view_is_what_a_loop_finds_and_stays_so(
    batches: list[list[Any]], late: list[Any], moment: int, tmp_path: Path, store: Store
) -> None:
    session = session_of(store)
    name = f"g{time.time_ns()}"
    registered(session, name, WITH_DELETIONS)
    mark = iter(range(10**6))
    every = [[(k, MONDAY + t, float(next(mark)), gone) for k, t, _, gone in rows] for rows in [*batches, late]]
    for rows in every[:-1]:
        write(session, rows, tmp_path, WITH_DELETIONS, name)
    before = read(session, MONDAY + moment, tmp_path, name)
    expected = as_of(every[:-1], MONDAY + moment, deletions=True)
    assert rows_of(before.path) == expected
    assert before.view.rows == len(expected)
    first = before.path.read_bytes()
    write(session, every[-1], tmp_path, WITH_DELETIONS, name)
    again = read(session, MONDAY + moment, tmp_path, name, written=before.view.written)
    assert again.path.read_bytes() == first
    assert again.view == before.view
    now = read(session, MONDAY + moment, tmp_path, name)
    assert rows_of(now.path) == as_of(every, MONDAY + moment, deletions=True)
    everything = read(session, MONDAY + moment, tmp_path, name, all_versions=True)
    flat = [row for rows in every for row in rows if row[1] <= MONDAY + moment]
    assert rows_of(everything.path) == sorted(flat, key=lambda row: (row[0].encode(), row[1]))


def test_nanoseconds_decide(session: Session, tmp_path: Path) -> None:
    registered(session)
    write(session, [("a", MONDAY, 1.0), ("a", MONDAY + 1, 2.0)], tmp_path)
    assert rows_of(read(session, MONDAY, tmp_path).path) == [("a", MONDAY, 1.0)]
    assert rows_of(read(session, MONDAY + 1, tmp_path).path) == [("a", MONDAY + 1, 2.0)]
    assert read(session, "2026-03-02T01:00:00.000000001+01:00", tmp_path).view.as_of == "2026-03-02T00:00:00.000000001Z"
    assert read(session, MONDAY - 1, tmp_path).view.rows == 0


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [", UTC", ""])
def test_every_unit_is_compared_exactly(unit: str, zone: str, sqlite_store: Store, tmp_path: Path) -> None:
    session = session_of(sqlite_store)
    columns = (("id", "int64"), ("at", f"timestamp[{unit}{zone}]"), ("value", "float64"))
    registered(session, columns=columns)
    per = {"ms": 10**6, "us": 10**3, "ns": 1}[unit]
    write(session, [(1, MONDAY // per, 1.0), (1, MONDAY // per + 1, 2.0), (2, -1, 3.0)], tmp_path, columns)
    assert [row[0] for row in rows_of(read(session, MONDAY - 1, tmp_path).path)] == [2]
    assert rows_of(read(session, MONDAY + per - 1, tmp_path).path)[0][2] == 1.0
    assert rows_of(read(session, MONDAY + per, tmp_path).path)[0][2] == 2.0
    assert read(session, "1969-12-31T23:59:59.9995Z", tmp_path).view.rows == (unit == "ms")
    assert read(session, "1970-01-01", tmp_path).view.rows == 1


def test_zones_are_instants(session: Session, tmp_path: Path) -> None:
    registered(session)
    group = features.find("prices", session.ground)
    for number, zone in enumerate(("Europe/Berlin", "America/New_York", "+09:00", "UTC")):
        at = pa.array([MONDAY + number], pa.timestamp("ns", tz=zone))
        pq.write_table(
            pa.table({"value": pa.array([float(number)]), "at": at, "id": pa.array(["a"])}), tmp_path / "zoned.parquet"
        )
        features.write(group, tmp_path / "zoned.parquet", session)
        made = read(session, MONDAY + number, tmp_path)
        assert rows_of(made.path) == [("a", MONDAY + number, float(number))]
        assert pq.read_schema(made.path).field("at").type == pa.timestamp("ns", tz="UTC")


def test_a_date_is_asked_for_by_days(session: Session, tmp_path: Path) -> None:
    columns = (("id", "string"), ("at", "date"), ("value", "float64"))
    registered(session, columns=columns)
    write(session, [("a", 10, 1.0), ("a", 11, 2.0)], tmp_path, columns)
    made = read(session, "1970-01-11", tmp_path)
    assert pq.read_table(made.path).column("value").to_pylist() == [1.0]
    assert made.view.as_of == "1970-01-11"
    with pytest.raises(UsageError, match="is a date: got '1970-01-11T12:00:00Z', expected a day"):
        read(session, "1970-01-11T12:00:00Z", tmp_path)


def test_what_no_column_can_hold_is_no_trouble(session: Session, tmp_path: Path) -> None:
    registered(session)
    write(session, [("a", 2**63 - 1, 1.0), ("b", -(2**63), 2.0)], tmp_path)
    assert read(session, "9999-12-31T23:59:59.999999999Z", tmp_path).view.rows == 2
    assert read(session, "2262-04-11T23:47:16.854775806Z", tmp_path).view.rows == 1
    assert read(session, "0001-01-01", tmp_path).view.rows == 0
    coarse = (("id", "int8"), ("at", "timestamp[ms]"))
    registered(session, "far", coarse)
    write(session, [(1, 10**16), (2, -(10**16)), (3, 0)], tmp_path, coarse, "far")
    assert read(session, "2026-01-01", tmp_path, "far").view.rows == 2


def test_the_newest_write_wins_at_one_event_time_and_the_last_row_in_one_file(session: Session, tmp_path: Path) -> None:
    registered(session)
    write(session, [("a", MONDAY, 1.0), ("a", MONDAY, 2.0)], tmp_path)
    assert rows_of(read(session, MONDAY, tmp_path).path) == [("a", MONDAY, 2.0)]
    write(session, [("a", MONDAY, 3.0), ("a", MONDAY - 1, 4.0)], tmp_path)
    assert rows_of(read(session, MONDAY, tmp_path).path) == [("a", MONDAY, 3.0)]


def test_a_late_correction_of_an_old_time_does_not_hide_a_newer_row(session: Session, tmp_path: Path) -> None:
    registered(session)
    write(session, [("a", MONDAY, 1.0), ("a", MONDAY + DAY, 2.0)], tmp_path)
    write(session, [("a", MONDAY, 10.0)], tmp_path)
    assert rows_of(read(session, MONDAY + DAY, tmp_path).path) == [("a", MONDAY + DAY, 2.0)]
    assert rows_of(read(session, MONDAY, tmp_path).path) == [("a", MONDAY, 10.0)]


def test_a_deleted_record_is_absent_until_it_comes_again(session: Session, tmp_path: Path) -> None:
    registered(session, columns=WITH_DELETIONS)
    rows = [("a", MONDAY, 1.0, False), ("a", MONDAY + 1, None, True), ("a", MONDAY + 2, 3.0, False)]
    write(session, rows, tmp_path, WITH_DELETIONS)
    assert [read(session, MONDAY + later, tmp_path).view.rows for later in range(3)] == [1, 0, 1]
    made = read(session, MONDAY + 2, tmp_path)
    assert pq.read_schema(made.path).names == ["id", "at", "value"]
    every = read(session, MONDAY + 2, tmp_path, all_versions=True)
    assert rows_of(every.path) == rows


def test_columns_that_came_later_are_null_in_older_rows(session: Session, tmp_path: Path) -> None:
    registered(session)
    write(session, [("a", MONDAY, 1.0)], tmp_path)
    before = read(session, MONDAY, tmp_path)
    wider = (*COLUMNS, ("volume", "int64"), ("is_deleted", "bool"))
    again = features.register("prices", session, record_id="id", event_time="at", columns=wider)
    assert (again.new, again.group.definition.version) == (True, 2)
    after = read(session, MONDAY, tmp_path)
    assert rows_of(after.path) == [("a", MONDAY, 1.0, None)]
    assert after.view.written > before.view.written
    write(session, [("b", MONDAY, 2.0, 7, False)], tmp_path, wider)
    assert rows_of(read(session, MONDAY, tmp_path).path) == [("a", MONDAY, 1.0, None), ("b", MONDAY, 2.0, 7)]
    as_before = read(session, MONDAY, tmp_path, written=before.view.written)
    assert (rows_of(as_before.path), as_before.view) == ([("a", MONDAY, 1.0)], before.view)


def test_the_lineage_says_what_a_view_is(session: Session, tmp_path: Path) -> None:
    group = registered(session)
    batch = write(session, [("a", MONDAY, 1.0)], tmp_path).batch
    later = write(session, [("a", MONDAY + DAY, 1.0)], tmp_path).batch
    made = read(session, MONDAY, tmp_path)
    store, view = session.store, session.store.node(made.view.uid)
    assert view.kind is Kind.FEATURE_VIEW
    assert view.name == f"prices as of 2026-03-02T00:00:00Z, written up to {later.written}"
    assert view.identity == {
        "feature_group": "prices", "store": store.id, "as_of": "2026-03-02T00:00:00Z", "written": later.written,
    }  # fmt: skip
    up = {(e.type, e.role, n.uid) for e, n in store.neighbours(view.uid)}
    assert (EdgeType.DERIVED_FROM, "batch", batch.uid) in up
    assert (EdgeType.PART_OF, "view", group.uid) in up
    assert later.uid not in {uid for _, _, uid in up}, "a batch without rows up to then is not read"
    content = store.node(f"sha256:{digest(made.path)}")
    described = made.described
    assert content.attrs == {
        "kind": "file", "size": described.size, "files": 1,
        "blake3": described.digests.blake3, "md5": described.digests.md5,
    }  # fmt: skip
    assert [(e.type, e.role) for e, n in store.neighbours(content.uid) if n.uid == view.uid] == [
        (EdgeType.DERIVED_FROM, "rows")
    ]
    assert content.uid in store.closure(batch.uid, direction="down").nodes
    assert not verify_store(store)


def test_the_same_question_is_one_view_in_another_zone_and_without_new_rows(session: Session, tmp_path: Path) -> None:
    registered(session)
    write(session, [("a", MONDAY, 1.0)], tmp_path)
    one = read(session, "2026-03-02T01:00:00+01:00", tmp_path)
    two = read(session, "2026-03-02T00:00:00Z", tmp_path)
    pinned = read(session, "2026-03-02T00:00:00Z", tmp_path, written=one.view.written)
    assert one.view == two.view == pinned.view
    assert len(features.views_of(features.find("prices", session.ground), session.store)) == 1


def test_a_file_says_which_view_it_is_so_two_views_are_two_files(session: Session, tmp_path: Path) -> None:
    registered(session)
    write(session, [("a", MONDAY, 1.0)], tmp_path)
    one, first = read(session, MONDAY, tmp_path), (tmp_path / "view.parquet").read_bytes()
    two, second = read(session, MONDAY + 1, tmp_path), (tmp_path / "view.parquet").read_bytes()
    assert one.view.digest == two.view.digest
    assert first != second
    assert one.view.digest.encode() in pq.read_metadata(two.path).metadata[b"replay.features"]


def test_a_damaged_batch_is_named_and_no_file_appears(session: Session, tmp_path: Path) -> None:
    registered(session)
    good = write(session, [("a", MONDAY, 1.0)], tmp_path).batch
    bad = write(session, [("b", MONDAY, 1.0)], tmp_path).batch
    flip(session.store.blobs.path(bad.sha256))
    with pytest.raises(StoreCorruptError, match=bad.sha256) as caught:
        read(session, MONDAY, tmp_path)
    assert good.sha256 not in str(caught.value)
    assert not (tmp_path / "view.parquet").exists()
    path = session.store.blobs.path(bad.sha256)
    path.unlink()
    with pytest.raises(StoreCorruptError, match=rf"{bad.sha256}.*does not exist"):
        read(session, MONDAY, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".replay", "rows.parquet"]


def test_rows_that_come_out_otherwise_than_recorded_are_refused(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(session)
    write(session, [("a", MONDAY, 1.0), ("a", MONDAY, 2.0)], tmp_path)
    made = read(session, MONDAY, tmp_path)
    kept = made.path.read_bytes()
    from replay.features.newest import Order

    monkeypatch.setattr(Order, "last_of_each", lambda self, ordered: ordered.slice(0, 1))
    with pytest.raises(StoreCorruptError, match=r"expected 1 rows sha256:.*, as recorded"):
        read(session, MONDAY, tmp_path)
    assert made.path.read_bytes() == kept


def test_rows_written_while_a_view_is_read_are_not_lost_in_it(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(session)
    write(session, [("a", MONDAY, 1.0)], tmp_path)
    from replay.features import reading

    real = reading._question

    def slow(*arguments: Any) -> Any:
        question = real(*arguments)
        # The clock was set back: rows that are written now get the time that the view is pinned to.
        monkeypatch.setattr("replay.store.writes.now", lambda: "2000-01-01T00:00:00.000000+00:00")
        write(session, [("b", MONDAY, 1.0)], tmp_path)
        return question

    monkeypatch.setattr(reading, "_question", slow)
    with pytest.raises(StoreBusyError, match="written to prices meanwhile"):
        read(session, MONDAY, tmp_path)
    monkeypatch.setattr(reading, "_question", real)
    assert read(session, MONDAY, tmp_path).view.rows == 2


def test_a_recorded_view_keeps_its_batches_whatever_the_clocks_say(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered(session)
    write(session, [("a", MONDAY, 1.0)], tmp_path)
    before = read(session, MONDAY, tmp_path)
    monkeypatch.setattr("replay.store.writes.now", lambda: "2000-01-01T00:00:00.000000+00:00")
    late = write(session, [("b", MONDAY, 1.0)], tmp_path).batch
    assert late.written >= before.view.written
    assert read(session, MONDAY, tmp_path, written=before.view.written).view == before.view


def test_times_before_and_after_the_record(session: Session, tmp_path: Path) -> None:
    registered(session, columns=())
    with pytest.raises(UsageError, match="prices has no rows yet"):
        read(session, MONDAY, tmp_path)
    write(session, [("a", MONDAY, 1.0)], tmp_path)
    with pytest.raises(UsageError, match="was not registered at 2020-01-01"):
        read(session, MONDAY, tmp_path, written="2020-01-01")
    with pytest.raises(UsageError, match="yet to come"):
        read(session, MONDAY, tmp_path, written="2999-01-01")
    with pytest.raises(UsageError, match="ISO 8601"):
        read(session, MONDAY, tmp_path, written="yesterday")
    made = read(session, "2999-01-01", tmp_path)
    assert "is yet to come" in made.warnings[0]
    assert "no record has a row" in read(session, "1999-01-01", tmp_path).warnings[0]


@pytest.mark.parametrize("target", ["", "missing/view.parquet"])
def test_a_target_that_is_no_file_is_refused(target: str, session: Session, tmp_path: Path) -> None:
    registered(session)
    write(session, [("a", MONDAY, 1.0)], tmp_path)
    group = features.find("prices", session.ground)
    with pytest.raises(UsageError, match="expected the path of a file"):
        features.read(group, session, as_of="2026-03-02", target=tmp_path / target)


def test_many_readers_and_writers_at_once(store: Store, tmp_path: Path) -> None:
    session = session_of(store)
    registered(session)
    group = features.find("prices", session.ground)
    write(session, [("a", MONDAY, 0.0)], tmp_path)
    troubles: list[BaseException] = []

    def work(number: int) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            rows = [("a", MONDAY, float(number)), (f"r{number}", MONDAY, 1.0)]
            features.write(group, parquet(folder / "rows.parquet", rows), session)
            features.read(group, session, as_of=shown(MONDAY), target=folder / "view.parquet")
        except StoreBusyError:
            return  # says itself that it may be tried again
        except BaseException as error:
            troubles.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not troubles
    batches = features.batches_of(group, store)
    assert len(batches) == 7
    for view in features.views_of(group, store):
        made = features.read(group, session, as_of=view.as_of, written=view.written, target=tmp_path / "again.parquet")
        assert made.view == view
    assert not verify_store(store)


def test_nothing_is_left_of_a_read_that_the_disk_stopped(session: Session, tmp_path: Path) -> None:
    registered(session)
    write(session, [("a", MONDAY, 1.0)], tmp_path)
    group = features.find("prices", session.ground)
    from replay.errors import StoreError
    from replay.features import parquet as files

    def full(*_: Any) -> None:
        raise OSError(28, os.strerror(28))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files.Writer, "note", full)
        with pytest.raises(StoreError, match="No space left"):
            features.read(group, session, as_of="2026-03-02", target=tmp_path / "view.parquet")
    assert not (tmp_path / "view.parquet").exists()
    assert not features.views_of(group, session.store)
    assert [path.name for path in (session.store.root / "workspaces").iterdir()] == []
