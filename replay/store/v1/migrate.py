"""From the file of release 0.1 to today's: checked, written beside, compared, and only then given the name."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import msgspec

from replay.errors import StoreBusyError, StoreCorruptError, StoreError
from replay.progress import Progress
from replay.store import backends, building, fsops, sqlite
from replay.store.findings import Finding
from replay.store.journal import Journal
from replay.store.sqlite import SqliteDatabase
from replay.store.sqlite_errors import translated
from replay.store.v1 import audit, tables
from replay.store.v1.compare import differences
from replay.store.v1.convert import Counts, convert
from replay.store.verify_chain import check as check_chain
from replay.store.verify_rows import check as check_rows

KEPT = "lineage.v1.db"
"""The old file's name from then on."""
MIGRATED = "migrated"
"""The action of the journal's line about it."""
WAIT_MS = 5_000
_NAMED = 20


class Migrated(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the file of release 0.1."""

    counts: Counts
    sha256: str
    """Of the old file as it is kept."""
    kept: Path


def look(root: Path) -> dict[str, int]:
    """Check the old file and count its rows; nothing is changed.

    Raises:
        StoreCorruptError: It is not as it was written; the message names what is wrong.
    """
    file = root / backends.FILE
    with contextlib.closing(sqlite.connect(file, query="mode=ro")) as old, translated(file):
        old.execute("BEGIN")
        _require_good(file, audit.check(old, Journal(root / "journal.jsonl")))
        names = ("transactions", *tables.TABLES)
        return {name: old.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}


def migrate(root: Path, progress: Progress) -> Migrated:
    """Put today's file in the old one's place, which is kept as `KEPT`.

    Whoever kills it leaves the old file in its place, or the new one.

    Raises:
        StoreCorruptError: The old file is not as it was written; the message names what is wrong.
        StoreBusyError: Another process uses it.
        StoreError: Something else has the name `KEPT`, or the disk is full, not writable, or failed.
    """
    file, kept = root / backends.FILE, root / KEPT
    with building.beside(file) as work:
        _require_free(kept, file)
        with _alone(file) as (old, sha256):
            counts = _write(old, root, work / backends.FILE, progress)
            fsops.add_name(file, kept)
            fsops.move(work / backends.FILE, file)
    return Migrated(counts=counts, sha256=sha256, kept=kept)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file."""
    with fsops.guard(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_told(journal: Journal, sha256: str) -> bool:
    """Whether the journal tells of the migration of this file."""
    return any(record.action == MIGRATED and record.fields.get("sha256") == sha256 for record in journal.records())


def _write(old: sqlite3.Connection, root: Path, new: Path, progress: Progress) -> Counts:
    """Make the new file; it is complete, checked and closed at the end."""
    task = "check the old file"
    progress.started(task)
    _require_good(root / backends.FILE, audit.check(old, Journal(root / "journal.jsonl")))
    progress.finished(task)
    task = "write the new one"
    progress.started(task)
    backends.make_file(new)
    with contextlib.closing(SqliteDatabase(new)) as database:
        with database.loading() as cursor, translated(root / backends.FILE):
            counts = convert(old, cursor)
        progress.finished(task, f"{counts.nodes} nodes, {counts.edges} edges")
        task = "compare both"
        progress.started(task)
        with database.auditing(), translated(root / backends.FILE):
            found = [*differences(old, database), *check_chain(database, set()), *check_rows(database)]
    if found:
        raise StoreError(
            f"{root / backends.FILE}: the new file would not hold the same: {_named(found)}",
            hint="nothing was changed; please report this",
        )
    progress.finished(task)
    return counts


@contextlib.contextmanager
def _alone(file: Path) -> Iterator[tuple[sqlite3.Connection, str]]:
    """The old file with all of its log in it, which nobody else can read or write, and its SHA-256."""
    with contextlib.ExitStack() as stack:
        with fsops.guard(file):  # closed after the connection: closing a file lets go of this process's locks on it
            whole = stack.enter_context(file.open("rb"))
        connection = stack.enter_context(contextlib.closing(sqlite.connect(file, write=True)))
        with translated(file):
            try:
                connection.execute(f"PRAGMA busy_timeout = {WAIT_MS}")
                if connection.execute("PRAGMA journal_mode = DELETE").fetchone() != ("delete",):
                    raise _busy(file)
                connection.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                    raise _busy(file) from error
                raise
        with fsops.guard(file):
            sha256 = hashlib.file_digest(whole, "sha256").hexdigest()
        yield connection, sha256


def _busy(file: Path) -> StoreBusyError:
    return StoreBusyError(f"{file}: another process uses it", hint="end it, then run the same command again")


def _require_free(kept: Path, file: Path) -> None:
    if kept.exists() and not kept.samefile(file):
        raise StoreError(
            f"{kept}: is there already, and is not {file.name}",
            hint="it is the old file of an earlier migration: move it away",
        )


def _require_good(file: Path, findings: list[Finding]) -> None:
    if findings:
        raise StoreCorruptError(
            f"{file}: is not as release 0.1 wrote it: {_named(findings)}",
            hint="bring file and journal back from a backup; nothing was changed",
        )


def _named(findings: list[Finding]) -> str:
    first = [f"{finding.place}: {finding.problem}" for finding in findings[:_NAMED]]
    more = len(findings) - len(first)
    return "; ".join(first) + (f"; and {more} more" if more else "")
