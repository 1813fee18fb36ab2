"""Are the rows those of their transactions, and the transactions those of the chain?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from operator import itemgetter

from replay import merkle
from replay.store import chain
from replay.store.findings import Finding
from replay.store.interface import Database, Row
from replay.store.verify_names import name_of


def check(database: Database, noted: Mapping[int, str]) -> Iterator[Finding]:
    """Follow the chain; name each transaction that is not as recorded, and each row of it that is not.

    Args:
        database: The database.
        noted: Checkpoints known from elsewhere: size → root in hex.
    """
    tables = {table: _Table(database, table) for table in chain.TABLES}
    frontier: list[bytes] = []
    size, prev, last, created_before = 0, chain.FIRST, 0, ""
    roots = {0: merkle.EMPTY}
    wanted = {row[0] for row in database.rows("SELECT size FROM checkpoints")} | set(noted)
    for tx, created, digest, sums, leaf in database.stream(
        "SELECT tx, created, digest, sums, leaf FROM transactions ORDER BY tx"
    ):
        place = f"transaction {tx}"
        for table in tables.values():
            yield from table.strangers_before(tx)
        if tx != last + 1:
            yield Finding(place=place, problem=f"comes after transaction {last}: what lay between is gone")
        if created < created_before:
            yield Finding(place=place, problem=f"got the time {created}, before that of the transaction before it")
        rows = {name: table.rows_of(tx) for name, table in tables.items()}
        yield from _transaction(database, place, digest, sums, rows)
        if chain.leaf_of(tx, created, digest, prev) != leaf:
            yield Finding(place=place, problem="its link to the chain does not fit: it, or its order, was changed")
        frontier, size = merkle.grow(frontier, size, [leaf])
        if size in wanted:
            roots[size] = merkle.root_of(frontier)
        prev, last, created_before = leaf, tx, created
    for table in tables.values():
        yield from table.strangers_before(None)
    yield from _checkpoints(database, roots, noted, size)


class _Table:
    """The rows of one table, handed out transaction by transaction."""

    def __init__(self, database: Database, name: str) -> None:
        self.name = name
        self._database = database
        columns, key = chain.TABLES[name]
        rows = database.stream(f"SELECT {columns} FROM {name} ORDER BY tx, {key}")
        self._groups = groupby(rows, key=itemgetter(-1))
        self._tx: int | None = None
        self._rows: list[Row] = []
        self._next()

    def _next(self) -> None:
        self._tx, self._rows = None, []
        for tx, rows in self._groups:
            self._tx, self._rows = tx, list(rows)
            return

    def rows_of(self, tx: int) -> list[Row]:
        if self._tx != tx:
            return []
        rows = self._rows
        self._next()
        return rows

    def strangers_before(self, tx: int | None) -> Iterator[Finding]:
        """Rows of transactions that are not there."""
        while self._tx is not None and (tx is None or self._tx < tx):
            for row in self._rows:
                yield Finding(
                    place=name_of(self._database, self.name, row), problem=f"its transaction {self._tx} is not recorded"
                )
            self._next()


def _transaction(
    database: Database, place: str, digest: bytes, sums: bytes, rows: Mapping[str, Sequence[Row]]
) -> Iterator[Finding]:
    lines = {table: chain.lines_of(rows[table]) for table in chain.TABLES}
    if chain.digest_of(lines) == digest:
        return
    named = 0
    expected = chain.unpack(sums)
    for table in chain.TABLES:
        found = chain.unpack_one(chain.sums_of(lines[table]))
        lost = Counter(expected[table]) - Counter(found)
        for sum_, row in zip(found, rows[table], strict=True):
            if sum_ not in expected[table]:
                named += 1
                changed = bool(lost)
                why = "is not as it was recorded" if changed else "was never recorded"
                yield Finding(place=name_of(database, table, row), problem=f"{why} (in {place})")
                if changed:
                    lost.subtract([next(iter(lost.elements()))])
                    lost = +lost
        for _ in range(lost.total()):
            named += 1
            yield Finding(place=place, problem=f"a row of {table} is gone{_gap(table, rows[table])}")
    if not named:
        yield Finding(place=place, problem="got rows whose digest is not the recorded one")


def _gap(table: str, rows: Sequence[Row]) -> str:
    if table not in {"nodes", "facets"}:
        return ""
    missing = [str(number) for one, other in pairwise(row[0] for row in rows) for number in range(one + 1, other)]
    return f": number {', '.join(missing[:5])}" if missing else ""


def _checkpoints(
    database: Database, roots: Mapping[int, bytes], noted: Mapping[int, str], size: int
) -> Iterator[Finding]:
    for at, root, *_ in database.rows("SELECT size, root FROM checkpoints ORDER BY size"):
        if roots.get(at) != root:
            yield Finding(
                place=f"checkpoint {at}",
                problem=_why(roots.get(at), root.hex() if isinstance(root, bytes) else str(root), size),
            )
    for at, root in sorted(noted.items()):
        actual = roots.get(at)
        if actual is None or actual.hex() != root:
            yield Finding(place=f"checkpoint {at} of the journal", problem=_why(actual, root, size))


def _why(actual: bytes | None, root: str, size: int) -> str:
    if actual is None:
        return f"the store has only {size} transactions: it was set back, or its newest ones are gone"
    return f"got the root {actual.hex()}, expected {root}"
