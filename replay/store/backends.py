"""Which database a ``.replay`` directory has, and opening or making it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from replay.errors import ConfigError, StoreCorruptError, UsageError
from replay.store import fsops
from replay.store.interface import Database

FILE = "lineage.db"
POINTER = "store.json"
"""``{"url": …}``: the lineage is in PostgreSQL; without this file it is in `FILE`."""


def open_database(root: Path, *, create: bool, url: str | None, read_only: bool) -> Database:
    """Open the database of the store in ``root``; see `database.Store.open`."""
    url = url or url_of(root)
    if url is not None:
        from replay.store.postgres import PostgresDatabase

        database = PostgresDatabase(url)
        if create:
            make_directory(root)
        return database
    from replay.store.sqlite import SqliteDatabase

    file = root / FILE
    if create and not file.exists():
        make_directory(root)
        _make_file(root, file)
    if not file.exists():
        raise UsageError(
            f"{root}: no store here, expected one with {file.name}",
            hint="`replay record` makes one; or run this inside the repository that has it",
        )
    return SqliteDatabase(file, read_only=read_only)


def url_of(root: Path) -> str | None:
    """The address of PostgreSQL that a store names.

    Raises:
        ConfigError: The file that should name it cannot be read.
    """
    pointer = root / POINTER
    if not pointer.exists():
        return None
    try:
        found = msgspec.json.decode(pointer.read_bytes())["url"]
        if not isinstance(found, str):
            raise TypeError(f"got an address of type {type(found).__name__}")  # it may hold a password: not shown
    except (OSError, ValueError, KeyError, TypeError, msgspec.DecodeError) as error:
        raise ConfigError(
            f'{pointer}: cannot be read ({error}), expected {{"url": "postgresql://…"}}',
            hint="`replay store init URL` writes it",
        ) from error
    return found


def point_to(root: Path, url: str) -> None:
    """Let the store in ``root`` have its lineage at ``url`` from now on."""
    fsops.write_bytes(root / POINTER, msgspec.json.encode({"url": url}) + b"\n", mode=0o600)


def make_directory(root: Path) -> None:
    """Make the ``.replay`` directory, which Git is to ignore."""
    fsops.make_dir(root)
    if not (root / ".gitignore").exists():
        fsops.write_bytes(root / ".gitignore", b"*\n")


def _make_file(root: Path, file: Path) -> None:
    with fsops.lock(root / "create.lock"):
        if file.exists():  # another process was faster
            return
        if (journal := root / "journal.jsonl").exists():
            raise StoreCorruptError(
                f"{file}: is gone, but {journal} tells of transactions in it",
                hint=f"bring it back from a backup, or move {root} away to start anew",
            )
        fsops.sweep(root)
        make_file(file)


def make_file(file: Path) -> None:
    """Make an empty lineage database, which must not be there; nobody ever sees a half-made one.

    Raises:
        StoreError: The disk is full, not writable, or failed.
    """
    from replay.store import migrating, sqlite
    from replay.store.sqlite_errors import translated

    with fsops.temporary(file.parent) as (temp, fd):
        with contextlib.closing(sqlite.connect(temp, write=True)) as raw:
            migrating.upgrade_sqlite(raw, file)
        with contextlib.closing(sqlite.connect(temp, write=True)) as raw, translated(file):
            raw.execute("PRAGMA journal_mode = WAL")  # stays with the file
        fsops.publish(temp, fd, file, mode=0o644)
