"""The audit of a store: everything that was kept is hashed again and held against what was recorded."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator

import msgspec

from replay.errors import ReplayError
from replay.store import verify_chain, verify_rows
from replay.store.blobs import Blobs
from replay.store.database import Store
from replay.store.findings import Finding
from replay.store.interface import Database
from replay.store.journal import Journal

BAD = (ReplayError, msgspec.MsgspecError, ValueError, TypeError, AttributeError, KeyError, sqlite3.Error, OSError)
_Check = Callable[[], Iterator[Finding]]


def verify_store(store: Store) -> list[Finding]:
    """Check blobs, journal and database; name each bad object and go on. Never raises on bad data.

    Blobs are hashed again and looked for. The journal's chain is followed. Of the database, every row is hashed into
    its transaction, every transaction into the chain, and the chain into every checkpoint, those in the journal too;
    every node's uid is computed again, every edge must have both its ends, versions must have no holes. Not noticed:
    journal *and* database rewritten together, or both cut back to the same earlier state; for that, keep the
    journal's last line elsewhere.
    """
    findings: list[Finding] = []
    database = store.database
    try:
        with database.snapshot():
            database.rows("SELECT count(*) FROM meta")  # from here on one state, that of the journal or a later one
            findings += section("journal", lambda: iter(store.journal.verify()))
            noted = _noted(store.journal)
            for place, check in (
                ("database", lambda: _integrity(database)),
                ("chain", lambda: verify_chain.check(database, noted)),
                ("rows", lambda: verify_rows.check(database)),
                ("blobs", lambda: _blobs_there(database, store.blobs)),
            ):
                findings += section(place, check)
    except BAD as error:
        findings.append(Finding(place=database.place, problem=str(error)))
    findings += section("blobs", lambda: _blob_files(store.blobs))
    return findings


def section(place: str, check: _Check) -> list[Finding]:
    """All that ``check`` finds, and what stopped it."""
    findings: list[Finding] = []
    try:
        for finding in check():
            findings.append(finding)  # not extend: what was found before it stopped counts
    except BAD as error:
        findings.append(Finding(place=place, problem=f"cannot be read on: {error}"))
    return findings


def _noted(journal: Journal) -> dict[int, str]:
    """The checkpoints in the journal: size → root."""
    fields = [record.fields for record in journal.records()]
    return {one["size"]: str(one.get("root")) for one in fields if isinstance(one.get("size"), int) and one["size"]}


def _blob_files(blobs: Blobs) -> Iterator[Finding]:
    known = set()
    for sha256 in blobs.iter_ids():
        known.add(blobs.path(sha256))
        try:
            blobs.verify(sha256)
        except ReplayError as error:
            yield Finding(place=f"blob {sha256}", problem=str(error))
    for path in sorted((blobs.root / "sha256").glob("*/*")):
        if path not in known:
            yield Finding(place=str(path), problem="got a file that is no blob, expected none here")


def _blobs_there(database: Database, blobs: Blobs) -> Iterator[Finding]:
    for raw, size in database.rows("SELECT sha256, size FROM blobs"):
        place, problem = f"blob {raw.hex() if isinstance(raw, bytes) else raw}", ""
        try:
            if not blobs.has(raw.hex()):
                problem = "is gone, expected its file"
            elif (actual := blobs.size(raw.hex())) != size:
                problem = f"got {actual} bytes, expected {size}"
        except BAD as error:
            problem = f"bad data: {error}"
        if problem:
            yield Finding(place=place, problem=problem)


def _integrity(database: Database) -> Iterator[Finding]:
    """What SQLite says of its own file; PostgreSQL checks its pages itself."""
    with contextlib.suppress(AttributeError):
        raw: sqlite3.Connection = database.raw()  # type: ignore[attr-defined]
        for (answer,) in raw.execute("PRAGMA integrity_check"):
            if answer != "ok":
                yield Finding(place="database", problem=answer)
        for table, row, parent, _ in raw.execute("PRAGMA foreign_key_check"):
            yield Finding(place=f"table {table}", problem=f"row {row} names a row of {parent} that is not there")
