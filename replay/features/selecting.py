"""The rows of a view: out of the kept batches, in their order, into one file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from replay.errors import StoreCorruptError, StoreError, UsageError
from replay.features import parquet
from replay.features.columns import schema_of, unit_of
from replay.features.digest import RowDigest
from replay.features.newest import Order, ordered
from replay.features.values import DELETED, Batch, Columns, Definition
from replay.identity import canonical_json
from replay.store.blobs import Blobs
from replay.store.hashing import blake3_file

NOTE = "replay.features"
"""The key of a file's metadata that says which view its rows are, and their digest."""


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows."""

    definition: Definition
    as_of: int
    """Up to which event time, in nanoseconds since 1970."""
    batches: tuple[Batch, ...]
    """In the order of writing."""
    all_versions: bool

    @property
    def columns(self) -> Columns:
        """The columns that come out: deletions show by absence, unless all versions are wanted."""
        return tuple(pair for pair in self.definition.columns if self.all_versions or pair[0] != DELETED)


def write_rows(
    selection: Selection, blobs: Blobs, path: Path, folder: Path, about: Mapping[str, str]
) -> tuple[int, str]:
    """Write the rows as Parquet; how many there are, and their digest.

    Args:
        selection: Which rows.
        blobs: Where the batches are.
        path: The file.
        folder: Where sorted runs lie meanwhile.
        about: What the file is to say of itself, besides the digest of its rows.

    Raises:
        StoreCorruptError: A batch is gone, or its bytes are not the recorded ones.
        StoreError: A batch cannot be read, or the disk is full, not writable, or failed.
    """
    definition, columns = selection.definition, selection.columns
    order = Order(definition.record_id, definition.event_time, all_versions=selection.all_versions)
    digest = RowDigest(columns)
    with parquet.Writer(path, schema_of(columns)) as writer:
        for rows in ordered(_rows(selection, blobs), order, folder):
            kept = rows if selection.all_versions else _without_deleted(rows)
            writer.write(kept)
            digest.update(kept)
        found = digest.hexdigest()
        # one note: the order of several is the writer's own business
        writer.note({NOTE: canonical_json({**about, "rows": f"sha256:{found}"}).decode()})
    return digest.rows, found


def _rows(selection: Selection, blobs: Blobs) -> Iterator[Any]:
    """All rows up to the event time, in the order of writing."""
    definition = selection.definition
    kind = dict(definition.columns)[definition.event_time]
    bound = _bound(selection.as_of // unit_of(kind), schema_of([(definition.event_time, kind)]).types[0])
    for batch in selection.batches:
        path = verified(batch, blobs)
        try:
            for rows in _of_file(path, definition.columns):
                yield rows.filter(pc.less_equal(rows.column(definition.event_time), bound))
        except (pa.ArrowException, OSError, KeyError, UsageError) as error:
            raise StoreError(
                f"batch {batch.sha256} ({batch.name}): its bytes are the recorded ones, and cannot be read: {error}",
                hint="read it with the release of replay that wrote it",
            ) from error


def _bound(count: int, kind: Any) -> Any:
    """The event time as a value of its column; what no column can hold is its last value."""
    bits = 31 if pa.types.is_date(kind) else 63
    return pa.scalar(max(-(1 << bits), min(count, (1 << bits) - 1)), kind)


def _of_file(path: Path, columns: Columns) -> Iterator[Any]:
    """The rows of a batch; columns that came later are null."""
    schema = schema_of(columns)
    with parquet.reading(path) as file:
        there = [name for name in schema.names if name in set(file.schema_arrow.names)]
        for rows in parquet.rows_of(file, there):
            arrays = [
                rows.column(field.name) if field.name in there else pa.nulls(rows.num_rows, field.type)
                for field in schema
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _without_deleted(rows: Any) -> Any:
    if DELETED not in rows.schema.names:
        return rows
    gone = pc.fill_null(rows.column(DELETED), False)
    return rows.filter(pc.invert(gone)).drop_columns([DELETED])


def verified(batch: Batch, blobs: Blobs) -> Path:
    """Where a batch lies, its bytes checked.

    Raises:
        StoreCorruptError: It is gone, or its bytes are not the recorded ones.
    """
    path = blobs.path(batch.sha256)
    what = f"batch {batch.sha256} ({batch.name}, written {batch.written})"
    try:
        actual = blake3_file(path)
    except UsageError as error:
        raise StoreCorruptError(
            f"{what}: its blob cannot be read: {error}", hint="put it back from another copy of the store"
        ) from error
    if actual != batch.blake3:
        raise StoreCorruptError(
            f"{what}: got blake3:{actual}, expected blake3:{batch.blake3}",
            hint=f"move {path} away and put it back from another copy of the store",
        )
    return path
