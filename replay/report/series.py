"""Read a time series from a recorded and a replayed table, align both, and thin them without losing an extreme."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

SUFFIXES = (".parquet", ".csv")
MAX_BYTES = 64 << 20
MAX_ROWS = 2_000_000
MAX_CELLS_BYTES = 512 << 20
MAX_COLUMNS = 64
MAX_POINTS = 2_000
_INDEX_NAMES = {"index", "idx", "step", "epoch", "t", "time", "row", "__index_level_0__", ""}


class Series(msgspec.Struct, frozen=True):
    """One column of both tables over their common axis; all arrays are one-dimensional.

    ``recorded_x`` and ``replayed_x`` are microseconds since 1970 when ``temporal``, else plain numbers.
    """

    column: str
    axis: str
    temporal: bool
    recorded_x: Any
    recorded_y: Any
    replayed_x: Any
    replayed_y: Any
    common_x: Any
    difference: Any
    """Replayed − recorded at ``common_x``."""

    @property
    def largest(self) -> float:
        """The largest absolute difference; 0 when there is no common point."""
        import numpy as np

        finite = np.abs(self.difference[np.isfinite(self.difference)])
        return float(finite.max()) if finite.size else 0.0

    @property
    def differing(self) -> int:
        """At how many common points the values differ (NaN equals NaN)."""
        import numpy as np

        return int(np.count_nonzero(self.difference != 0)) if self.difference.size else 0


class SeriesSet(msgspec.Struct, frozen=True):
    """The series worth drawing of one output, or why there is none."""

    series: tuple[Series, ...] = ()
    columns: int = 0
    """How many numeric columns both tables have."""
    differing: int = 0
    """In how many of them a value differs at a common point."""
    why: str = ""


def read_series(recorded: bytes, replayed: bytes, suffix: str, limit: int = 2) -> SeriesSet:
    """The ``limit`` columns that differ most, relative to their range; the first one alone when nothing differs.

    A table counts as a time series when a date, a time, or an index column strictly increases in it on both sides.
    """
    import pyarrow as pa

    try:
        tables = [_read(data, suffix) for data in (recorded, replayed)]
    except (pa.ArrowException, ValueError, OSError, OverflowError) as error:
        return SeriesSet(why=f"no table that can be drawn: {error}")
    axis = _axis_name(tables[0])
    if axis is None or axis not in tables[1].column_names:
        return SeriesSet(why="no column of dates, times or numbers that strictly increases")
    sides = [_axis(table, axis) for table in tables]
    if sides[0] is None or sides[1] is None or sides[0][1] is not sides[1][1]:
        return SeriesSet(why=f"the column {axis} is no axis of both tables")
    names = [name for name in _numeric(tables[0]) if name != axis and name in _numeric(tables[1])]
    found = [_series(name, axis, tables, (sides[0], sides[1])) for name in names]
    ranked = sorted(found, key=_weight, reverse=True)
    differing = sum(series.differing > 0 for series in found)
    return SeriesSet(series=tuple(ranked[: min(limit, max(1, differing))]), columns=len(names), differing=differing)


def _read(data: bytes, suffix: str) -> pa.Table:
    import pyarrow as pa

    if suffix == ".csv":
        from pyarrow import csv

        table = csv.read_csv(io.BytesIO(data), read_options=csv.ReadOptions(use_threads=False))
    else:
        from pyarrow import parquet

        file = parquet.ParquetFile(pa.BufferReader(data))
        meta = file.metadata
        cells = sum(meta.row_group(index).total_byte_size for index in range(meta.num_row_groups))
        if meta.num_rows > MAX_ROWS or cells > MAX_CELLS_BYTES:
            raise ValueError(f"got {meta.num_rows:,} rows, expected at most {MAX_ROWS:,}")
        flat = [field.name for field in file.schema_arrow if not pa.types.is_nested(field.type)]
        table = file.read(columns=flat[:MAX_COLUMNS], use_threads=False)
    if table.num_rows < 2 or table.num_rows > MAX_ROWS or len(set(table.column_names)) != len(table.column_names):
        raise ValueError(f"got {table.num_rows:,} rows, expected 2 to {MAX_ROWS:,} with columns of different names")
    return table.select(table.column_names[:MAX_COLUMNS])


def _axis_name(table: pa.Table) -> str | None:
    import pyarrow as pa

    fields = list(table.schema)
    first = [f.name for f in fields if pa.types.is_date(f.type) or pa.types.is_timestamp(f.type)]
    second = [f.name for f in fields if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
    third = [f.name for f in fields if pa.types.is_integer(f.type) and f.name.lower() in _INDEX_NAMES]
    return next((name for name in (*first, *second, *third) if _axis(table, name) is not None), None)


def _axis(table: pa.Table, name: str) -> tuple[Ints, bool] | None:
    """The column as strictly increasing integers and whether they are times; ``None`` when it is no axis."""
    import numpy as np
    import pyarrow as pa

    column = table.column(name).combine_chunks()
    if column.null_count:
        return None
    try:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = column.cast(pa.timestamp("us"))
        temporal = not pa.types.is_integer(column.type)
        if temporal:
            column = column.cast(pa.timestamp("us"), safe=False)
        values = column.cast(pa.int64()).to_numpy(zero_copy_only=False)
    except pa.ArrowException:
        return None
    return (values, temporal) if bool(np.all(values[1:] > values[:-1])) else None


def _numeric(table: pa.Table) -> list[str]:
    import pyarrow as pa

    return [f.name for f in table.schema if pa.types.is_floating(f.type) or pa.types.is_integer(f.type)]


def _series(name: str, axis: str, tables: list[pa.Table], sides: tuple[tuple[Ints, bool], tuple[Ints, bool]]) -> Series:
    import numpy as np
    import pyarrow as pa

    before, after = (
        np.asarray(t.column(name).cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64) for t in tables
    )
    (x, temporal), (z, _) = sides
    common, left, right = np.intersect1d(x, z, assume_unique=True, return_indices=True)
    with np.errstate(invalid="ignore", over="ignore"):
        delta = after[right] - before[left]
    # Equal infinities and NaN on both sides are no difference; NaN on one side is shown as a gap.
    same = (before[left] == after[right]) | (np.isnan(before[left]) & np.isnan(after[right]))
    return Series(name, axis, temporal, x, before, z, after, common, np.where(same, 0.0, delta))


def _weight(series: Series) -> float:
    import numpy as np

    finite = series.recorded_y[np.isfinite(series.recorded_y)]
    spread = float(finite.max()) - float(finite.min()) if finite.size else 0.0
    broken = bool(np.any(~np.isfinite(series.difference)))
    return float("inf") if broken else series.largest / spread if spread else series.largest


def thin(x: Ints, y: Floats, limit: int = MAX_POINTS) -> tuple[Ints, Floats]:
    """At most ``limit`` points that keep the smallest and the largest value of every stretch, in order."""
    import numpy as np

    if len(x) <= limit:
        return x, y
    edges = np.linspace(0, len(x), limit // 2 + 1).astype(np.int64)
    lowest = _first_minima(np.where(np.isnan(y), np.inf, y), edges)
    highest = _first_minima(np.where(np.isnan(y), np.inf, -y), edges)
    order = np.union1d(lowest, highest)
    return x[order], y[order]


def _first_minima(values: Floats, edges: Ints) -> Ints:
    """The place of the first smallest value between each two ``edges``."""
    import numpy as np

    smallest = np.repeat(np.minimum.reduceat(values, edges[:-1]), np.diff(edges))
    places = np.flatnonzero(values == smallest)
    _, first = np.unique(np.searchsorted(edges, places, side="right"), return_index=True)
    return np.asarray(places[first], dtype=np.int64)
