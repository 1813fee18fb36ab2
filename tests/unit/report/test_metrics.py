from __future__ import annotations

import json

import pytest

from replay.report.metrics import MAX_KEYS, metric_rows, percent, read_metrics, signed


def test_nested_values_are_flattened_in_the_order_of_the_file() -> None:
    data = json.dumps({"z": 1, "a": {"b": [0.5, {"c": "x"}]}, "t": True, "n": None}).encode()
    assert read_metrics(data) == {"z": 1, "a.b[0]": 0.5, "a.b[1].c": "x", "t": True, "n": None}


@pytest.mark.parametrize("data", [b"", b"[1]", b"{", b"\xff", b"[" * 100_000, b"1" * 10_000])
def test_what_is_no_json_object_is_none(data: bytes) -> None:
    assert read_metrics(data) is None


def test_keys_are_bounded() -> None:
    assert len(read_metrics(json.dumps({str(i): i for i in range(MAX_KEYS + 5)}).encode()) or ()) == MAX_KEYS


def test_differences_are_b_minus_a_absolute_and_relative() -> None:
    rows = {
        r.key: r
        for r in metric_rows({"up": 2.0, "zero": 0, "gone": 1, "same": 3}, {"up": 1.0, "zero": 5, "same": 3, "new": 4})
    }
    assert list(rows) == ["up", "zero", "gone", "same", "new"]
    assert (rows["up"].absolute, rows["up"].relative, rows["up"].same) == (-1.0, -0.5, False)
    assert (rows["zero"].absolute, rows["zero"].relative) == (5.0, None)
    assert (rows["gone"].b, rows["gone"].absolute, rows["gone"].same) == (None, None, False)
    assert rows["new"].a is None
    assert rows["same"].same


def test_a_difference_of_the_last_bit_is_a_difference() -> None:
    (row,) = metric_rows({"x": 0.1 + 0.2}, {"x": 0.3})
    assert not row.same
    assert row.a == "0.30000000000000004"
    assert row.absolute is not None
    assert signed(row.absolute) == "-5.55112e-17"


def test_what_is_no_finite_number_has_no_difference() -> None:
    values = {"nan": float("nan"), "inf": float("inf"), "bool": True, "text": "a", "huge": 10**400}
    rows = metric_rows(values, dict.fromkeys(values, 1.0))
    assert all(row.absolute is None and not row.same for row in rows)
    (both,) = metric_rows({"nan": float("nan")}, {"nan": float("nan")})
    assert both.same


def test_signs_and_percents() -> None:
    assert (signed(0.0), signed(0.0144), signed(-3)) == ("0", "+0.0144", "-3")
    assert (percent(0.0), percent(-0.0364), percent(3e-16)) == ("0 %", "-3.64 %", "+3.000e-16")
