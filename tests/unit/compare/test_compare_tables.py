from __future__ import annotations

import datetime
import decimal
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.compare import comparator
from replay.compare.table_files import BATCH
from replay.errors import CompareError
from replay.outcome import Finding, Match
from replay.recipe import Judgement, Tolerance

RECORD = {"id": [1, 2, 3], "price": [1.5, None, 3.5], "name": ["a", "b", None]}
TYPES = {
    "float": ([1.0, math.nan, None], [1.0, math.nan, 2.0], pa.float64()),
    "float32": ([1.0, 2.0], [1.0, 2.0000002384185791], pa.float32()),
    "half": ([1.0], [2.0], pa.float16()),
    "int": ([1, 2**62], [1, 2**62 + 1], pa.int64()),
    "uint8": ([1, 255], [1, 254], pa.uint8()),
    "bool": ([True, None], [True, False], pa.bool_()),
    "text": (["a", None, ""], ["a", "", ""], pa.string()),
    "date": ([datetime.date(2020, 1, 1)], [datetime.date(2020, 1, 2)], pa.date32()),
    "stamp": ([1_000_000_001], [1_000_000_002], pa.timestamp("ns", "UTC")),
    "decimal": ([decimal.Decimal("1.10")], [decimal.Decimal("1.11")], pa.decimal128(9, 2)),
    "list": ([[1.0, math.nan], None], [[1.0, math.nan], []], pa.list_(pa.float64())),
    "struct": ([{"a": 1, "b": "x"}], [{"a": 1, "b": "y"}], pa.struct({"a": pa.int8(), "b": pa.string()})),
    "binary": ([b"\xff"], [b"\xfe"], pa.binary()),
    "null": ([None, None], None, pa.null()),
}


def parquet(columns: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), file, **options)
    return file.getvalue()


def run(folder: Path, one: bytes, two: bytes, **judgement: Any) -> Finding:
    (folder / "one").write_bytes(one)
    (folder / "two").write_bytes(two)
    return comparator("table").compare(folder / "one", folder / "two", Judgement(comparator="table", **judgement))


def measures(finding: Finding) -> dict[str, str]:
    return {m.name: m.value for m in finding.measures}


def wide(absolute: float = 1e9) -> Tolerance:
    return Tolerance(absolute=absolute.hex())


@pytest.mark.parametrize("name", TYPES)
def test_every_type_and_its_twin(tmp_path: Path, name: str) -> None:
    one, two, kind = TYPES[name]
    mine = parquet({"x": pa.array(one, kind)})
    finding = run(tmp_path, mine, parquet({"x": pa.array(one, kind)}, compression="gzip"))
    assert finding.match is Match.EQUIVALENT, finding
    assert finding.summary.startswith("contents equal")
    if two is not None:
        finding = run(tmp_path, mine, parquet({"x": pa.array(two, kind)}))
        assert finding.match is Match.DIFFERENT
        assert "1 of " in finding.summary
        assert "column x" in finding.first


def test_layout_is_format(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    count = 2 * BATCH + 1000
    table = pa.table({"x": rng.standard_normal(count), "s": pa.array(["a", "b"] * (count // 2)).dictionary_encode()})
    plain = table.set_column(1, "s", table["s"].cast(pa.large_string()))
    finding = run(tmp_path, parquet(table, row_group_size=70_001), parquet(plain, row_group_size=33_333))
    assert finding.match is Match.EQUIVALENT
    assert measures(finding)["compared"] == str(2 * count)


def test_one_bit_in_the_last_row_over_batches(tmp_path: Path) -> None:
    values = np.random.default_rng(1).standard_normal(2 * BATCH + 1000)
    other = values.copy()
    other.view(np.uint64)[-1] ^= 1
    finding = run(tmp_path, parquet({"x": values}, row_group_size=50_000), parquet({"x": other}))
    assert finding.match is Match.DIFFERENT
    assert finding.first.startswith(f"row {2 * BATCH + 999}, column x")
    assert measures(finding)["x: differing"] == "1"
    assert measures(finding)["x: largest distance"] == "1"


def test_null_is_no_number(tmp_path: Path) -> None:
    finding = run(tmp_path, parquet(RECORD), parquet(RECORD | {"price": [1.5, 0.0, 3.5]}), tolerance=wide())
    assert finding.match is Match.DIFFERENT
    assert finding.first == "row 1, column price: recorded null, replayed 0.0"


def test_tolerance_by_column(tmp_path: Path) -> None:
    moved = {"id": [1, 2, 3], "price": [1.6, None, 3.5], "name": ["a", "b", None]}
    one, two = parquet(RECORD), parquet(moved)
    assert run(tmp_path, one, two).match is Match.DIFFERENT
    finding = run(tmp_path, one, two, tolerance=wide(0.2))
    assert finding.match is Match.EQUIVALENT
    assert "1 of 9 values differ, all within the tolerance, largest absolute 0.1" in finding.summary
    assert run(tmp_path, one, two, tolerance=wide(0.2), columns={"price": wide(0.01)}).match is Match.DIFFERENT
    assert run(tmp_path, one, two, columns={"price": wide(0.2)}).match is Match.EQUIVALENT
    assert run(tmp_path, one, two, columns={"id": wide(0.2)}).match is Match.DIFFERENT


def test_the_topmost_row_is_first(tmp_path: Path) -> None:
    other = {"id": [1, 2, 4], "price": [1.5, None, 3.5], "name": ["x", "b", None]}
    assert run(tmp_path, parquet(RECORD), parquet(other)).first.startswith("row 0, column name")


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"id": [1, 2, 3], "name": ["a", "b", None]}, "columns missing: price"),
        (RECORD | {"new": [1, 2, 3]}, "columns not in the record: new"),
        (dict(reversed(RECORD.items())), "order of columns: got"),
        (RECORD | {"id": pa.array([1, 2, 3], pa.int32())}, "type of column id: got int32, recorded int64"),
    ],
)
def test_schema_drift(tmp_path: Path, columns: Any, text: str) -> None:
    finding = run(tmp_path, parquet(RECORD), parquet(columns), tolerance=wide())
    assert finding.match is Match.DIFFERENT
    assert finding.summary.startswith(f"schema: {text}")


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_missing_and_extra_rows(tmp_path: Path, kind: str) -> None:
    def make(values: list[int]) -> bytes:
        return parquet({"x": values}) if kind == "parquet" else ("x\n" + "".join(f"{v}\n" for v in values)).encode()

    finding = run(tmp_path, make([1, 2, 3]), make([1, 2]), tolerance=wide())
    assert finding.match is Match.DIFFERENT
    assert (finding.summary, finding.first) == ("1 rows missing", "row 2: missing")
    finding = run(tmp_path, make([1]), make([5, 2, 3]))
    assert finding.summary.startswith("2 rows not in the record; 1 of 1 values differ")
    assert run(tmp_path, make([1]), make([])).match is Match.DIFFERENT


KEYED = {"day": [1, 1, 2, 2], "asset": ["a", "b", "a", None], "x": [0.1, 0.2, 0.3, 0.4]}
SHUFFLED = {"day": [2, 1, 2, 1], "asset": [None, "b", "a", "a"], "x": [0.4, 0.2, 0.3, 0.1]}


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_rows_joined_by_key(tmp_path: Path, kind: str) -> None:
    def make(table: dict[str, Any]) -> bytes:
        if kind == "parquet":
            return parquet(table)
        lines = [",".join("" if v is None else str(v) for v in row) for row in zip(*table.values(), strict=True)]
        return "\n".join([",".join(table), *lines, ""]).encode()

    one, keys = make(KEYED), ("day", "asset")
    assert run(tmp_path, one, make(SHUFFLED)).match is Match.DIFFERENT
    assert run(tmp_path, one, make(SHUFFLED), keys=keys).match is Match.EQUIVALENT
    moved = make(SHUFFLED | {"x": [0.4, 0.2, 0.5, 0.1]})
    finding = run(tmp_path, one, moved, keys=keys)
    assert finding.match is Match.DIFFERENT
    assert finding.first.startswith("day=2, asset=a, column x: recorded 0.3, replayed 0.5")
    assert run(tmp_path, one, moved, keys=keys, tolerance=wide(0.3)).match is Match.EQUIVALENT
    lost = make({name: values[1:] for name, values in SHUFFLED.items()})
    finding = run(tmp_path, one, lost, keys=keys)
    assert finding.summary == "1 rows missing"
    assert finding.first.startswith("day=2, asset=")
    finding = run(tmp_path, lost, one, keys=keys)
    assert finding.summary == "1 rows not in the record"
    assert run(tmp_path, one, make(SHUFFLED | {"day": [2, 2, 2, 1]}), keys=("day", "asset")).match is Match.DIFFERENT


def test_keys_that_identify_nothing(tmp_path: Path) -> None:
    one, doubled = parquet(KEYED), parquet(KEYED | {"asset": ["a", "a", "a", None]})
    with pytest.raises(CompareError, match="do not identify the rows of the recorded"):
        run(tmp_path, one, parquet(SHUFFLED), keys=("day",))
    with pytest.raises(CompareError, match="no single column nope"):
        run(tmp_path, one, parquet(SHUFFLED), keys=("nope",))
    finding = run(tmp_path, one, doubled, keys=("day", "asset"))
    assert finding.match is Match.DIFFERENT
    assert "do not identify the rows of the replayed table: 1 come again" in finding.summary


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(allow_nan=False)), unique_by=lambda row: row[0]), st.randoms())
def test_a_permutation_is_equal_by_key(tmp_path_factory: pytest.TempPathFactory, rows: Any, random: Any) -> None:
    folder = tmp_path_factory.mktemp("pair")
    shuffled = random.sample(rows, len(rows))
    schema = pa.schema({"k": pa.int64(), "x": pa.float64()})

    def make(some: Any) -> bytes:
        return parquet(pa.table([[k for k, _ in some], [x for _, x in some]], schema=schema))

    assert run(folder, make(rows), make(shuffled), keys=("k",)).match is not Match.DIFFERENT
    if rows:
        changed = [(k, x + 1 if abs(x) < 1e9 else 0.0) if i == 0 else (k, x) for i, (k, x) in enumerate(shuffled)]
        assert run(folder, make(rows), make(changed), keys=("k",)).match is Match.DIFFERENT


CSV = b'day,price,note\n1,1.50,"a,b"\n2,2.5,x\n'


@pytest.mark.parametrize(
    ("two", "match"),
    [
        (b'day,price,note\r\n1,1.5,"a,b"\r\n2,2.50,x\r\n', Match.EQUIVALENT),
        (b'\xef\xbb\xbfday,price,note\n1,1.50,"a,b"\n2,2.5,"x"\n', Match.EQUIVALENT),
        (b'day,price,note\n1,1.51,"a,b"\n2,2.5,x\n', Match.DIFFERENT),
        (b'day,price,note\n1,,"a,b"\n2,2.5,x\n', Match.DIFFERENT),
        (b'day,price,note\n1,nan,"a,b"\n2,2.5,x\n', Match.DIFFERENT),
        (b'day,price,note\n1,1.50,"a,b"\n2,2.5,y\n', Match.DIFFERENT),
        (b'day,price,note\n1,1.50,"a,b"\n2,2.5\n', Match.DIFFERENT),
        (b'day,price,note\n1,1.50,"a,b"\n2,2.5,\xff\n', Match.DIFFERENT),
        (b'day,price,nota\n1,1.50,"a,b"\n2,2.5,x\n', Match.DIFFERENT),
        (b"day,price\n1,1.50\n", Match.DIFFERENT),
        (b"", Match.DIFFERENT),
        (b'day,"price,note\n', Match.DIFFERENT),
    ],
)
def test_csv(tmp_path: Path, two: bytes, match: Match) -> None:
    assert run(tmp_path, CSV, two).match is match


def test_csv_cells_are_numbers_where_they_differ(tmp_path: Path) -> None:
    finding = run(tmp_path, CSV, CSV.replace(b"2.5,x", b"2.501,x"))
    assert finding.first == "row 1, column price: recorded 2.5, replayed 2.501"
    assert "largest absolute 0.001" in finding.summary
    assert (
        run(tmp_path, CSV, CSV.replace(b"2.5,x", b"2.501,x"), columns={"price": wide(0.01)}).match is Match.EQUIVALENT
    )
    assert run(tmp_path, b"a\n1_000\n", b"a\n1000\n").match is Match.DIFFERENT
    assert run(tmp_path, b"a\n\xff\n1\n", b"a\n\xff\n1.0\n").match is Match.EQUIVALENT


@given(st.lists(st.floats(), min_size=1, max_size=20), st.data())
def test_csv_and_parquet_agree(tmp_path_factory: pytest.TempPathFactory, one: list[float], data: Any) -> None:
    two = data.draw(st.lists(st.floats(), min_size=len(one), max_size=len(one)))
    folder = tmp_path_factory.mktemp("pair")
    limits = wide(data.draw(st.floats(0, 100)))
    by_type = run(folder, parquet({"x": one}), parquet({"x": two}), tolerance=limits)
    text = [("x\n" + "".join(f"{v!r}\n" for v in values)).encode() for values in (one, two)]
    by_text = run(folder, *text, tolerance=limits)
    assert (by_type.match is Match.DIFFERENT) == (by_text.match is Match.DIFFERENT)


def test_truncated_and_corrupted_parquet(tmp_path: Path) -> None:
    good = parquet({"x": np.random.default_rng(1).standard_normal(1000)}, compression="snappy")
    other = parquet({"x": np.zeros(1000)})
    for bad in (good[:-1], good[: len(good) // 2], good[:4], b"PAR1" + b"\xff" * 100 + b"PAR1", b"x,y\n1,2\n"):
        finding = run(tmp_path, other, bad)
        assert finding.match is Match.DIFFERENT
        assert "replayed" in finding.summary
    with pytest.raises(CompareError, match="recorded file is no readable parquet"):
        run(tmp_path, good[:-1], good)


@given(st.integers(0, 400), st.integers(1, 255))
def test_a_flipped_byte_of_parquet_is_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, position: int, flip: int
) -> None:
    good = bytearray(parquet({"x": [1.0, 2.0, 3.0], "s": ["a", "b", "c"]}))
    bad = bytearray(good)
    bad[position % len(bad)] ^= flip
    assert run(tmp_path_factory.mktemp("pair"), bytes(good), bytes(bad)).match is not Match.IDENTICAL


def test_times_beyond_python(tmp_path: Path) -> None:
    for kind in (pa.timestamp("us"), pa.timestamp("ns"), pa.list_(pa.timestamp("us")), pa.list_(pa.timestamp("ns"))):
        values = [2**62, 1, 5] if not pa.types.is_list(kind) else [[2**62], [1], [5]]
        others = [2**62 - 1, 2, 5] if not pa.types.is_list(kind) else [[2**62 - 1], [2], [5]]
        one, two = (parquet({"x": pa.array(v, _ints(kind)).cast(kind)}) for v in (values, others))
        finding = run(tmp_path, one, two)
        assert finding.match is Match.DIFFERENT
        assert "2 of 3 values differ" in finding.summary


def _ints(kind: Any) -> Any:
    return pa.list_(pa.int64()) if pa.types.is_list(kind) else pa.int64()


def test_text_that_is_no_utf8_in_a_replay(tmp_path: Path) -> None:
    good = parquet({"s": ["abc"]}, use_dictionary=False, compression="none", write_statistics=False)
    finding = run(tmp_path, good, good.replace(b"abc", b"ab\xe3"))
    assert finding.match is Match.DIFFERENT
    assert "the replayed file is no readable parquet table" in finding.summary


def test_the_first_difference_by_key_is_the_topmost_recorded_row(tmp_path: Path) -> None:
    one = {"day": [1, 2, 1], "asset": ["a", "a", "b"], "x": [0.1, 0.2, 0.3]}
    two = {"day": [1, 1, 2], "asset": ["a", "b", "a"], "x": [0.1, 0.4, 0.5]}
    finding = run(tmp_path, parquet(one), parquet(two), keys=("day", "asset"))
    assert finding.first.startswith("day=2, asset=a, column x")
