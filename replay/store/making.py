"""Making a store, or joining one that is there: the tables, and what a ``.replay`` folder names as its database."""

from __future__ import annotations

import contextlib
from pathlib import Path

import msgspec

from replay.errors import UsageError
from replay.store import backends, chain, fsops, standing
from replay.store.addresses import require_address
from replay.store.database import Store
from replay.store.heads import Head, head, leaf
from replay.store.interface import REVISION, Database
from replay.store.journal import Journal
from replay.store.sqlite import SqliteDatabase
from replay.store.standing import State

INIT = "init"
"""The action of the journal's line about it."""


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What is there now, and what of it is new."""

    place: str
    store: str
    revision: str
    transactions: int
    made: bool
    """Its tables were made just now."""
    pointed: bool
    """The folder names this database since just now."""
    root: str
    """The folder."""


def init_file(root: Path) -> Made:
    """An SQLite store in ``root``, unless it has a store already; then what it has.

    Raises:
        StoreError: The disk is full, not writable, or failed; or what is there cannot be used.
    """
    made = backends.url_of(root) is None and not (root / backends.FILE).exists()
    with Store.open(root, create=True) as store:
        if made:
            store.note(INIT, store=store.id, place=backends.FILE)
        return _told(store, made=made, pointed=False)


def init_server(root: Path, url: str, *, point: bool = True) -> Made:
    """The tables in the PostgreSQL database at ``url``, and ``root`` names it from now on.

    Args:
        root: The ``.replay`` folder; made when it is missing.
        url: The address, without a password.
        point: Whether the folder is to name it; not where a setting does.

    Raises:
        UsageError: The address has a password; the database is another program's; or what this folder recorded so
            far is not in it.
        StoreError: No server answers, it refuses, or its tables are of another revision.
    """
    from replay.store import migrating
    from replay.store.postgres import PostgresDatabase

    found = standing.of_server(require_address(url))
    made = found.state is State.EMPTY
    if not made:
        found.require_current()
    elif (recorded := _recorded_in(root)) is not None:
        raise UsageError(f"{found.place}: is empty, but {recorded} tells of transactions", hint=_copy_first(root, url))
    else:
        migrating.upgrade_postgres(url)
    with contextlib.closing(PostgresDatabase(url)) as database:
        _require_continued(root, database, _copy_first(root, url))
    pointed = point and backends.url_of(root) != url
    backends.make_directory(root)
    if pointed:
        backends.point_to(root, url)
    with Store.open(root, url=url) as store:
        if made or pointed:
            store.note(INIT, store=store.id, place=found.place)
        return _told(store, made=made, pointed=pointed)


def come_back(root: Path) -> Made:
    """Let ``root``, which names a PostgreSQL database, have its SQLite file again.

    Raises:
        UsageError: The file lacks what was recorded since.
    """
    url = backends.url_of(root)
    if url is None:
        return init_file(root)
    file = root / backends.FILE
    if not file.exists():
        raise UsageError(f"{file}: is not there", hint=f"`replay store copy {url} {file}` makes it")
    with contextlib.closing(SqliteDatabase(file)) as database:
        _require_newest(database, url, file)
    fsops.remove_tree(root / backends.POINTER)
    fsops.sync_directory(root)
    with Store.open(root) as store:
        store.note(INIT, store=store.id, place=backends.FILE)
        return _told(store, made=False, pointed=True)


def _told(store: Store, *, made: bool, pointed: bool) -> Made:
    with store.reading() as database:
        tx, place = head(database).tx, database.place
    return Made(
        place=place,
        store=store.id,
        revision=REVISION,
        transactions=tx,
        made=made,
        pointed=pointed,
        root=str(store.root),
    )


def _recorded_in(root: Path) -> str | None:
    """What tells that something was recorded here, if anything does."""
    if _noted(root):
        return str(root / "journal.jsonl")
    return str(root / backends.FILE) if _head_of_file(root).tx else None


def _require_continued(root: Path, database: Database, hint: str) -> None:
    """What this folder recorded so far must be in the database that it is to name.

    Raises:
        UsageError: It is not.
    """
    noted = _noted(root)
    if noted:
        size, hexed = noted
        kept = database.rows("SELECT root FROM checkpoints WHERE size = ?", (size,))
        if not kept or kept[0][0].hex() != hexed:
            raise UsageError(
                f"{database.place}: lacks the checkpoint of {size} transactions that {root / 'journal.jsonl'} tells of",
                hint=hint,
            )
    here = _head_of_file(root)
    if leaf(database, here.tx) != here.leaf:
        raise UsageError(f"{database.place}: lacks transactions that {root / backends.FILE} holds", hint=hint)


def _head_of_file(root: Path) -> Head:
    """How far the SQLite file goes in which this folder has its lineage, if it has it in one."""
    file = root / backends.FILE
    if backends.url_of(root) is not None or not file.exists():
        return Head(0, chain.FIRST)
    standing.of_file(file).require_current()
    with contextlib.closing(SqliteDatabase(file, read_only=True)) as database:
        return head(database)


def _require_newest(database: SqliteDatabase, url: str, file: Path) -> None:
    from replay.store.postgres import PostgresDatabase

    with contextlib.closing(PostgresDatabase(url)) as other:
        ours, theirs, place = head(database), head(other), other.place
    if ours != theirs:
        raise UsageError(
            f"{file}: has {ours.tx} transactions, {place} has {theirs.tx}",
            hint=f"`replay store copy {url} {file}` brings what it lacks",
        )


def _noted(root: Path) -> tuple[int, str] | None:
    """Size and root of the newest checkpoint that the folder's journal tells of."""
    for record in reversed(Journal(root / "journal.jsonl").records()):
        size, hexed = record.fields.get("size"), record.fields.get("root")
        if isinstance(size, int) and size and isinstance(hexed, str):
            return size, hexed
    return None


def _copy_first(root: Path, url: str) -> str:
    return f"`replay store copy {root} {url}` brings it there; then run this again"
