"""Rows in the order of their records, and of each record the newest, whatever fits into memory.

Rows come in the order in which they were written. They are sorted in *runs* as large as memory allows, and the runs
are merged. Sorting is stable and runs stay in order, so that of rows with the same record id and event time the one
that was written last comes last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from replay.store import fsops

RUN_BYTES = 64 << 20
"""Memory for the rows of a run, before they are sorted (which takes as much again)."""
BLOCK = 16 << 10
"""Rows of each run that are in memory while runs are merged; up to twice as many for a moment."""

_TURN = "\0turn"
"""An additional column: the number of a row among all, in the order of writing."""


class Order:
    """How rows are told apart and ordered."""

    def __init__(self, record_id: str, event_time: str, *, all_versions: bool) -> None:
        self.sort_keys = [(record_id, "ascending"), (event_time, "ascending")]
        self.record_id = record_id
        self.all_versions = all_versions
        self.unique = [record_id, event_time, _TURN] if all_versions else [record_id]
        """Columns by which no two rows of one run are equal."""

    def sort(self, batches: list[Any]) -> Any:
        """The rows of one run as one record batch."""
        whole = _one(batches)
        ordered = whole.take(pc.sort_indices(whole, sort_keys=self.sort_keys))
        return ordered if self.all_versions else self.last_of_each(ordered)

    def last_of_each(self, ordered: Any) -> Any:
        """Of each record the last row."""
        ids = ordered.column(self.record_id)
        if len(ids) < 2:
            return ordered
        changes = pc.not_equal(ids.slice(0, len(ids) - 1), ids.slice(1)).to_numpy(zero_copy_only=False)
        return ordered.filter(pa.array(np.append(changes, True)))


def ordered(batches: Iterable[Any], order: Order, folder: Path) -> Iterator[Any]:
    """All rows by record id and event time, or of each record the newest.

    Args:
        batches: Record batches in the order of writing, without nulls in record id and event time.
        order: How.
        folder: Where runs lie meanwhile when there are several.

    Yields:
        Record batches. One run is in memory at a time, then `BLOCK` rows of each.

    Raises:
        StoreError: The disk of ``folder`` is full, not writable, or failed.
    """
    with ExitStack() as stack:
        runs = _Runs(order, folder, stack)
        for batch in batches:
            runs.add(batch)
        for merged in _merge([_Run(blocks) for blocks in runs.close()], order):
            yield merged.drop_columns([_TURN]) if order.all_versions else merged


class _Runs:
    """Cuts the rows into sorted runs: on disk, but for the last one."""

    def __init__(self, order: Order, folder: Path, stack: ExitStack) -> None:
        self._order, self._folder, self._stack = order, folder, stack
        self._pending: list[Any] = []
        self._bytes = 0
        self._turn = 0
        self._spilled: list[Iterator[Any]] = []

    def add(self, batch: Any) -> None:
        if self._order.all_versions:
            turns = pa.array(np.arange(self._turn, self._turn + batch.num_rows))
            self._turn += batch.num_rows
            batch = batch.append_column(_TURN, turns)
        if batch.num_rows:
            self._pending.append(batch)
            self._bytes += batch.nbytes
        if self._bytes >= RUN_BYTES:
            run = self._order.sort(self._pending)
            # What is mostly older versions goes on shrinking in memory: it is the oldest part of the next run.
            keep = run.nbytes <= RUN_BYTES // 2 and not self._order.all_versions
            if not keep:
                self._spilled.append(self._spill(run))
            self._pending, self._bytes = ([run], run.nbytes) if keep else ([], 0)

    def close(self) -> list[Iterator[Any]]:
        """The blocks of each run, in the order of writing."""
        last = [iter([self._order.sort(self._pending)])] if self._pending else []
        self._pending = []
        return [*self._spilled, *last]

    def _spill(self, run: Any) -> Iterator[Any]:
        temp, _ = self._stack.enter_context(fsops.temporary(self._folder))
        with fsops.guard(temp), pa.OSFile(str(temp), "wb") as file, pa.ipc.new_file(file, run.schema) as writer:
            for start in range(0, run.num_rows, BLOCK):
                writer.write_batch(run.slice(start, BLOCK))
        return _blocks(temp)


def _blocks(path: Path) -> Iterator[Any]:
    with fsops.guard(path), pa.OSFile(str(path), "rb") as file, pa.ipc.open_file(file) as reader:
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)


class _Run:
    """A sorted run, and the part of it that is in memory."""

    def __init__(self, blocks: Iterator[Any]) -> None:
        self._blocks = blocks
        self.buffer = next(blocks)
        self.fill()

    def fill(self) -> None:
        """Have `BLOCK` rows in memory as long as there are so many: every run then gives much to each merge."""
        parts, count = [self.buffer], self.buffer.num_rows
        while count < BLOCK and (following := next(self._blocks, None)) is not None:
            parts.append(following)
            count += following.num_rows
        self.buffer = _one(parts)

    def cut(self, bound: list[Any], columns: list[str]) -> Any:
        """Take the rows up to ``bound``."""
        low, high = 0, self.buffer.num_rows
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if _key(self.buffer, middle, columns) <= bound else (low, middle)
        taken, self.buffer = self.buffer.slice(0, low), self.buffer.slice(low)
        return taken


def _merge(runs: list[_Run], order: Order) -> Iterator[Any]:
    """Up to the least of the last rows in memory every run is complete: so far they can be sorted together."""
    while runs := [run for run in runs if run.buffer.num_rows]:
        if len(runs) == 1:
            yield runs[0].buffer
            runs[0].buffer = runs[0].buffer.slice(0, 0)
        else:
            bound = min(_key(run.buffer, run.buffer.num_rows - 1, order.unique) for run in runs)
            yield order.sort([taken for run in runs if (taken := run.cut(bound, order.unique)).num_rows])
        for run in runs:
            run.fill()


def _key(batch: Any, row: int, columns: list[str]) -> list[Any]:
    """What a row is ordered by, as Python compares it."""
    return [_plain(batch.column(name)[row]) for name in columns]


def _plain(value: Any) -> Any:
    if pa.types.is_temporal(value.type):
        return value.value
    found = value.as_py()
    return found.encode() if isinstance(found, str) else found


def _one(batches: list[Any]) -> Any:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)
