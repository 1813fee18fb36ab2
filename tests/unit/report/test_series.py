from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from replay.report.chart import HEIGHT, chart, number_ticks, path, time_ticks
from replay.report.series import MAX_POINTS, read_series, thin


def parquet_bytes(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def csv_bytes(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    csv.write_csv(pa.table(columns), buffer)
    return buffer.getvalue()


DAYS = pa.array(np.arange("2020-01-01", "2020-04-10", dtype="datetime64[D]"))
Y = np.linspace(1, 2, 100)


def moved(at: int, by: float) -> Any:
    other = Y.copy()
    other[at] += by
    return other


@pytest.mark.parametrize(("write", "suffix"), [(parquet_bytes, ".parquet"), (csv_bytes, ".csv")])
def test_the_column_that_differs_most_comes_first_and_its_difference_is_found(write: Any, suffix: str) -> None:
    found = read_series(write(date=DAYS, a=Y, b=Y, c=Y), write(date=DAYS, a=Y, b=Y, c=moved(7, 0.25)), suffix)
    assert found.columns == 3
    assert [s.column for s in found.series] == ["c"]
    assert found.differing == 1
    (first,) = found.series
    assert (first.axis, first.temporal, first.differing) == ("date", True, 1)
    assert first.largest == pytest.approx(0.25)
    both = read_series(write(date=DAYS, a=Y, b=Y), write(date=DAYS, a=moved(3, 0.1), b=moved(7, 0.25)), suffix)
    assert [s.column for s in both.series] == ["b", "a"]
    assert both.differing == 2


def test_of_equal_tables_one_column_is_drawn() -> None:
    same = parquet_bytes(date=DAYS, a=Y, b=Y)
    found = read_series(same, same, ".parquet")
    assert ([s.column for s in found.series], found.columns, found.differing) == (["a"], 2, 0)


def test_a_last_bit_is_a_difference() -> None:
    found = read_series(parquet_bytes(date=DAYS, y=Y), parquet_bytes(date=DAYS, y=np.nextafter(Y, 3)), ".parquet")
    assert found.series[0].differing == 100


def test_dates_as_text_and_integer_indexes_are_axes() -> None:
    text = pa.array([f"2020-01-{day:02}" for day in range(1, 11)])
    assert (
        read_series(parquet_bytes(d=text, y=Y[:10]), parquet_bytes(d=text, y=Y[:10]), ".parquet").series[0].axis == "d"
    )
    steps = parquet_bytes(step=np.arange(10), y=Y[:10])
    found = read_series(steps, steps, ".parquet").series[0]
    assert (found.axis, found.temporal) == ("step", False)


def test_rows_are_matched_by_the_axis_not_by_their_number() -> None:
    found = read_series(parquet_bytes(date=DAYS, y=Y), parquet_bytes(date=DAYS[10:], y=Y[10:]), ".parquet").series[0]
    assert (len(found.common_x), found.differing) == (90, 0)
    assert chart(found).summary == "equal at all 90 common points; 10 points only recorded"
    assert not chart(found).identical


def test_panels_and_unordered_tables_are_no_series() -> None:
    twice = parquet_bytes(date=pa.concat_arrays([DAYS, DAYS]), y=np.concatenate([Y, Y]))
    assert "strictly increases" in read_series(twice, twice, ".parquet").why
    same = parquet_bytes(date=DAYS, y=Y)
    assert "no axis of both tables" in read_series(same, parquet_bytes(date=np.arange(100), y=Y), ".parquet").why


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + b"\x00" * 100 + b"PAR1", b"\x00\xff,\n\n"])
def test_broken_tables_are_an_answer(data: bytes) -> None:
    for suffix in (".parquet", ".csv"):
        found = read_series(data, data, suffix)
        assert not found.series
        assert found.why


def test_nan_on_both_sides_is_no_difference_and_on_one_side_is() -> None:
    both = Y.copy()
    both[3] = np.nan
    assert (
        read_series(parquet_bytes(date=DAYS, y=both), parquet_bytes(date=DAYS, y=both), ".parquet").series[0].differing
        == 0
    )
    one = read_series(parquet_bytes(date=DAYS, y=Y, z=moved(1, 9)), parquet_bytes(date=DAYS, y=both, z=Y), ".parquet")
    assert one.series[0].column == "y"
    assert one.series[0].differing == 1
    assert chart(one.series[0]).summary == "differs at 1 of 100 common points, by at most 0"


@pytest.mark.parametrize(
    ("values", "limit", "kept"),
    [
        ([1, 0, 0, 5, 5, 2, 9, 9], 4, [1, 3, 5, 6]),  # the first of equal extremes
        ([np.nan, 4, 3, np.nan, np.nan, np.nan, np.nan, np.nan], 4, [1, 2, 4]),  # a stretch without values keeps a gap
        ([1, np.inf, -np.inf, 2, 7, 7, 7, 7], 4, [1, 2, 4]),
        ([3, 1, 2], 2, [0, 1]),
    ],
)
def test_what_thinning_keeps_of_each_stretch(values: list[float], limit: int, kept: list[int]) -> None:
    x, y = np.arange(len(values)) * 10, np.array(values, dtype=float)
    kept_x, kept_y = thin(x, y, limit)
    assert (kept_x // 10).tolist() == kept
    assert np.array_equal(kept_y, y[kept], equal_nan=True)


def test_thinning_keeps_the_bound_the_order_and_every_extreme() -> None:
    x = np.arange(1_000_000)
    y = np.zeros(1_000_000)
    y[123_456], y[765_432] = 5.0, -7.0
    kept_x, kept_y = thin(x, y)
    assert len(kept_x) <= MAX_POINTS
    assert np.all(np.diff(kept_x) > 0)
    assert (kept_y.max(), kept_y.min()) == (5.0, -7.0)
    assert thin(x[:10], y[:10])[0] is not None
    empty = np.full(5_000, np.nan)
    assert np.isnan(thin(np.arange(5_000), empty)[1]).all()


def test_the_path_starts_at_the_left_and_breaks_at_nan() -> None:
    drawn = path(np.array([0, 5, 10, 15, 20]), np.array([0.0, 1.0, np.nan, 0.5, np.inf]), (0, 20, 0, 1), HEIGHT)
    assert drawn == "M0.0 240.0L250.0 0.0M750.0 120.0"


def test_flat_and_huge_series_can_be_drawn() -> None:
    for values in (
        np.zeros(100),
        np.full(100, 3.0),
        np.full(100, np.nan),
        1.7e308 * np.linspace(-1, 1, 100),
        np.full(100, 5e-324),
    ):
        same = parquet_bytes(date=DAYS, y=values)
        (series,) = read_series(same, same, ".parquet").series
        drawn = chart(series)
        assert drawn.identical
        assert "nan" not in drawn.recorded
        assert all(np.isfinite(t.at) for t in (*drawn.x_ticks, *drawn.y_ticks, *drawn.d_ticks))


def test_ticks_are_round_and_labelled() -> None:
    assert [label for _, label in number_ticks(0.51, 1.03, 5)] == ["0.6", "0.8", "1.0"]
    assert [label for _, label in number_ticks(0, 1_000, 5)] == ["0", "200", "400", "600", "800", "1,000"]
    assert [label for _, label in number_ticks(0, 1e9, 2)][-1] == "1e+09"
    assert number_ticks(1, 1, 5) == [(1, "1")]


@pytest.mark.parametrize(
    ("start", "stop", "labels"),
    [
        ("2009-01-05", "2013-03-01", ["2010", "2011", "2012", "2013"]),
        ("2020-01-15", "2020-06-02", ["2020-02", "2020-03", "2020-04", "2020-05", "2020-06"]),
        ("2020-01-01", "2020-01-05", ["2020-01-01", "2020-01-02", "2020-01-03", "2020-01-04", "2020-01-05"]),
        ("2020-01-01T00:00", "2020-01-01T04:00", ["01-01 01:00:00", "01-01 02:00:00", "01-01 03:00:00"]),
    ],
)
def test_time_ticks_are_starts_of_natural_units(start: str, stop: str, labels: list[str]) -> None:
    ends = [float(np.datetime64(text, "us").astype(np.int64)) for text in (start, stop)]
    ticks = time_ticks(*ends)
    assert [label for _, label in ticks] == labels
    assert all(ends[0] <= at <= ends[1] for at, _ in ticks)
