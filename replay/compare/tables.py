"""Tables: CSV and parquet, row by row or by key."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from replay.compare.cells import compare_cells
from replay.compare.interface import Comparator
from replay.compare.reading import Side, Source, UnreadableError, shown
from replay.compare.table_files import Table, aligned, cell, is_parquet, open_table
from replay.compare.tally import Tally
from replay.compare.tolerance import Limits
from replay.outcome import Finding, Match, Measure
from replay.recipe import Judgement

_SHOWN = 20
"""Columns whose measures are listed one by one."""


class TableComparator(Comparator):
    """Names, order and types of the columns must be equal, as must the number of rows; then cell by cell.

    Rows are compared in order, or joined by the judgement's keys, which must identify them. The tolerance applies to
    numeric columns, ``columns`` overrides it one by one. Null equals null only. File metadata, row groups, compression
    and dictionaries do not count; CSV cells are read as numbers where their texts differ.
    """

    name = "table"

    def _compare(self, recorded: Source, replayed: Source, judgement: Judgement) -> Finding:
        if is_parquet(recorded) != is_parquet(replayed):
            wanted = "parquet" if is_parquet(recorded) else "CSV"
            raise UnreadableError(f"the replayed file is no {wanted} table like the recorded one", side=Side.REPLAYED)
        with open_table(recorded) as one, open_table(replayed) as two:
            drift = _drift(one, two)
            if drift:
                return self._drifted(drift)
            columns = Columns(one, judgement)
            if judgement.keys:
                from replay.compare.keyed import compare_keyed

                compare_keyed(one, two, judgement.keys, columns)
            else:
                _compare_in_order(one, two, columns)
        return columns.finding(self.name)

    def _drifted(self, text: str) -> Finding:
        return Finding(
            match=Match.DIFFERENT,
            comparator=self.name,
            summary=f"schema: {text}",
            first=text,
            measures=(Measure(name="drift", value=text),),
        )


def _drift(recorded: Table, replayed: Table) -> str:
    missing = [n for n in recorded.names if n not in replayed.names]
    extra = [n for n in replayed.names if n not in recorded.names]
    if missing or extra:
        return "; ".join(
            f"{word} {shown(', '.join(names), 120)}"
            for word, names in (("columns missing:", missing), ("columns not in the record:", extra))
            if names
        )
    if recorded.names != replayed.names:
        return f"order of columns: got {shown(replayed.names, 120)}, recorded {shown(recorded.names, 120)}"
    rows = zip(recorded.names, recorded.types, replayed.types, strict=True)
    return next((f"type of column {shown(n)}: got {shown(b)}, recorded {shown(a)}" for n, a, b in rows if a != b), "")


def _compare_in_order(recorded: Table, replayed: Table, columns: Columns) -> None:
    if recorded.rows is not None and recorded.rows != replayed.rows:
        columns.lengths(recorded.rows, replayed.rows or 0)
    one_rows = two_rows = 0
    for row, one, two in aligned(recorded, replayed):
        one_rows += 0 if one is None else one.num_rows
        two_rows += 0 if two is None else two.num_rows
        if one is None or two is None:
            if recorded.rows is not None:
                break
            continue
        for index in range(len(columns.names)):
            columns.add(index, one.column(index), two.column(index), lambda i, row=row: f"row {row + i}", row)  # type: ignore[misc]
    if recorded.rows is None:
        columns.lengths(one_rows, two_rows)


class Columns:
    """What was found, column by column, and the rows that only one side has."""

    def __init__(self, table: Table, judgement: Judgement) -> None:
        self.names = table.names
        self.limits = [Limits.of(judgement.columns.get(name, judgement.tolerance)) for name in table.names]
        self.tallies = [Tally() for _ in table.names]
        self.missing = self.extra = 0
        self.one_sided = ""
        self._rows: dict[str, int] = {}

    def add(self, index: int, recorded: pa.Array, replayed: pa.Array, place: Callable[[int], str], row: int) -> None:
        """Compare the cells of one column in stretches of equal length, the first cell of which is in ``row``."""

        def where(position: int) -> str:
            values = f"recorded {cell(recorded[position])}, replayed {cell(replayed[position])}"
            text = f"{place(position)}, column {shown(self.names[index])}: {values}"
            self._rows[text] = row + position
            return text

        compare_cells(self.tallies[index], recorded, replayed, self.limits[index], where)

    def lengths(self, recorded: int, replayed: int) -> None:
        """Note numbers of rows that differ: the longer table's last rows have no partner."""
        self.missing, self.extra = max(0, recorded - replayed), max(0, replayed - recorded)
        if recorded != replayed:
            self.one_sided = f"row {min(recorded, replayed)}: {'missing' if self.missing else 'not in the record'}"

    def finding(self, comparator: str) -> Finding:
        """The finding over all columns."""
        total = Tally()
        for tally in self.tallies:
            total.merge(tally)
        alone = self.missing + self.extra
        failed = bool(total.beyond or alone)
        text = "; ".join(filter(None, [self._alone(), total.sentence() if total.differing or not alone else ""]))
        touched = [(n, t) for n, t in zip(self.names, self.tallies, strict=True) if t.differing]
        if touched:
            text += f"; in columns {shown(', '.join(name for name, _ in touched), 120)}"
        measures = [*total.measures()]
        for name, tally in touched[:_SHOWN]:
            measures += tally.measures(f"{shown(name)}: ")
        if alone:
            measures.append(Measure(name="rows missing", value=str(self.missing)))
            measures.append(Measure(name="rows not in the record", value=str(self.extra)))
        return Finding(
            match=Match.DIFFERENT if failed else Match.EQUIVALENT,
            comparator=comparator,
            summary=text,
            first=self._first(failed),
            measures=tuple(measures),
        )

    def _alone(self) -> str:
        parts = [(self.missing, "missing"), (self.extra, "not in the record")]
        return ", ".join(f"{count:,} rows {word}" for count, word in parts if count)

    def _first(self, failed: bool) -> str:
        """The topmost row that fails, else the topmost that differs, else the first row without a partner."""
        texts = [t.first_beyond if failed else t.first for t in self.tallies]
        found = [text for text in texts if text]
        return min(found, key=lambda text: self._rows[text]) if found else self.one_sided
