"""Is a database of release 0.1 as it was written? The checks that its own ``replay verify`` made."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from replay.errors import ReplayError
from replay.identity import canonical_json, sha256_hex
from replay.lineage import EdgeType, Evidence, Kind
from replay.store.findings import Finding
from replay.store.journal import Journal
from replay.store.v1 import tables

_BAD = (
    ReplayError, msgspec.MsgspecError, ValueError, TypeError, AttributeError, KeyError, RecursionError, sqlite3.Error,
)  # fmt: skip
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


def check(database: sqlite3.Connection, journal: Journal) -> list[Finding]:
    """Check journal and database, each row too; name each bad object and go on. Never raises on bad data.

    Nobody writes meanwhile. Every node's uid is computed again, every edge must have both its ends, versions must
    have no holes, and the digest of every transaction must be the one in the journal.
    """
    database.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    digests: dict[int, list[str]] = defaultdict(list)
    recorded: dict[int, str] = {}
    findings = _section("journal", lambda: iter(journal.verify()))
    with contextlib.suppress(ReplayError):  # which was found already
        recorded = _recorded(journal)
    findings += _section("database", lambda: _integrity(database))
    for name in _QUERIES:
        findings += _section(f"table {name}", functools.partial(_table, database, name, digests))
    findings += _section("table identities", lambda: _identities(database))
    findings += _section("table model_versions", lambda: _version_holes(database))
    findings += _section("table transactions", lambda: _transactions(database, digests, recorded))
    database.text_factory = str
    return findings


def _section(place: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    findings: list[Finding] = []
    try:
        for finding in check():
            findings.append(finding)  # not extend: what was found before it stopped counts
    except _BAD as error:
        findings.append(Finding(place=place, problem=f"cannot be read on: {error}"))
    return findings


def _recorded(journal: Journal) -> dict[int, str]:
    """Number and digest of each journaled transaction; the last line counts, for one before it was never committed."""
    lines = [record.fields for record in journal.records() if record.action == tables.TRANSACTION]
    return {line["tx"]: str(line.get("digest")) for line in lines if isinstance(line.get("tx"), int)}


def _integrity(database: sqlite3.Connection) -> Iterator[Finding]:
    for (answer,) in database.execute("PRAGMA integrity_check"):
        if answer != "ok":
            yield Finding(place="database", problem=answer)
    for table, row, parent, _ in database.execute("PRAGMA foreign_key_check"):
        yield Finding(place=f"table {table}", problem=f"row {row} names a row of {parent} that is not there")


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
    Kind(kind), Evidence(evidence)
    problems = []
    actual = sha256_hex(canonical_json(msgspec.json.decode(identity, type=dict[str, str])))
    if actual != uid.hex():
        problems.append(f"got an identity whose uid is {actual}")
    if canonical_json(msgspec.json.decode(attrs)).decode() != attrs:
        problems.append("got attrs that are no canonical JSON")
    return tables.node_digest(uid.hex(), kind, name, identity, attrs, evidence), problems


def _check_edge(younger: bytes | None, older: bytes | None, type_: str, role: str, attrs: str) -> tuple[str, list[str]]:
    EdgeType(type_)
    problems = [f"its {which} end is no node" for which, end in (("younger", younger), ("older", older)) if end is None]
    return tables.edge_digest(_hex(younger), _hex(older), type_, role, attrs), problems


def _check_version(name: str, version: int, uid: bytes | None, kind: str | None) -> tuple[str, list[str]]:
    problems = [] if kind == Kind.MODEL_VERSION else [f"got a node of kind {kind}, expected {Kind.MODEL_VERSION}"]
    return tables.version_digest(name, version, _hex(uid)), problems


def _check_alias(name: str, alias: str, version: int) -> tuple[str, list[str]]:
    return tables.alias_digest(name, alias, version), []


def _check_blob(sha256: bytes, size: int) -> tuple[str, list[str]]:
    return tables.blob_digest(sha256.hex(), size), []


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
        place = f"transaction {tx}"
        if tx != newest + 1:
            yield Finding(place=place, problem=f"comes after transaction {newest}: what lay between is gone")
        newest = tx
        actual = tables.transaction_digest(digests.pop(tx, []))
        if _hex(raw) != recorded.get(tx):
            yield Finding(place=place, problem=f"got digest {_hex(raw)}, the journal has {recorded.get(tx)}")
        if actual != _hex(raw):
            yield Finding(place=place, problem=f"got rows with digest {actual}, expected {_hex(raw)}")
    for tx in digests:
        yield Finding(place=f"transaction {tx}", problem="has rows and was never ended")
    # One number beyond the newest is a writer killed between its journal line and its commit.
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
