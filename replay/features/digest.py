"""The digest of rows: the same for the same rows, whatever file they are in and whoever wrote it.

It is the SHA-256 of the canonical JSON ``{"columns": [[name, type, [hex, …]], …], "format": "replay.rows/1", "rows":
n}``, where each hex is the SHA-256 of one stream of the column, all rows one after the other in their order:

- of every column first its *validity*: a byte for each row, 1 or, for a null, 0;
- then, of fixed-size values (numbers, times, decimals, ``binary[N]``), the *values*: little-endian, floats as their
  bits, a boolean as one byte, times as the number of their unit since 1970 (or midnight), a null as zero bytes;
- of ``string`` (UTF-8) and ``binary``, the *lengths* in bytes as 64-bit integers (0 for a null), then the *bytes*;
- of ``list<T>``, the *lengths* in items as 64-bit integers (0 for a null), then the streams of all items as of a column
  of ``T``; of ``list<T>[N]`` the streams of the items alone, those of lists that are not null.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from replay.features.columns import schema_of
from replay.features.values import Columns
from replay.identity import canonical_json, sha256_hex

FORMAT = "replay.rows/1"


class RowDigest:
    """Takes rows in record batches of any size, in order."""

    def __init__(self, columns: Columns) -> None:
        self.rows = 0
        self._columns = columns
        self._streams = [_Streams(field.type) for field in schema_of(columns)]

    def update(self, batch: Any) -> None:
        """Add the rows of a record batch with these columns in their `columns.logical` types."""
        self.rows += batch.num_rows
        for streams, array in zip(self._streams, batch.columns, strict=True):
            streams.update(array)

    def hexdigest(self) -> str:
        """The digest of all rows so far."""
        columns = [[*column, streams.hexes()] for column, streams in zip(self._columns, self._streams, strict=True)]
        return sha256_hex(canonical_json({"columns": columns, "format": FORMAT, "rows": self.rows}))


class _Streams:
    """The streams of one column."""

    def __init__(self, kind: Any) -> None:
        is_a = pa.types
        self._valid, self._values = hashlib.sha256(), hashlib.sha256()
        self._of_bytes = is_a.is_string(kind) or is_a.is_binary(kind)
        self._items = _Streams(kind.value_type) if is_a.is_list(kind) or is_a.is_fixed_size_list(kind) else None
        self._lengths = hashlib.sha256() if self._of_bytes or is_a.is_list(kind) else None

    def update(self, array: Any) -> None:
        self._valid.update(array.is_valid().cast(pa.uint8()).to_numpy(zero_copy_only=False))
        if self._lengths:
            lengths = pc.binary_length(array) if self._of_bytes else pc.list_value_length(array)
            self._lengths.update(pc.fill_null(lengths, 0).to_numpy(zero_copy_only=False).astype("<i8"))
        if self._items:
            self._items.update(array.flatten())
        else:
            self._values.update(_bytes_of(array) if self._of_bytes else _values_of(array))

    def hexes(self) -> list[str]:
        lengths = [self._lengths.hexdigest()] if self._lengths else []
        values = self._items.hexes() if self._items else [self._values.hexdigest()]
        return [self._valid.hexdigest(), *lengths, *values]


def _bytes_of(array: Any) -> Any:
    """All bytes of strings, nulls left out, which may hide some."""
    array = array.drop_null() if array.null_count else array
    if not len(array):
        return b""
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, dtype="<i4")
    first, last = int(ends[array.offset]), int(ends[array.offset + len(array)])
    return memoryview(data)[first:last] if data is not None else b""


def _values_of(array: Any) -> Any:
    """The values as little-endian bytes, nulls as zeros."""
    kind = array.type
    if pa.types.is_boolean(kind):
        return pc.fill_null(array, False).cast(pa.uint8()).to_numpy(zero_copy_only=False)
    width = kind.byte_width
    if not len(array):
        return b""
    raw = np.frombuffer(array.buffers()[1], dtype=np.uint8)[array.offset * width : (array.offset + len(array)) * width]
    if array.null_count == 0:
        return raw
    kept = raw.reshape(len(array), width).copy()
    kept[~array.is_valid().to_numpy(zero_copy_only=False)] = 0
    return kept
