"""Parquet files: read within bounds, and written so that the same rows give the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from replay.features.columns import plain

ROWS = 128 << 10
"""Rows of a row group."""
BATCH = 64 << 10
"""Rows read at a time."""
MAGIC = b"PAR1"

_BUFFER = 1 << 20
_THRIFT = {"thrift_string_size_limit": 256 << 20, "thrift_container_size_limit": 10_000_000}


@contextmanager
def reading(path: Path) -> Iterator[Any]:
    """An open file, read page by page: a row group need not fit into memory.

    Raises:
        pyarrow.ArrowException: It is no Parquet file.
    """
    with pq.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False, memory_map=False, **_THRIFT) as file:
        yield file


def rows_of(file: Any, names: Iterable[str]) -> Iterator[Any]:
    """The columns ``names`` of an open file in their `columns.logical` types, in that order, checked throughout.

    Raises:
        pyarrow.ArrowException: The file is damaged.
    """
    wanted = list(names)
    for batch in file.iter_batches(batch_size=BATCH, columns=wanted, use_threads=True):
        batch.validate(full=True)  # UTF-8, offsets, dictionary indices: the file may lie about them
        yield pa.RecordBatch.from_arrays([plain(batch.column(name)) for name in wanted], names=wanted)


class Writer:
    """Writes a file whose bytes depend on its rows, its notes and the version of pyarrow, and on nothing else."""

    def __init__(self, path: Path, schema: Any) -> None:
        self._schema = schema
        self._pending: list[Any] = []
        self._count = 0
        self._file = pq.ParquetWriter(
            path,
            schema,
            version="2.6",
            compression="zstd",
            compression_level=3,
            use_dictionary=True,
            write_statistics=True,
            data_page_version="1.0",
            data_page_size=1 << 20,
        )

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, batch: Any) -> None:
        """Add the rows of a record batch; row groups come out the same however rows come in."""
        while batch.num_rows:
            part = batch.slice(0, ROWS - self._count)
            batch = batch.slice(part.num_rows)
            self._pending.append(part)
            self._count += part.num_rows
            if self._count == ROWS:
                self._flush()

    def note(self, notes: dict[str, str]) -> None:
        """Put notes into the file's metadata, last of all."""
        self._flush()
        self._file.add_key_value_metadata(notes)

    def _flush(self) -> None:
        if self._count:
            # one chunk: page ends follow from its rows alone
            whole = pa.Table.from_batches(self._pending, self._schema).combine_chunks()
            self._file.write_table(whole, row_group_size=ROWS)
            self._pending, self._count = [], 0
