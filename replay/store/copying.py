"""A whole store from one database into another: every row with its numbers, in one commit, and the proof of that.

The target is empty, or an older copy of the same store, which then gets what it lacks.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from replay.errors import StoreCorruptError, StoreError, UsageError
from replay.progress import Progress
from replay.store import chain, verify_chain
from replay.store.heads import Head, count, head, leaf, root
from replay.store.interface import Cursor, Database, Reads, Row
from replay.store.sqlite import SqliteDatabase

TABLES: dict[str, tuple[str, str]] = {
    "transactions": ("tx, created, digest, sums, leaf", "tx"),
    **chain.TABLES,
    "checkpoints": ("size, root, frontier, created", "size"),
    "meta": ("key, value", "key"),
}
"""Every table: its columns, and its key. What others name comes before them."""

_SETS = ("checkpoints", "meta")
"""Tables of which a copy may have more rows: those it made itself since."""
_BATCH = 10_000
_CACHE_KIB = 32 << 10
_NAMED = 20


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """What was copied, and what both databases hold now."""

    source: str
    target: str
    store: str
    rows: dict[str, int]
    """Of each table the rows that were copied."""
    totals: dict[str, int]
    """Of each table the rows that both have."""
    size: int
    """Transactions."""
    leaf: str
    """Of the newest transaction."""
    root: str
    """The Merkle root over all of them, computed from the target's own rows."""


def copy(source: Database, target: Database, progress: Progress) -> Copied:
    """Copy what ``target`` lacks, hold both against each other, and only then commit.

    Raises:
        UsageError: The target holds another store, or more than the source.
        StoreCorruptError: The source is not as it was recorded; the message names what is wrong.
        StoreError: A database cannot be read or written. In any case the target is as it was before.
    """
    _read_whole(source.rows, source)
    with source.snapshot(), target.loading() as cursor:
        _read_whole(cursor.rows, target)
        mine = head(source)
        since = _common(source, target, cursor, mine)
        rows = {table: _copy_table(source, cursor, table, since, progress) for table in TABLES}
        _analyze(target, cursor)
        _require_equal(source, target, cursor, progress)
        totals = {table: count(cursor, table) for table in TABLES}
        return Copied(
            source=source.place,
            target=target.place,
            store=_meta(cursor)["store"],
            rows=rows,
            totals=totals,
            size=mine.tx,
            leaf=mine.leaf.hex(),
            root=root(cursor),
        )


def _common(source: Database, target: Database, cursor: Cursor, mine: Head) -> int:
    """How many transactions the target has already, all of them the source's.

    Raises:
        UsageError: They are others, or more.
    """
    its, here, there = head(cursor), _meta(source), _meta(cursor)
    if not its.tx:
        _adopt(target, cursor, here["store"])
        return 0
    if here["store"] != there["store"]:
        raise UsageError(
            f"{target.place}: holds another store ({there['store']}, {its.tx} transactions), "
            f"expected an empty one or an older copy of {here['store']}",
            hint="copy to another place",
        )
    if leaf(source, min(mine.tx, its.tx)) != leaf(cursor, min(mine.tx, its.tx)):
        raise UsageError(
            f"{target.place}: is no older copy of {source.place}: they differ from transaction "
            f"{_fork(source, cursor, min(mine.tx, its.tx))} on",
            hint="both were written to since they parted: keep both, and let one be read beside the other",
        )
    if its.tx > mine.tx:
        raise UsageError(
            f"{target.place}: has {its.tx} transactions, {source.place} only the first {mine.tx} of them",
            hint="it is the newer one: copy the other way round",
        )
    return its.tx


def _read_whole(run: Callable[[str], object], database: Database) -> None:
    """Every page is wanted once: neither a large cache nor a mapping of the file would be of use."""
    if isinstance(database, SqliteDatabase):
        run("PRAGMA mmap_size = 0")
        run(f"PRAGMA cache_size = -{_CACHE_KIB}")


def _adopt(target: Database, cursor: Cursor, store: str) -> None:
    """Let an empty store be the copy of another one: the only change that the guard of ``meta`` ever lets through."""
    if isinstance(target, SqliteDatabase):
        guards = cursor.rows("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'meta'")
        off, on = [f"DROP TRIGGER {name}" for name, _ in guards], [sql for _, sql in guards]
    else:
        off, on = ["ALTER TABLE meta DISABLE TRIGGER USER"], ["ALTER TABLE meta ENABLE TRIGGER USER"]
    for sql in off:
        cursor.rows(sql)
    cursor.rows("UPDATE meta SET value = ? WHERE key = 'store'", (store,))
    for sql in on:
        cursor.rows(sql)


def _copy_table(source: Database, cursor: Cursor, table: str, since: int, progress: Progress) -> int:
    """Copy the rows of one table that the target lacks; how many."""
    task, copied = f"copy {table}", 0
    progress.started(task)
    for batch in _batches(_lacking(source, cursor, table, since)):
        cursor.insert(table, batch)
        copied += len(batch)
        progress.advanced(task, f"{copied} rows", len(batch))
    progress.finished(task, f"{copied} rows")
    return copied


def _lacking(source: Database, cursor: Cursor, table: str, since: int) -> Iterable[Row]:
    columns, key = TABLES[table]
    if table in _SETS:
        known = dict(_pairs(cursor, table))
        for one, value in _pairs(source, table):
            if known.setdefault(one, value) != value:
                raise UsageError(
                    f"{table} {one}: got {_shown(known[one])} in the target, {_shown(value)} in the source",
                    hint="the target was changed: copy to another place",
                )
        own = dict(_pairs(cursor, table))
        rows = source.stream(f"SELECT {columns} FROM {table} ORDER BY {key}")
        return (row for row in rows if row[0] not in own)
    return source.stream(f"SELECT {columns} FROM {table} WHERE tx > ? ORDER BY {key}", (since,))


def _analyze(target: Database, cursor: Cursor) -> None:
    """Let the server's planner know the tables at once. SQLite's does better without: its plans are ours."""
    if not isinstance(target, SqliteDatabase):
        for table in TABLES:
            cursor.rows(f"ANALYZE {table}")


def _require_equal(source: Database, target: Database, cursor: Cursor, progress: Progress) -> None:
    """Hash all rows of the target into its transactions, these into the chain, and hold that against the source's.

    Raises:
        StoreCorruptError: The source's rows are not as they were recorded.
        StoreError: The target does not hold the same.
    """
    task = "hold the copy against its chain"
    progress.started(task)
    noted = [(size, made.hex()) for size, made in _pairs(source, "checkpoints")]
    findings = list(itertools.islice(verify_chain.check(cursor, noted), _NAMED))
    if findings:
        named = "; ".join(f"{finding.place}: {finding.problem}" for finding in findings)
        raise StoreCorruptError(
            f"{source.place}: is not as it was recorded, so nothing was copied: {named}",
            hint="`replay verify` there names all that is wrong",
        )
    different = [table for table in TABLES if table not in _SETS and count(source, table) != count(cursor, table)]
    if different or root(source) != root(cursor) or head(source) != head(cursor):
        raise StoreError(
            f"{target.place}: would not hold what {source.place} holds ({', '.join(different) or 'other leaves'})",
            hint="nothing was copied; please report this",
        )
    progress.finished(task)


def _fork(source: Database, cursor: Cursor, known: int) -> int:
    """The first transaction that is not the same in both; the one numbered ``known`` is not."""
    low, high = 1, known
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if leaf(source, middle) == leaf(cursor, middle) else (low, middle)
    return low


def _meta(database: Reads) -> dict[str, str]:
    return dict(database.rows("SELECT key, value FROM meta"))


def _pairs(database: Reads, table: str) -> list[tuple[Any, Any]]:
    first, second = TABLES[table][0].split(", ")[:2]
    return [(row[0], row[1]) for row in database.rows(f"SELECT {first}, {second} FROM {table} ORDER BY {first}")]


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rows = iter(rows)
    while batch := list(itertools.islice(rows, _BATCH)):
        yield batch


def _shown(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
