from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.compare import comparator
from replay.errors import CompareError
from replay.outcome import Finding, Match
from replay.recipe import Judgement, Tolerance

RECORD = {"sharpe": 1.25, "nested": {"drawdown": [-0.1, -0.2]}, "trades": 300, "ok": True, "note": "x"}


def run(folder: Path, one: Any, two: Any, **tolerance: Any) -> Finding:
    for name, value in (("one", one), ("two", two)):
        (folder / name).write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    sealed = Tolerance(**tolerance) if tolerance else None
    return comparator("metrics").compare(
        folder / "one", folder / "two", Judgement(comparator="metrics", tolerance=sealed)
    )


def test_layout_and_order_of_keys_are_format(tmp_path: Path) -> None:
    other = json.dumps(dict(reversed(RECORD.items())), indent=4).encode()
    finding = run(tmp_path, RECORD, other)
    assert finding.match is Match.EQUIVALENT
    assert "only file metadata, layout or encoding" in finding.summary


def test_one_bit(tmp_path: Path) -> None:
    finding = run(tmp_path, RECORD, RECORD | {"sharpe": 1.2500000000000002})
    assert finding.match is Match.DIFFERENT
    assert finding.first == "$.sharpe: recorded 1.25, replayed 1.2500000000000002"
    assert "1 of 6 values differ, largest absolute 2.2e-16" in finding.summary
    assert run(tmp_path, RECORD, RECORD | {"sharpe": 1.2500000000000002}, ulp=1).match is Match.EQUIVALENT


@pytest.mark.parametrize(
    ("change", "first"),
    [
        ({"ok": 1}, "$.ok"),
        ({"note": None}, "$.note"),
        ({"nested": {"drawdown": [-0.1]}}, "$.nested.drawdown[1]: missing"),
        ({"nested": {"drawdown": [-0.1, -0.2, 0.0]}}, "$.nested.drawdown[2]: not in the record"),
        ({"nested": []}, "$.nested: recorded an object of 1, replayed a list of 0"),
        ({"nested": {}}, "$.nested.drawdown: missing"),
        ({"new": 1}, "$.new: not in the record"),
        ({"sharpe": float("nan")}, "$.sharpe: recorded 1.25, replayed NaN"),
        ({"sharpe": float("inf")}, "$.sharpe"),
        ({"sharpe": "1.25"}, "$.sharpe"),
    ],
)
def test_no_tolerance_covers_it(tmp_path: Path, change: dict[str, Any], first: str) -> None:
    finding = run(tmp_path, RECORD, RECORD | change, absolute=(1e9).hex(), relative=(1.0).hex(), ulp=1 << 62)
    assert finding.match is Match.DIFFERENT
    assert finding.first.startswith(first)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_nan_and_infinity_equal_themselves(tmp_path: Path, value: float) -> None:
    assert run(tmp_path, {"a": value, "b": 1}, {"b": 1, "a": value}).match is Match.EQUIVALENT


def test_first_beyond_the_tolerance_is_named(tmp_path: Path) -> None:
    finding = run(tmp_path, {"a": 1.0, "b": 1.0}, {"a": 1.001, "b": 1.5}, absolute=(0.01).hex())
    assert finding.first.startswith("$.b")
    assert "2 of 2 values differ, 1 beyond the tolerance" in finding.summary


def test_integers_are_exact_beyond_doubles(tmp_path: Path) -> None:
    assert run(tmp_path, {"n": 2**60}, {"n": 2**60 + 1}).match is Match.DIFFERENT
    assert run(tmp_path, {"n": 1}, {"n": 1.0}).match is Match.EQUIVALENT


HOSTILE = [
    b"[" * 200_000 + b"]" * 200_000,
    b'{"a": 1, "a": 2}',
    b'{"a": ' + b"9" * 10_000 + b"}",
    b'{"a": 1} trailing',
    b"\xff\xfe\xfa",
    b"",
]


@pytest.mark.parametrize("data", HOSTILE, ids=["deep", "twice", "digits", "trailing", "not-utf8", "empty"])
def test_hostile_json(tmp_path: Path, data: bytes) -> None:
    finding = run(tmp_path, RECORD, data)
    assert finding.match is Match.DIFFERENT
    assert "the replayed file is no readable JSON document" in finding.summary
    with pytest.raises(CompareError, match="recorded file is no readable JSON"):
        run(tmp_path, data, RECORD)


def test_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replay.compare.metrics._SIZE", 10)
    assert "expected at most 10" in run(tmp_path, {}, RECORD).summary


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
)


@given(JSON)
def test_a_document_equals_itself_written_otherwise(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    folder = tmp_path_factory.mktemp("pair")
    assert run(folder, value, json.dumps(value, indent=1).encode() + b"\n").match is Match.EQUIVALENT


@given(JSON, JSON)
def test_the_order_of_arguments_does_not_change_equality(
    tmp_path_factory: pytest.TempPathFactory, one: Any, two: Any
) -> None:
    folder = tmp_path_factory.mktemp("pair")
    assert run(folder, one, two).match is run(folder, two, one).match
