"""The audit of a store: everything that was kept is hashed again and held against what was recorded."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from replay.errors import ReplayError
from replay.progress import Progress, Silent
from replay.store import chain, verify_chain, verify_rows, verify_snapshot
from replay.store.blobs import Blobs
from replay.store.database import Store
from replay.store.findings import Finding
from replay.store.interface import Database
from replay.store.journal import Journal, Record
from replay.store.verify_forgotten import forgotten
from replay.store.writes import JOURNAL

BAD = (
    ReplayError, msgspec.MsgspecError, ValueError, TypeError, AttributeError, KeyError, RecursionError, OSError,
)  # fmt: skip
_Check = Callable[[], Iterator[Finding]]
Named = tuple[str, _Check]
"""A check, and what it is about."""


def verify_store(store: Store, progress: Progress | None = None, more: Sequence[Named] = ()) -> list[Finding]:
    """Check blobs, journal and database; name each bad object and go on. Never raises on bad data.

    Blobs are hashed again and looked for. The journal's chain is followed. Of the database, every row is hashed into
    its transaction, every transaction into the chain, and the chain into every checkpoint, those in the journal too;
    every node's uid is computed again, every edge must have both its ends, versions must have no holes. Not noticed:
    journal *and* database rewritten together, or both cut back to the same earlier state, or the journal by no more
    than its last line; for that, keep this line elsewhere.

    Args:
        store: The store.
        progress: Who watches.
        more: Further checks of the database, made in the same state of it.
    """
    database = store.database
    section = _Sections(progress or Silent())
    findings = section("journal", lambda: iter(store.journal.verify()))
    records: list[Record] = []
    with contextlib.suppress(ReplayError):  # which was found already
        records = store.journal.records()
    # What the journal tells is in the database, so that is looked at later, and in one state; for what the database
    # tells of the journal it is the other way round. Else what others write meanwhile would seem to be gone.
    try:
        with database.auditing():
            for place, check in itertools.chain(_checks(store, _noted(records)), more):
                with _apart(database):
                    findings += section(place, check)
    except BAD as error:
        findings.append(Finding(place=database.place, problem=str(error)))
    findings += section("blobs", lambda: _blob_files(store.blobs, progress or Silent()))
    return findings


class _Sections:
    """Makes one check after another."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def __call__(self, place: str, check: _Check) -> list[Finding]:
        """All that ``check`` finds, and what stopped it."""
        findings: list[Finding] = []
        self._progress.started(f"verify {place}")
        try:
            for finding in check():
                findings.append(finding)  # not extend: what was found before it stopped counts
        except BAD as error:
            findings.append(Finding(place=place, problem=f"cannot be read on: {error}"))
        self._progress.finished(f"verify {place}", f"{len(findings)} findings" if findings else "")
        return findings


def _checks(store: Store, noted: set[tuple[int, str]]) -> Iterator[Named]:
    """All checks of the database, each with what it is about."""
    database = store.database
    yield "database", lambda: _damages(database)
    lost: list[str] = []
    for table, (columns, _) in chain.TABLES.items():
        yield f"table {table}", functools.partial(_readable, database, table, columns, lost)
    yield "chain", lambda: verify_chain.check(database, noted, lost)
    yield "checkpoints", lambda: _checkpoints_there(database, noted)
    yield "snapshot", lambda: verify_snapshot.check(store.root, database)
    for table, check in verify_rows.CHECKS.items():
        if table not in lost:
            yield f"table {table}", functools.partial(check, database)
    yield "journal", lambda: _tied(database, store.journal)
    if "blobs" not in lost:
        yield "blobs", lambda: _blobs_there(database, store.blobs)


@contextlib.contextmanager
def _apart(database: Database) -> Iterator[None]:
    """A statement that fails in the body does not keep PostgreSQL from answering those after it."""
    database.rows("SAVEPOINT section")
    try:
        yield
    finally:
        database.rows("ROLLBACK TO SAVEPOINT section")


def _noted(records: list[Record]) -> set[tuple[int, str]]:
    """The checkpoints in the journal: size and root. One size may have two roots: then the database was set back."""
    fields = [record.fields for record in records]
    return {
        (one["size"], one["root"])
        for one in fields
        if type(one.get("size")) is int and isinstance(one.get("root"), str) and one["size"]
    }


def _readable(database: Database, table: str, columns: str, lost: list[str]) -> Iterator[Finding]:
    """Whether a table is there at all; else it is added to ``lost``."""
    lost.append(table)
    database.rows(f"SELECT {columns} FROM {table} LIMIT 1")
    lost.remove(table)
    return iter(())


def _checkpoints_there(database: Database, noted: set[tuple[int, str]]) -> Iterator[Finding]:
    kept = {row[0] for row in database.rows("SELECT size FROM checkpoints")}
    for size in sorted({size for size, _ in noted} - kept):
        yield Finding(place=f"checkpoint {size}", problem="is gone, expected the one that the journal tells of")


def _tied(database: Database, journal: Journal) -> Iterator[Finding]:
    """Whether the journal still has the newest record that the database was told of."""
    told = database.rows("SELECT key, value FROM meta WHERE key > ? AND key < ?", (JOURNAL, "journal!"))
    records = journal.records()
    known = {record.seq: record.hash for record in records}
    own: dict[int, str] = {}
    others: list[str] = []  # a copy of a database knows those of other folders, too
    for key, hash_ in told:
        first, _, seq = key.removeprefix(JOURNAL).partition(" ")
        if records and first == records[0].hash:
            own[int(seq)] = hash_
        else:
            others.append(first)
    if others and not own and not database.shared:
        problem = f"is not the one that the database was told of: expected a first record with the hash {others[0]}"
        yield Finding(place="journal", problem=problem)
    if own and known.get(newest := max(own)) != own[newest]:
        problem = f"got the hash {known.get(newest)}, expected {own[newest]}: it was cut back or rewritten"
        yield Finding(place=f"journal record {newest}", problem=problem)


def _blob_files(blobs: Blobs, progress: Progress) -> Iterator[Finding]:
    known: set[Path] = set()
    for sha256 in blobs.iter_ids():
        progress.advanced("verify blobs", f"{len(known)} hashed", 1)
        known.add(blobs.path(sha256))
        try:
            blobs.verify(sha256)
        except ReplayError as error:
            yield Finding(place=f"blob {sha256}", problem=str(error))
    for path in sorted((blobs.root / "sha256").glob("*/*")):
        if path not in known:
            yield Finding(place=str(path), problem="got a file that is no blob, expected none here")


def _blobs_there(database: Database, blobs: Blobs) -> Iterator[Finding]:
    dropped: dict[str, str] = {}
    try:
        with _apart(database):
            dropped = forgotten(database, blobs)
    except BAD as error:
        yield Finding(place="tombstones", problem=f"what was forgotten cannot be read: {error}")
    for raw, size in database.rows("SELECT sha256, size FROM blobs"):
        place, problem = f"blob {raw.hex() if isinstance(raw, bytes) else raw}", ""
        try:
            if why := dropped.get(raw.hex()):
                if blobs.has(raw.hex()):
                    problem = f"is here, although it was {why}; `replay forget --finish` deletes it"
            elif not blobs.has(raw.hex()):
                problem = "is gone, expected its file"
            elif (actual := blobs.size(raw.hex())) != size:
                problem = f"got {actual} bytes, expected {size}"
        except BAD as error:
            problem = f"bad data: {error}"
        if problem:
            yield Finding(place=place, problem=problem)


def _damages(database: Database) -> Iterator[Finding]:
    for place, problem in database.damages():
        yield Finding(place=place, problem=problem)
