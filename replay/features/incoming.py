"""Rows that somebody wants to write: what they are, and whether a group can take them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from replay.errors import UsageError
from replay.features import parquet
from replay.features.columns import columns_of, schema_of, unit_of
from replay.features.times import shown
from replay.features.values import DELETED, Columns, Definition

_HEADER = 1 << 20
_BLOCK = 8 << 20


class Facts(NamedTuple):
    """What was found out about rows while they were checked."""

    rows: int
    first: str
    last: str


def is_parquet(path: Path) -> bool:
    """Whether the file begins as Parquet does."""
    with path.open("rb") as file:
        return file.read(4) == parquet.MAGIC


@contextmanager
def sane(path: Path, noun: str) -> Iterator[None]:
    """Turn what Arrow finds wrong with a user's file into a `UsageError` that names it."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{path}: {error}", hint=error.hint) from error
    except MemoryError:
        raise
    except (pa.ArrowException, ValueError) as error:  # an OSError of the disk goes on as it is
        raise UsageError(f"{path}: no readable {noun}: {_line(error)}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise UsageError(f"{path}: no readable {noun}: {_line(error)}") from error


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else f"{text[:299]}…"


def columns_in(path: Path) -> Columns:
    """The columns of a Parquet file.

    Raises:
        UsageError: It is none, or has columns that no group can have.
    """
    with sane(path, "Parquet file"), parquet.reading(path) as file:
        return columns_of(file.schema_arrow)


def check_parquet(path: Path, definition: Definition) -> Facts:
    """Read all rows of a Parquet file, and check them.

    Raises:
        UsageError: The columns are not the group's, a record id or event time is null, there are no rows, or the file
            is damaged.
    """
    with sane(path, "Parquet file"), parquet.reading(path) as file:
        require_same(columns_of(file.schema_arrow), definition.columns)
        return _checked(parquet.rows_of(file, file.schema_arrow.names), definition)


def convert_csv(path: Path, target: Path, definition: Definition) -> Facts:
    """Read a CSV file with the group's types, check its rows, and write them as Parquet.

    An empty cell is null; ``""`` is the empty string. A time without a zone stands in a column without one only.

    Raises:
        UsageError: As `check_parquet`, or a cell cannot be read as its column's type.
    """
    columns = definition.columns
    schema = schema_of(columns)
    with sane(path, "CSV file"):
        require_same(tuple((name, dict(columns).get(name, "")) for name in _header(path)), columns)
        with parquet.Writer(target, schema) as writer:
            return _checked(_copied(_csv_rows(path, schema), writer), definition)


def _copied(batches: Iterator[Any], writer: parquet.Writer) -> Iterator[Any]:
    for batch in batches:
        writer.write(batch)
        yield batch
    writer.note({})


def _header(path: Path) -> list[str]:
    with path.open("rb") as file:
        head = file.read(_HEADER).removeprefix(b"\xef\xbb\xbf")
    try:
        lines = head.decode().splitlines(keepends=True)
    except UnicodeDecodeError as error:
        if len(head) < _HEADER - 3 or error.start < len(head) - 4:
            raise UsageError("got text that is no UTF-8") from error
        lines = head[: error.start].decode().splitlines(keepends=True)
    try:
        names = next(csv.reader(lines, strict=True), [])
    except csv.Error as error:
        raise UsageError(f"its first row is no CSV: {error}") from error
    if not names:
        raise UsageError("it has no row of column names")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(f"got several columns named {', '.join(map(repr, twice))}, expected one of each")
    return names


def _csv_rows(path: Path, schema: Any) -> Iterator[Any]:
    from pyarrow import csv as arrow_csv

    options = arrow_csv.ConvertOptions(
        column_types=schema, include_columns=schema.names, null_values=[""], strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )  # fmt: skip
    parse = arrow_csv.ParseOptions(newlines_in_values=True)
    read = arrow_csv.ReadOptions(block_size=_BLOCK)
    with arrow_csv.open_csv(path, read_options=read, parse_options=parse, convert_options=options) as reader:
        yield from reader


def require_same(got: Columns, expected: Columns) -> None:
    """Check that a file has a group's columns, in any order.

    Raises:
        UsageError: It does not; every column that is missing, unknown or of another type is named.
    """
    have, want = dict(got), dict(expected)
    wrong = [f"the column {name!r} is missing" for name in want if name not in have]
    wrong += [f"the column {name!r} is not the group's" for name in have if name not in want]
    wrong += [
        f"column {name!r}: got {kind}, expected {want[name]}"
        for name, kind in have.items()
        if name in want and kind != want[name]
    ]
    if wrong:
        raise UsageError(
            "; ".join(wrong),
            hint=f"the group has {', '.join(f'{name} ({kind})' for name, kind in expected)}; "
            "`replay features register … --schema FILE` adds columns",
        )


def _checked(batches: Iterator[Any], definition: Definition) -> Facts:
    rows, first, last = 0, None, None
    required = [definition.record_id, definition.event_time]
    required += [DELETED] if DELETED in dict(definition.columns) else []
    for batch in batches:
        for name in required:
            _require_no_nulls(batch.column(name), name, rows)
        if batch.num_rows:
            ends = pc.min_max(batch.column(definition.event_time))
            low, high = ends["min"].value, ends["max"].value
            first = low if first is None else min(first, low)
            last = high if last is None else max(last, high)
        rows += batch.num_rows
    if first is None or last is None:
        raise UsageError("got no rows, expected at least one")
    kind = dict(definition.columns)[definition.event_time]
    unit, day = unit_of(kind), kind == "date"
    return Facts(rows, shown(first * unit, day=day), shown(last * unit, day=day))


def _require_no_nulls(array: Any, name: str, before: int) -> None:
    if array.null_count:
        place = before + array.is_null().index(True).as_py() + 1
        raise UsageError(
            f"column {name!r}: row {place:,} is null, expected a value in every row",
            hint="a row without record id and event time says nothing of any record: leave it out, or complete it",
        )
