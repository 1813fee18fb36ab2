"""The digest of rows, held against one that is computed value by value as its text says."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.features.columns import plain, type_of
from replay.features.digest import RowDigest
from replay.identity import canonical_json, sha256_hex

FORMS = {
    "int8": "b", "uint16": "H", "int32": "i", "int64": "q", "uint64": "Q", "float32": "f", "float64": "d",
    "date": "i", "timestamp[ns, UTC]": "q", "timestamp[ms]": "q", "time[ms]": "i", "duration[us]": "q",
}  # fmt: skip


def by_hand(columns: Sequence[tuple[str, str]], values: Sequence[Sequence[Any]], rows: int) -> str:
    told = [[name, kind, streams(kind, column)] for (name, kind), column in zip(columns, values, strict=True)]
    return sha256_hex(canonical_json({"columns": told, "format": "replay.rows/1", "rows": rows}))


def streams(kind: str, values: Sequence[Any]) -> list[str]:
    hexes = [digest(bytes(value is not None for value in values))]
    if kind.startswith("list<"):
        inner, _, width = kind.removeprefix("list<").rpartition(">")
        if not width:
            hexes.append(digest(b"".join(struct.pack("<q", len(value or [])) for value in values)))
        return hexes + streams(inner, [item for value in values if value is not None for item in value])
    if kind in {"string", "binary"}:
        data = [value.encode() if isinstance(value, str) else value or b"" for value in values]
        return [*hexes, digest(b"".join(struct.pack("<q", len(part)) for part in data)), digest(b"".join(data))]
    return [*hexes, digest(b"".join(encoded(kind, value) for value in values))]


def encoded(kind: str, value: Any) -> bytes:
    if kind == "bool":
        return bytes([bool(value)])
    if kind.startswith("decimal"):
        scale = int(kind.rpartition(" ")[2].rstrip(")"))
        return int((value or Decimal()).scaleb(scale)).to_bytes(16, "little", signed=True)
    if kind.startswith("binary["):
        return value or bytes(int(kind[7:-1]))
    return struct.pack(f"<{FORMS[kind]}", 0 if value is None else value)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digest_of(columns: Sequence[tuple[str, str]], batches: Sequence[pa.RecordBatch]) -> str:
    found = RowDigest(tuple(columns))
    for batch in batches:
        found.update(batch)
    return found.hexdigest()


def batch_of(columns: Sequence[tuple[str, str]], values: Sequence[Sequence[Any]]) -> pa.RecordBatch:
    arrays = [pa.array(column, type_of(kind)) for (_, kind), column in zip(columns, values, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, names=[name for name, _ in columns])


SMALL = st.integers(0, 100)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(FORMS, SMALL),
    "float64": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "string": st.text(max_size=5),
    "binary": st.binary(max_size=5),
    "binary[3]": st.binary(min_size=3, max_size=3),
    "decimal(10, 2)": st.decimals(-1000, 1000, places=2),
    "list<string>": st.lists(st.none() | st.text(max_size=3), max_size=3),
    "list<int64>[2]": st.lists(st.none() | SMALL, min_size=2, max_size=2),
    "list<list<int32>>": st.lists(st.none() | st.lists(SMALL, max_size=2), max_size=3),
}


@pytest.mark.parametrize("kind", VALUES)
@given(data=st.data())
def test_it_is_what_its_text_says(kind: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | VALUES[kind], max_size=12))
    columns = [("value", kind)]
    assert digest_of(columns, [batch_of(columns, [values])]) == by_hand(columns, [values], len(values))


@given(
    st.lists(st.tuples(st.none() | st.text(max_size=3), st.none() | SMALL), max_size=20),
    st.lists(st.integers(0, 20), max_size=4),
)
def test_it_does_not_see_how_rows_are_cut(rows: list[tuple[str | None, int | None]], cuts: list[int]) -> None:
    columns = [("name", "string"), ("count", "int64")]
    values = [[row[0] for row in rows], [row[1] for row in rows]]
    whole = batch_of(columns, values)
    ends = sorted({0, len(rows), *(cut for cut in cuts if cut <= len(rows))})
    parts = [whole.slice(start, end - start) for start, end in pairwise(ends)]
    assert digest_of(columns, parts) == by_hand(columns, values, len(rows))


def test_it_does_not_see_encodings_or_the_file(tmp_path: Any) -> None:
    table = pa.table(
        {"name": pa.array(["b", None, "a", "b"]).dictionary_encode(), "x": pa.array([1.5, None, -0.0, 2.0])}
    )
    columns = [("name", "string"), ("x", "float64")]
    expected = by_hand(columns, [["b", None, "a", "b"], [1.5, None, -0.0, 2.0]], 4)
    for number, options in enumerate(({"compression": "gzip"}, {"compression": "none", "row_group_size": 1})):
        pq.write_table(table, tmp_path / f"{number}.parquet", **options)
        read = [
            pa.RecordBatch.from_arrays([plain(column) for column in batch.columns], names=["name", "x"])
            for batch in pq.ParquetFile(tmp_path / f"{number}.parquet").iter_batches(batch_size=3)
        ]
        assert digest_of(columns, read) == expected


def test_what_is_hidden_behind_a_null_does_not_count() -> None:
    hidden = pa.Array.from_buffers(pa.int64(), 2, [pa.py_buffer(b"\x01"), pa.py_buffer(struct.pack("<qq", 7, 8))])
    assert hidden.to_pylist() == [7, None]
    columns = [("value", "int64")]
    batch = pa.RecordBatch.from_arrays([hidden], names=["value"])
    assert digest_of(columns, [batch]) == by_hand(columns, [[7, None]], 2)


@pytest.mark.parametrize(
    ("columns", "values"),
    [
        ([("value", "float64")], [[1.0, 0.0]]),  # −0.0 is another bit pattern
        ([("value", "float64")], [[None, -0.0]]),
        ([("other", "float64")], [[1.0, -0.0]]),
        ([("value", "float32")], [[1.0, -0.0]]),
        ([("value", "float64")], [[-0.0, 1.0]]),
        ([("value", "float64")], [[1.0, -0.0, None]]),
    ],
)
def test_one_bit_more_or_less_is_another_digest(columns: list[tuple[str, str]], values: list[list[Any]]) -> None:
    original = [("value", "float64")]
    assert digest_of(columns, [batch_of(columns, values)]) != digest_of(original, [batch_of(original, [[1.0, -0.0]])])


def test_no_rows_have_a_digest_too() -> None:
    columns = [("name", "string"), ("tags", "list<string>")]
    assert digest_of(columns, []) == digest_of(columns, [batch_of(columns, [[], []])]) == by_hand(columns, [[], []], 0)


def test_text_is_not_joined_across_rows() -> None:
    columns = [("name", "string")]
    assert digest_of(columns, [batch_of(columns, [["ab", ""]])]) != digest_of(
        columns, [batch_of(columns, [["a", "b"]])]
    )
