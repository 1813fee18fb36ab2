"""What a store is: where it lies, how much is in it, and how far it goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from replay.store import backends
from replay.store.blobs import Blobs
from replay.store.database import Store
from replay.store.heads import count
from replay.store.interface import REVISION, Database
from replay.store.rows import KINDS
from replay.store.sqlite import SqliteDatabase

TABLES = ("transactions", "nodes", "edges", "facets", "model_versions", "blobs", "checkpoints")
_CACHE = "cache"
"""The folder of what may be deleted at any time: search index, snapshot."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction or a checkpoint."""

    number: int
    """Of the transaction, or how many the checkpoint is over."""
    digest: str
    """Leaf or Merkle root, in hex."""
    created: str


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a store."""

    database: str
    """``sqlite`` or ``postgresql``."""
    place: str
    named_by: str
    """What says that it is this one."""
    root: str
    revision: str
    store: str
    rows: dict[str, int]
    """Of each table how many."""
    kinds: dict[str, int]
    """Of each kind of node how many."""
    transaction: Point | None
    """The newest."""
    checkpoint: Point | None
    """The newest."""
    bytes: dict[str, int]
    """On disk: ``database``, ``blobs``, ``journal``; where they are, ``search`` (the index) and ``cache`` (the rest of
    what may be deleted at any time)."""
    journal_lines: int
    journal_newest: str = ""
    """Action and time of its newest line."""
    unused: str | None = None
    """An SQLite file that lies here although the lineage is elsewhere."""


def status_of(store: Store, setting: str | None) -> Status:
    """The state of a store.

    Args:
        store: The store.
        setting: ``store.url`` of the settings.

    Raises:
        StoreError: It cannot be read.
    """
    with store.reading() as database, database.snapshot():
        rows = {table: count(database, table) for table in TABLES}
        kinds = _kinds(database)
        newest = _point(database, "SELECT tx, leaf, created FROM transactions ORDER BY tx DESC LIMIT 1")
        checkpoint = _point(database, "SELECT size, root, created FROM checkpoints ORDER BY size DESC LIMIT 1")
        sizes = {"database": _database_bytes(database), **_file_bytes(store), **_index_bytes(store, database)}
    records = store.journal.records()
    embedded = isinstance(database, SqliteDatabase)
    file = store.root / backends.FILE
    return Status(
        database="sqlite" if embedded else "postgresql",
        place=database.place,
        named_by=_named_by(store.root, setting),
        root=str(store.root),
        revision=REVISION,
        store=store.id,
        rows=rows,
        kinds=kinds,
        transaction=newest,
        checkpoint=checkpoint,
        bytes=sizes,
        journal_lines=len(records),
        journal_newest=f"{records[-1].action} {records[-1].time}" if records else "",
        unused=str(file) if not embedded and file.exists() else None,
    )


def _named_by(root: Path, setting: str | None) -> str:
    if setting is not None:
        return "store.url"
    return backends.POINTER if backends.url_of(root) is not None else backends.FILE


def _kinds(database: Database) -> dict[str, int]:
    found = database.stream("SELECT kind, count(*) FROM nodes GROUP BY kind ORDER BY kind")
    return {KINDS[code].value if code in KINDS else f"unknown {code}": number for code, number in found}


def _point(database: Database, query: str) -> Point | None:
    found: list[tuple[Any, ...]] = database.rows(query)
    return Point(number=found[0][0], digest=found[0][1].hex(), created=found[0][2]) if found else None


def _database_bytes(database: Database) -> int:
    """What the tables take with their indexes."""
    if isinstance(database, SqliteDatabase):
        return sum(_bytes(database.path.with_name(database.path.name + end)) for end in ("", "-wal"))
    sizes = ", ".join(f"('{table}')" for table in (*TABLES, "meta"))
    query = f"SELECT sum(pg_total_relation_size(name::regclass)) FROM (VALUES {sizes}) AS tables (name)"
    return int(database.rows(query)[0][0])


def _file_bytes(store: Store) -> dict[str, int]:
    blobs = Blobs(store.root / "blobs")
    return {
        "blobs": sum(_bytes(blobs.path(sha256)) for sha256 in blobs.iter_ids()),
        "journal": _bytes(store.journal.path),
    }


def _index_bytes(store: Store, database: Database) -> dict[str, int]:
    """What follows from the record and can be made anew."""
    files = [path for path in (store.root / _CACHE).rglob("*") if path.is_file()]
    search = sum(_bytes(path) for path in files if path.name.startswith("search"))
    found = {"search": search, "cache": sum(map(_bytes, files)) - search}
    if not isinstance(database, SqliteDatabase):
        query = (
            "SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class "
            "WHERE relkind = 'r' AND pg_table_is_visible(oid) AND starts_with(relname, 'search_')"
        )
        found["search"] += int(database.rows(query)[0][0])
    return {name: size for name, size in found.items() if size}


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
