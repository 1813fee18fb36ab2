"""Tables whose rows are joined by key columns; only the keys and one column at a time are in memory."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from replay.compare.numeric import CHUNK, Array
from replay.compare.reading import Side, UnreadableError, shown
from replay.compare.table_files import Table, cell
from replay.compare.tables import Columns
from replay.errors import CompareError


def compare_keyed(recorded: Table, replayed: Table, keys: tuple[str, ...], columns: Columns) -> None:
    """Join the rows by ``keys`` and compare those that both tables have.

    Raises:
        CompareError: The recorded table has no such column, or its keys do not identify its rows.
        UnreadableError: The keys do not identify the replayed rows, or it has absurdly many.
    """
    unknown = [name for name in keys if recorded.names.count(name) != 1]
    if unknown:
        raise CompareError(f"keys: the recorded table has no single column {shown(', '.join(unknown))}")
    if recorded.rows is not None and (replayed.rows or 0) > 4 * recorded.rows + 1_000_000:
        raise UnreadableError(f"rows: got {replayed.rows:,}, recorded {recorded.rows:,}", side=Side.REPLAYED)
    indices = [recorded.names.index(name) for name in keys]
    one, two = _codes([(recorded.column(i), replayed.column(i)) for i in indices])
    orders = _order(one, Side.RECORDED, keys), _order(two, Side.REPLAYED, keys)
    one, two = one[orders[0]], two[orders[1]]
    here, there = np.isin(one, two, assume_unique=True), np.isin(two, one, assume_unique=True)
    left, right = orders[0][here], orders[1][there]
    columns.missing, columns.extra = int((~here).sum()), int((~there).sum())
    if columns.missing or columns.extra:
        lone, table = (orders[0][~here], recorded) if columns.missing else (orders[1][~there], replayed)
        word = "missing" if columns.missing else "not in the record"
        columns.one_sided = f"{_key(table, keys, int(lone.min()))}: {word}"
    ranked = np.argsort(left, kind="stable")
    _cells(recorded, replayed, left[ranked], right[ranked], keys, columns)


def _cells(
    recorded: Table, replayed: Table, left: Array, right: Array, keys: tuple[str, ...], columns: Columns
) -> None:
    for index in range(len(columns.names)):
        one, two = recorded.column(index), replayed.column(index)
        for start in range(0, left.size, CHUNK):
            part = slice(start, start + CHUNK)
            mine, theirs = one.take(pa.array(left[part])), two.take(pa.array(right[part]))

            def place(position: int, rows: Array = left[part]) -> str:
                return _key(recorded, keys, int(rows[position]))

            columns.add(index, mine, theirs, place, start)


def _codes(pairs: list[tuple[pa.Array, pa.Array]]) -> tuple[Array, Array]:
    """One integer per row and table; rows have the same integer exactly when all their key cells are equal."""
    count = len(pairs[0][0])
    codes: Array = np.zeros(sum(map(len, pairs[0])), np.int64)
    for one, two in pairs:
        both = pa.concat_arrays([one, two])
        column: Array = pc.dictionary_encode(both, null_encoding="encode").indices.to_numpy().astype(np.int64)
        mixed = codes * (int(column.max(initial=0)) + 1) + column
        codes = np.unique(mixed, return_inverse=True)[1].astype(np.int64) if codes.any() else mixed
    return codes[:count], codes[count:]


def _order(codes: Array, side: Side, keys: tuple[str, ...]) -> Array:
    order: Array = np.argsort(codes, kind="stable")
    doubles = np.flatnonzero(codes[order][1:] == codes[order][:-1])
    if doubles.size:
        raise UnreadableError(
            f"the keys {', '.join(keys)} do not identify the rows of the {side} table: {doubles.size:,} come again, "
            f"e.g. row {int(order[doubles[0] + 1])}",
            side=side,
        )
    return order


def _key(table: Table, keys: tuple[str, ...], row: int) -> str:
    """The key of one row, read again from the file, since it is wanted at most twice per column."""
    values = []
    for name in keys:
        left = row
        for batch in table.batches([table.names.index(name)]):
            if left < batch.num_rows:
                values.append(f"{shown(name)}={cell(batch.column(0)[left])}")
                break
            left -= batch.num_rows
    return ", ".join(values)
