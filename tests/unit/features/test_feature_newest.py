"""The newest row of each record, held against a loop that does the same one row after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replay.features import newest
from replay.features.columns import type_of
from replay.features.newest import Order, ordered

Row = tuple[Any, int, int]
"""Record id, event time, and which row it is."""

IDS: dict[str, st.SearchStrategy[Any]] = {
    "int64": st.integers(-3, 3) | st.sampled_from([-(2**63), 2**63 - 1]),
    "uint64": st.sampled_from([0, 1, 2**63, 2**64 - 1]),
    "string": st.sampled_from(["", "a", "b", "aa", "Z", "é", "\U0001f4c8", "\ufffd"]),
    "binary": st.sampled_from([b"", b"\0", b"\xff", b"a\0", b"a"]),
    "binary[2]": st.sampled_from([b"\0\0", b"ab", b"\xff\xff"]),
    "date": st.integers(-2, 2),
}
TIMES = {"date": st.integers(-3, 3), "timestamp[ns, UTC]": st.integers(-3, 3), "timestamp[us]": st.integers(-3, 3)}


def by_hand(rows: list[Row], *, all_versions: bool) -> list[Row]:
    """``rows`` in the order of writing; the later of two with one event time counts."""
    if all_versions:
        return sorted(rows, key=lambda row: (comparable(row[0]), row[1]))
    best: dict[Any, Row] = {}
    for row in rows:
        if row[0] not in best or row[1] >= best[row[0]][1]:
            best[row[0]] = row
    return [best[key] for key in sorted(best, key=comparable)]


def comparable(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


def by_us(rows: list[Row], id_kind: str, time_kind: str, folder: Path, size: int, *, all_versions: bool) -> list[Row]:
    schema = pa.schema([("id", type_of(id_kind)), ("at", type_of(time_kind)), ("row", pa.int64())])

    def batches() -> Iterator[Any]:
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            arrays = [pa.array([row[i] for row in part], field.type) for i, field in enumerate(schema)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        yield pa.RecordBatch.from_pylist([], schema=schema)

    found: list[Row] = []
    for batch in ordered(batches(), Order("id", "at", all_versions=all_versions), folder):
        assert batch.schema.equals(schema)
        assert batch.num_rows
        ids = [v.value if pa.types.is_temporal(v.type) else v.as_py() for v in batch.column("id")]
        found += zip(ids, [v.value for v in batch.column("at")], batch.column("row").to_pylist(), strict=True)
    return found


@pytest.mark.parametrize("all_versions", [False, True])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_it_is_what_a_loop_finds(all_versions: bool, tmp_path: Path, data: st.DataObject) -> None:
    id_kind, time_kind = data.draw(st.sampled_from(sorted(IDS))), data.draw(st.sampled_from(sorted(TIMES)))
    pairs = data.draw(st.lists(st.tuples(IDS[id_kind], TIMES[time_kind]), max_size=60))
    rows = [(key, time, number) for number, (key, time) in enumerate(pairs)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(newest, "RUN_BYTES", data.draw(st.sampled_from([1, 60, 200, 500, 1 << 20])))
        patch.setattr(newest, "BLOCK", data.draw(st.integers(1, 7)))
        found = by_us(rows, id_kind, time_kind, tmp_path, data.draw(st.integers(1, 9)), all_versions=all_versions)
    assert found == by_hand(rows, all_versions=all_versions)
    assert not list(tmp_path.iterdir()), "runs are removed"


def test_many_runs_are_really_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newest, "RUN_BYTES", 4 << 10)
    monkeypatch.setattr(newest, "BLOCK", 16)
    spilled: list[Any] = []
    spill = newest._Runs._spill
    monkeypatch.setattr(newest._Runs, "_spill", lambda self, run: (spilled.append(run.num_rows), spill(self, run))[1])
    rows = [((number * 7919) % 1000, number % 13, number) for number in range(5000)]
    for all_versions in (False, True):
        assert by_us(rows, "int64", "timestamp[us]", tmp_path, 100, all_versions=all_versions) == by_hand(
            rows, all_versions=all_versions
        )
    assert len(spilled) > 20


def test_old_versions_do_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newest, "RUN_BYTES", 4 << 10)
    monkeypatch.setattr(newest._Runs, "_spill", lambda *_: pytest.fail("ten records fit into memory"))
    rows = [(number % 10, number, number) for number in range(5000)]
    assert by_us(rows, "int64", "timestamp[us]", tmp_path, 100, all_versions=False) == rows[-10:]


def test_nothing_is_nothing(tmp_path: Path) -> None:
    assert by_us([], "string", "date", tmp_path, 1, all_versions=False) == []
