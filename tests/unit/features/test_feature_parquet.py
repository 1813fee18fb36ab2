"""Parquet files whose bytes follow from their rows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from replay.features import parquet
from replay.features.columns import columns_of, type_of
from replay.features.parquet import Writer

COUNT = 3 * parquet.ROWS + 17


@pytest.fixture(scope="module")
def rows() -> pa.RecordBatch:
    chance = np.random.default_rng(7)
    return pa.record_batch(
        {
            "id": pa.array(np.arange(COUNT)),
            "name": pa.array([f"name {number % 977}" if number % 11 else None for number in range(COUNT)]),
            "x": pa.array(chance.normal(size=COUNT)),
        }
    )


def written(path: Path, rows: Any, sizes: Sequence[int]) -> str:
    with Writer(path, rows.schema) as writer:
        start, turn = 0, 0
        while start < rows.num_rows:
            writer.write(rows.slice(start, sizes[turn % len(sizes)]))
            start, turn = start + sizes[turn % len(sizes)], turn + 1
        writer.note({"about": "rows"})
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_same_rows_are_the_same_bytes_however_they_come(tmp_path: Path, rows: Any) -> None:
    digests = {
        written(tmp_path / f"{number}.parquet", rows, sizes)
        for number, sizes in enumerate([(COUNT,), (COUNT,), (1 << 16,), (999, 70_001, 3), (parquet.ROWS,)])
    }
    assert len(digests) == 1


def test_rows_come_back_with_the_notes_in_row_groups_of_one_size(tmp_path: Path, rows: Any) -> None:
    written(tmp_path / "a.parquet", rows, (12_345,))
    file = pq.ParquetFile(tmp_path / "a.parquet")
    assert file.read().combine_chunks().to_batches()[0].equals(rows)
    assert file.schema_arrow.metadata is None
    assert file.metadata.metadata[b"about"] == b"rows"
    sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert sizes == [parquet.ROWS] * 3 + [17]


def test_no_rows_are_a_file_with_its_columns(tmp_path: Path, rows: Any) -> None:
    written(tmp_path / "none.parquet", rows.slice(0, 0), (1,))
    table = pq.read_table(tmp_path / "none.parquet")
    assert (table.num_rows, table.schema.names) == (0, ["id", "name", "x"])


@pytest.mark.parametrize(
    "name",
    [
        "bool", "int8", "uint64", "float16", "float64", "string", "binary", "date", "timestamp[ms]",
        "timestamp[us, UTC]", "timestamp[ns]", "time[ms]", "time[ns]", "duration[ms]", "decimal(10, 2)",
        "binary[16]", "list<float32>", "list<float64>[3]", "list<list<string>>",
    ],
)  # fmt: skip
def test_every_type_comes_back(tmp_path: Path, name: str) -> None:
    batch = pa.record_batch({"x": pa.nulls(3, type_of(name))})
    written(tmp_path / "a.parquet", batch, (1,))
    assert columns_of(pq.read_schema(tmp_path / "a.parquet")) == (("x", name),)
    with parquet.reading(tmp_path / "a.parquet") as file:
        assert next(parquet.rows_of(file, ["x"])).equals(batch)


def test_another_value_is_another_file(tmp_path: Path, rows: Any) -> None:
    other = rows.slice(1)
    assert written(tmp_path / "a", rows.slice(0, 100), (100,)) != written(tmp_path / "b", other.slice(0, 100), (100,))


def test_only_the_columns_that_are_wanted_are_read_in_their_order(tmp_path: Path, rows: Any) -> None:
    written(tmp_path / "a.parquet", rows, (COUNT,))
    with parquet.reading(tmp_path / "a.parquet") as file:
        read = list(parquet.rows_of(file, ["x", "id"]))
    assert {tuple(batch.schema.names) for batch in read} == {("x", "id")}
    assert max(batch.num_rows for batch in read) <= parquet.BATCH
    assert sum(batch.num_rows for batch in read) == COUNT
