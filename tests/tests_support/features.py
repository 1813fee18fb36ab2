"""Feature groups for tests: rows as plain tuples, and what a view of them must hold, found by a plain loop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from replay import features
from replay.features.columns import schema_of
from replay.features.values import Columns, Group
from replay.session import Session

COLUMNS: Columns = (("id", "string"), ("at", "timestamp[ns, UTC]"), ("value", "float64"))
WITH_DELETIONS: Columns = (*COLUMNS, ("is_deleted", "bool"))
DAY = 86_400 * 10**9

Row = tuple[Any, ...]


def registered(session: Session, name: str = "prices", columns: Columns = COLUMNS) -> Group:
    return features.register(name, session, record_id="id", event_time="at", columns=columns).group


def table(rows: Sequence[Row], columns: Columns = COLUMNS) -> pa.Table:
    schema = schema_of(columns)
    return pa.table([pa.array([row[i] for row in rows], field.type) for i, field in enumerate(schema)], schema=schema)


def parquet(path: Path, rows: Sequence[Row], columns: Columns = COLUMNS, **options: Any) -> Path:
    pq.write_table(table(rows, columns), path, **options)
    return path


def rows_of(path: Path) -> list[Row]:
    """The rows of a view's file; times as numbers, for Python has no nanoseconds."""
    found = pq.read_table(path)
    columns = [
        column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column for column in found.itercolumns()
    ]
    return list(zip(*(column.to_pylist() for column in columns), strict=True))


def as_of(batches: Sequence[Sequence[Row]], moment: int, *, deletions: bool = False) -> list[Row]:
    """The newest row of each record up to ``moment``: later event times first, then later writes, then later rows."""
    best: dict[Any, Row] = {}
    for rows in batches:
        for row in rows:
            if row[1] <= moment and (row[0] not in best or row[1] >= best[row[0]][1]):
                best[row[0]] = row
    kept = [best[key] for key in sorted(best, key=lambda key: key.encode() if isinstance(key, str) else key)]
    return [row[:-1] for row in kept if not row[-1]] if deletions else kept
