"""The audit of a store: everything that was kept is hashed again and held against what was recorded."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from replay.errors import ReplayError
from replay.identity import canonical_json
from replay.lineage import Evidence, Kind, Node
from replay.store import rows, sqlite
from replay.store.blobs import Blobs
from replay.store.database import Store
from replay.store.findings import Finding
from replay.store.journal import Journal

_BAD = (ReplayError, msgspec.MsgspecError, ValueError, TypeError, AttributeError, sqlite3.Error, OSError)
_Check = Callable[[], Iterator[Finding]]


def verify_store(store: Store) -> list[Finding]:
    """Check blobs, journal and database; name each bad object and go on. Never raises on bad data.

    Blobs are hashed again and looked for. The journal's chain is followed. Every node's uid is computed again,
    every edge must have both its ends, versions must have no holes, and the digest of every transaction must be the
    one in the journal, which binds each row of the database. Not noticed: journal *and* database rewritten together,
    or both cut back to the same earlier state; for that, keep the journal's last line elsewhere.
    """
    findings: list[Finding] = []
    with contextlib.ExitStack() as stack:
        try:
            database = stack.enter_context(contextlib.closing(sqlite.connect(store.database)))
            database.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            with store.journal.locked():  # between the journal and this snapshot no transaction can end
                database.execute("BEGIN")
                database.execute("SELECT count(*) FROM transactions").fetchone()
                findings += _section("journal", lambda: iter(store.journal.verify()))
                recorded = _recorded_transactions(store.journal)
        except _BAD as error:
            findings.append(Finding(place=str(store.database), problem=str(error)))
            findings += _section("blobs", lambda: _blob_files(store.blobs))
            return findings
        findings += _section("database", lambda: _integrity(database))
        digests: dict[int, list[str]] = defaultdict(list)
        for name in _QUERIES:
            findings += _section(f"table {name}", functools.partial(_table, database, name, digests))
        findings += _section("table identities", lambda: _identities(database))
        findings += _section("table model_versions", lambda: _version_holes(database))
        findings += _section("table transactions", lambda: _transactions(database, digests, recorded))
        findings += _section("table blobs", lambda: _blobs_there(database, store.blobs))
    findings += _section("blobs", lambda: _blob_files(store.blobs))
    return findings


def _section(place: str, check: _Check) -> list[Finding]:
    """All that ``check`` finds, and what stopped it."""
    findings: list[Finding] = []
    try:
        for finding in check():
            findings.append(finding)  # not extend: what was found before it stopped counts
    except _BAD as error:
        findings.append(Finding(place=place, problem=f"cannot be read on: {error}"))
    return findings


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


def _blobs_there(database: sqlite3.Connection, blobs: Blobs) -> Iterator[Finding]:
    for raw, size in database.execute("SELECT sha256, size FROM blobs"):
        with _row() as problems:
            if not blobs.has(raw.hex()):
                problems.append("is gone, expected its file")
            elif (actual := blobs.size(raw.hex())) != size:
                problems.append(f"got {actual} bytes, expected {size}")
        yield from (Finding(place=f"blob {_hex(raw)}", problem=p) for p in problems)


def _recorded_transactions(journal: Journal) -> dict[int, str]:
    """Number and digest of each journaled transaction; the last entry counts (see `writes.Writer.transaction`)."""
    entries = [record.fields for record in journal.records() if record.action == "transaction"]
    return {entry["tx"]: str(entry.get("digest")) for entry in entries if isinstance(entry.get("tx"), int)}


def _integrity(database: sqlite3.Connection) -> Iterator[Finding]:
    for (answer,) in database.execute("PRAGMA integrity_check"):
        if answer != "ok":
            yield Finding(place="database", problem=answer)
    for table, row, parent, _ in database.execute("PRAGMA foreign_key_check"):
        yield Finding(place=f"table {table}", problem=f"row {row} names a row of {parent} that is not there")


_QUERIES = {
    "nodes": "SELECT tx, uid, kind, name, identity, attrs, evidence FROM nodes",
    "edges": (
        "SELECT e.tx, y.uid, o.uid, e.type, e.role, e.attrs FROM edges e "
        "LEFT JOIN nodes y ON y.id = e.younger LEFT JOIN nodes o ON o.id = e.older"
    ),
    "model_versions": (
        "SELECT v.tx, v.name, v.version, n.uid, n.kind FROM model_versions v LEFT JOIN nodes n ON n.id = v.node"
    ),
    "alias_moves": "SELECT tx, name, alias, version FROM alias_moves",
    "blobs": "SELECT tx, sha256, size FROM blobs",
}


def _table(database: sqlite3.Connection, name: str, digests: dict[int, list[str]]) -> Iterator[Finding]:
    """Check each row by itself, and collect its digest under its transaction."""
    for tx, *row in database.execute(_QUERIES[name]):
        place = f"{name.removesuffix('s').replace('_', ' ')} {' '.join(_hex(field) for field in row[:3])}"
        with _row() as problems:
            digest, found = _CHECKS[name](*row)
            digests[tx].append(digest)
            problems += found
        yield from (Finding(place=place, problem=problem) for problem in problems)


def _check_node(uid: bytes, kind: str, name: str, identity: str, attrs: str, evidence: str) -> tuple[str, list[str]]:
    decoded = msgspec.json.decode(identity, type=dict[str, str])
    node = Node(kind=Kind(kind), identity=decoded, evidence=Evidence(evidence))
    problems = [] if node.uid == uid.hex() else [f"got an identity whose uid is {node.uid}"]
    if canonical_json(msgspec.json.decode(attrs)).decode() != attrs:
        problems.append("got attrs that are no canonical JSON")
    return rows.node_digest(uid.hex(), kind, name, identity, attrs, evidence), problems


def _check_edge(
    younger: bytes | None, older: bytes | None, type_: str, role: str, attrs: str
) -> tuple[str, list[str]]:
    problems = [f"its {which} end is no node" for which, end in (("younger", younger), ("older", older)) if end is None]
    return rows.edge_digest(_hex(younger), _hex(older), type_, role, attrs), problems


def _check_version(name: str, version: int, uid: bytes | None, kind: str | None) -> tuple[str, list[str]]:
    problems = [] if kind == Kind.MODEL_VERSION else [f"got a node of kind {kind}, expected {Kind.MODEL_VERSION}"]
    return rows.version_digest(name, version, _hex(uid)), problems


def _check_alias(name: str, alias: str, version: int) -> tuple[str, list[str]]:
    return rows.alias_digest(name, alias, version), []


def _check_blob(sha256: bytes, size: int) -> tuple[str, list[str]]:
    return rows.blob_digest(sha256.hex(), size), []


_CHECKS: dict[str, Callable[..., tuple[str, list[str]]]] = {
    "nodes": _check_node,
    "edges": _check_edge,
    "model_versions": _check_version,
    "alias_moves": _check_alias,
    "blobs": _check_blob,
}


def _identities(database: sqlite3.Connection) -> Iterator[Finding]:
    """The look-up table must say exactly what the nodes' identities say."""
    listed: dict[int, dict[str, str]] = defaultdict(dict)
    for key, value, node in database.execute("SELECT key, value, node FROM identities"):
        listed[node][key] = value
    for number, uid, identity in database.execute("SELECT id, uid, identity FROM nodes"):
        with _row() as problems:
            if listed.pop(number, {}) != msgspec.json.decode(identity, type=dict[str, str]):
                problems.append("got look-up rows that are not its identity")
        yield from (Finding(place=f"node {_hex(uid)}", problem=problem) for problem in problems)
    for number in listed:
        yield Finding(place=f"identity of node {number}", problem="its node is not there")


def _version_holes(database: sqlite3.Connection) -> Iterator[Finding]:
    query = "SELECT name, count(*), max(version), min(version) FROM model_versions GROUP BY name"
    for name, count, newest, oldest in database.execute(query):
        if (oldest, newest) != (1, count):
            yield Finding(place=f"model {name}", problem=f"got {count} versions up to {newest}, expected 1 to {newest}")


def _transactions(
    database: sqlite3.Connection, digests: dict[int, list[str]], recorded: dict[int, str]
) -> Iterator[Finding]:
    newest = 0
    for tx, raw in database.execute("SELECT tx, digest FROM transactions ORDER BY tx"):
        place, newest = f"transaction {tx}", tx
        actual = rows.transaction_digest(digests.pop(tx, []))
        if _hex(raw) != recorded.get(tx):
            yield Finding(place=place, problem=f"got digest {_hex(raw)}, the journal has {recorded.get(tx)}")
        if actual != _hex(raw):
            yield Finding(place=place, problem=f"got rows with digest {actual}, expected {_hex(raw)}")
    for tx in digests:
        yield Finding(place=f"transaction {tx}", problem="has rows and was never ended")
    # One number beyond the newest is a writer killed between its journal record and its commit.
    for tx in sorted(set(recorded) - set(range(newest + 2))):
        yield Finding(place=f"transaction {tx}", problem="is in the journal and gone from the database")


@contextlib.contextmanager
def _row() -> Iterator[list[str]]:
    """Collects the problems of one row; bad data in it is one of them."""
    problems: list[str] = []
    try:
        yield problems
    except _BAD as error:
        problems.append(f"bad data: {error}")


def _hex(field: Any) -> str:
    return field.hex() if isinstance(field, bytes) else str(field)
