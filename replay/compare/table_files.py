"""Tables as streams of Arrow batches: parquet with its types, CSV as raw cells.

CSV has no types, so its cells stay bytes and are read as numbers only where they differ: no inference that could read
the two files differently, no encoding that must be right.
"""

from __future__ import annotations

import abc
import csv
import mmap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from replay.compare.reading import Side, Source, reading, shown

BATCH = 128 << 10
"""Rows at a time."""
_HEADER = 1 << 20
_COLUMNS = 100_000
_UNPACKED = 64 << 30
_THRIFT = 256 << 20


class Table(abc.ABC):
    """One open table. ``names`` and ``types`` are in file order; ``rows`` is ``None`` where only reading tells."""

    def __init__(self, side: Side, names: list[str], types: list[Any], rows: int | None) -> None:
        self.side, self.names, self.types, self.rows = side, names, types, rows

    @abc.abstractmethod
    def batches(self, columns: list[int] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows of the given columns (all by default), in file order."""

    def column(self, index: int) -> pa.Array:
        """One whole column."""
        chunks = [batch.column(0) for batch in self.batches([index])]
        return pa.concat_arrays(chunks) if chunks else pa.array([], self.types[index])


class ParquetTable(Table):
    """A parquet file, mapped; batches are decoded in its reader's own threads."""

    def __init__(self, stack: ExitStack, source: Source) -> None:
        with reading(source.side, "parquet table"):
            mapped = mmap.mmap(source.descriptor, source.size, access=mmap.ACCESS_READ)
            mapped.madvise(mmap.MADV_SEQUENTIAL)
            buffer = pa.BufferReader(pa.py_buffer(mapped))
            limits = {"thrift_string_size_limit": _THRIFT, "thrift_container_size_limit": 10_000_000}
            self._file = stack.enter_context(pq.ParquetFile(buffer, pre_buffer=False, **limits))
            meta, schema = self._file.metadata, self._file.schema_arrow
            unpacked = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
            if unpacked > _UNPACKED or len(schema) > _COLUMNS:
                raise ValueError(f"got {unpacked:,} unpacked bytes in {len(schema):,} columns")
            types = [logical(field.type) for field in schema]
        super().__init__(source.side, list(schema.names), types, meta.num_rows)

    def batches(self, columns: list[int] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows of the given columns (all by default), in file order."""
        names = None if columns is None else [self.names[i] for i in columns]
        with reading(self.side, "parquet table"):
            for batch in self._file.iter_batches(batch_size=BATCH, columns=names, use_threads=True):
                batch.validate(full=True)  # UTF-8, offsets, dictionary indices: the file may lie about them
                yield pa.RecordBatch.from_arrays([plain(c) for c in batch.columns], names=batch.schema.names)


class CsvTable(Table):
    """A CSV file whose first row names its columns; every cell is bytes, quotes removed."""

    def __init__(self, source: Source) -> None:
        self._source = source
        with reading(source.side, "CSV table"):
            head = source.head(_HEADER).removeprefix(b"\xef\xbb\xbf")
            if b"\0" in head:
                raise ValueError("it holds NUL bytes")
            lines = head.decode("utf-8", "surrogateescape").splitlines(keepends=True)
            names = next(csv.reader(lines, strict=True), None)
            if not names or len(names) > _COLUMNS:
                raise ValueError("it has no row of column names" if not names else "too many columns")
        clean = [name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") for name in names]
        super().__init__(source.side, clean, [pa.binary()] * len(clean), None)

    def batches(self, columns: list[int] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows of the given columns (all by default), in file order."""
        from pyarrow import csv as arrow_csv

        places = [f"c{i}" for i in range(len(self.names))]
        wanted = places if columns is None else [places[i] for i in columns]
        with self._source.stream() as file, reading(self.side, "CSV table"):
            reader = arrow_csv.open_csv(
                file,
                read_options=arrow_csv.ReadOptions(column_names=places, skip_rows_after_names=1, block_size=8 << 20),
                parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
                convert_options=arrow_csv.ConvertOptions(
                    column_types=dict.fromkeys(places, pa.binary()), include_columns=wanted, strings_can_be_null=False
                ),
            )
            yield from reader


@contextmanager
def open_table(source: Source) -> Iterator[Table]:
    """Open a parquet file (by its first bytes), else a CSV file."""
    with ExitStack() as stack:
        yield ParquetTable(stack, source) if is_parquet(source) else CsvTable(source)


def is_parquet(source: Source) -> bool:
    """Whether the file begins as parquet does."""
    return source.head(4) == b"PAR1"


def logical(kind: Any) -> Any:
    """The type without what is mere encoding: dictionaries, and 64-bit or view offsets of strings and bytes."""
    if pa.types.is_dictionary(kind):
        return logical(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    return kind


def plain(array: pa.Array) -> pa.Array:
    """``array`` in its `logical` type."""
    kind = logical(array.type)
    return array if kind == array.type else array.cast(kind)


def aligned(recorded: Table, replayed: Table) -> Iterator[tuple[int, pa.RecordBatch | None, pa.RecordBatch | None]]:
    """Batches of equal length from both tables with the number of their first row, until both end.

    The next two batches are read while the caller works on these. When one table ends, its side is ``None``.
    """
    sides = [recorded.batches(), replayed.batches()]
    rest: list[pa.RecordBatch | None] = [None, None]
    row = 0
    with ThreadPoolExecutor(2) as pool:
        coming = [pool.submit(next, side, None) for side in sides]
        while True:
            for i, side in enumerate(sides):
                while rest[i] is None or rest[i].num_rows == 0:  # type: ignore[union-attr]
                    rest[i] = coming[i].result()
                    if rest[i] is None:
                        break
                    coming[i] = pool.submit(next, side, None)
            there = [batch for batch in rest if batch is not None]
            if not there:
                return
            count = min(batch.num_rows for batch in there)
            one, two = (None if b is None else b.slice(0, count) for b in rest)
            yield row, one, two
            rest = [None if b is None else b.slice(count) for b in rest]
            row += count


def cell(value: pa.Scalar) -> str:
    """One cell for a message; times are written by Arrow, for Python has no nanoseconds and fewer years."""
    if not value.is_valid:
        return "null"
    try:
        return shown(value.cast(pa.string()).as_py() if pa.types.is_temporal(value.type) else value.as_py())
    except (ValueError, OverflowError, pa.ArrowException):
        return f"a value of type {shown(value.type)}"
