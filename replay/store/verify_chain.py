"""Are the rows those of their transactions, and the transactions those of the chain?"""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any

from replay import merkle
from replay.errors import ReplayError, StoreError
from replay.store import chain
from replay.store.findings import Finding
from replay.store.interface import Reads, Row
from replay.store.verify_names import name_of

_Roots = dict[int, tuple[bytes, bytes]]
"""Root and frontier after so many transactions."""

_INT, _STR, _BYTES, _NONE = (int,), (str,), (bytes,), type(None)
_TYPES: dict[str, tuple[tuple[type, ...], ...]] = {
    "nodes": (_INT, _BYTES, _INT, _STR, _STR, (str, _NONE), _STR, (str, _NONE), _INT),
    "edges": (_INT, _INT, _INT, _STR, _STR, (str, _NONE), _INT, _INT),
    "facets": (_INT, _INT, _STR, _STR, (str, _NONE), (int, _NONE), _INT),
    "model_versions": (_STR, _INT, _INT, _INT),
    "blobs": (_BYTES, _INT, _INT),
}
_SIGNATURES = {table: set(itertools.product(*types)) for table, types in _TYPES.items()}
"""The types that rows may have. SQLite keeps any, and text in base 64 has the digest of the bytes that it means."""


def check(database: Reads, noted: Collection[tuple[int, str]], lost: Collection[str] = ()) -> Iterator[Finding]:
    """Follow the chain; name each transaction that is not as recorded, and each row of it that is not.

    Args:
        database: The database.
        noted: Checkpoints known from elsewhere: size, and root in hex.
        lost: Tables that cannot be read, which is known already.
    """
    wanted = {row[0] for row in database.rows("SELECT size FROM checkpoints")} | {size for size, _ in noted}
    with contextlib.ExitStack() as stack:
        tables = [_Table(database, name, name in lost) for name in chain.TABLES]
        for table in tables:
            stack.callback(table.close)
        roots, size = yield from _transactions(database, tables, wanted)
    yield from _checkpoints(database, roots, noted, size)


def _transactions(
    database: Reads, tables: Sequence[_Table], wanted: Collection[int]
) -> Generator[Finding, None, tuple[_Roots, int]]:
    """Follow the chain; the roots at the ``wanted`` sizes, and how many transactions there are."""
    frontier: list[bytes] = []
    roots: _Roots = {0: (merkle.EMPTY, b"")}
    size, last = 0, chain.Entry(0, "", b"", b"", chain.FIRST)
    for row in database.stream("SELECT tx, created, digest, sums, leaf FROM transactions ORDER BY tx"):
        entry = _entry(row)
        for table in tables:
            yield from table.strangers_before(entry.tx)
        problems = [] if entry == row else [f"got {row[1:]!r}, expected a time and three hashes"]
        for problem in problems + _out_of_line(entry, last):
            yield Finding(place=f"transaction {entry.tx}", problem=problem)
        yield from _transaction(database, entry, tables)
        frontier, size = merkle.grow(frontier, size, [entry.leaf])
        if size in wanted:
            roots[size] = merkle.root_of(frontier), b"".join(frontier)
        last = entry
    for table in tables:
        yield from table.strangers_before(None)
    return roots, size


def _entry(row: Row) -> chain.Entry:
    """The transaction, with nothing in the place of what is of another type."""
    tx, created, *hashes = row
    digest, sums, leaf = (part if isinstance(part, bytes) else b"" for part in hashes)
    return chain.Entry(tx, created if isinstance(created, str) else "", digest, sums, leaf)


def _out_of_line(entry: chain.Entry, last: chain.Entry) -> list[str]:
    problems = []
    if entry.tx != last.tx + 1:
        problems.append(f"comes after transaction {last.tx}: what lay between is gone")
    if entry.created < last.created:
        problems.append(f"got the time {entry.created}, before that of the transaction before it")
    linked = False
    with contextlib.suppress(ReplayError):
        linked = chain.leaf_of(entry.tx, entry.created, entry.digest, last.leaf) == entry.leaf
    if not linked:
        problems.append("its link to the chain does not fit: it, or its order, was changed")
    return problems


class _Table:
    """The rows of one table, handed out transaction by transaction."""

    def __init__(self, database: Reads, name: str, lost: bool) -> None:
        self.name = name
        self.lost = lost
        self.trouble: list[Finding] = []
        self._database = database
        columns, key = chain.TABLES[name]
        self._stream = database.stream(f"SELECT {columns} FROM {name} ORDER BY tx, {key}")
        self._groups = groupby(self._stream, key=itemgetter(-1))
        self._tx: Any = None
        self._rows: list[Row] = []
        if not lost:
            self._next()

    def close(self) -> None:
        """Read no further."""
        self._stream.close()

    def _next(self) -> None:
        self._tx, self._rows = None, []
        try:
            for tx, rows in self._groups:
                self._tx, self._rows = tx, list(rows)
                return
        except StoreError as error:  # the others are read on
            self._tx, self.lost = None, True
            self.trouble.append(Finding(place=f"table {self.name}", problem=f"cannot be read on: {error}"))

    def rows_of(self, tx: int) -> list[Row]:
        if self._tx != tx:
            return []
        rows = self._rows
        self._next()
        return rows

    def strangers_before(self, tx: int | None) -> Iterator[Finding]:
        """Rows of transactions that are not there. What is no number comes last."""
        while self._tx is not None and (tx is None or (isinstance(self._tx, int) and self._tx < tx)):
            for row in self._rows:
                yield Finding(
                    place=name_of(self._database, self.name, row), problem=f"its transaction {self._tx} is not recorded"
                )
            self._next()


def _transaction(database: Reads, entry: chain.Entry, tables: Sequence[_Table]) -> Iterator[Finding]:
    place = f"transaction {entry.tx}"
    rows = {table.name: table.rows_of(entry.tx) for table in tables}
    for table in tables:
        yield from table.trouble
        table.trouble.clear()
    lines = {name: chain.lines_of(found) for name, found in rows.items()}
    if chain.digest_of(lines) == entry.digest:
        if chain.pack(lines) != entry.sums:
            yield Finding(place=place, problem="the checksums of its rows are not as they were recorded")
        yield from _of_other_types(database, rows)
        return
    try:
        expected = chain.unpack(entry.sums)
    except ValueError as error:
        yield Finding(place=place, problem=f"got rows whose digest is not the recorded one, and {error}")
        return
    readable = [table.name for table in tables if not table.lost]
    found = [finding for name in readable for finding in _rows(database, place, name, rows[name], expected[name])]
    yield from found
    if not found and len(readable) == len(tables):
        yield Finding(place=place, problem="got rows whose digest is not the recorded one")


def _rows(database: Reads, place: str, table: str, rows: Sequence[Row], expected: Sequence[bytes]) -> Iterator[Finding]:
    """Which rows of a transaction that is not as it was recorded are not."""
    found = chain.unpack_one(chain.sums_of(chain.lines_of(rows)))
    known = set(expected)
    lost = (Counter(expected) - Counter(found)).total()
    for sum_, row in zip(found, rows, strict=True):
        if sum_ not in known:
            why = "is not as it was recorded" if lost else "was never recorded"
            lost = max(0, lost - 1)
            yield Finding(place=name_of(database, table, row), problem=f"{why} (in {place})")
    for _ in range(lost):
        yield Finding(place=place, problem=f"a row of {table} is gone{_gap(table, rows)}")


def _of_other_types(database: Reads, rows: Mapping[str, Sequence[Row]]) -> Iterator[Finding]:
    for table, known in _SIGNATURES.items():
        if not {tuple(map(type, row)) for row in rows[table]} <= known:
            for row in rows[table]:
                if (types := tuple(map(type, row))) not in known:
                    got = ", ".join(one.__name__ for one in types)
                    yield Finding(place=name_of(database, table, row), problem=f"got the types {got}")


def _gap(table: str, rows: Sequence[Row]) -> str:
    if table not in {"nodes", "facets"}:
        return ""
    missing = [str(number) for one, other in pairwise(row[0] for row in rows) for number in range(one + 1, other)]
    return f": number {', '.join(missing[:5])}" if missing else ""


def _checkpoints(database: Reads, roots: _Roots, noted: Collection[tuple[int, str]], size: int) -> Iterator[Finding]:
    for at, root, frontier in database.rows("SELECT size, root, frontier FROM checkpoints ORDER BY size"):
        actual, grown = roots.get(at, (None, None))
        if actual != root:
            hexed = root.hex() if isinstance(root, bytes) else repr(root)
            yield Finding(place=f"checkpoint {at}", problem=_why(actual, hexed, size))
        elif grown != frontier:
            yield Finding(place=f"checkpoint {at}", problem="got a frontier that does not lead to its root")
    for at, hexed in sorted(noted):
        actual, _ = roots.get(at, (None, None))
        if actual is None or actual.hex() != hexed:
            yield Finding(place=f"checkpoint {at} of the journal", problem=_why(actual, hexed, size))


def _why(actual: bytes | None, root: str, size: int) -> str:
    if actual is None:
        return f"the store has only {size} transactions: it was set back, or its newest ones are gone"
    return f"got the root {actual.hex()}, expected {root}"
