"""The lineage database as release 0.1 wrote it: SQLite, with ``PRAGMA user_version = 1`` and no alembic.

Its nodes had the SHA-256 of their identity as uid; each transaction's digest over its rows stood in the database and,
before it was committed, in the journal. What is hashed of each row is frozen here.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from replay.identity import canonical_json, sha256_hex
from replay.store import sqlite
from replay.store.interface import Row
from replay.store.sqlite_errors import translated

VERSION = 1
TRANSACTION = "transaction"
"""The action of the journal's lines that bind a transaction."""
TABLES = {
    "nodes": "SELECT tx, id, uid, kind, name, identity, attrs, evidence FROM nodes ORDER BY tx, id",
    "edges": "SELECT tx, younger, older, type, role, attrs FROM edges ORDER BY tx, younger, older, type, role",
    "model_versions": "SELECT tx, name, version, node FROM model_versions ORDER BY tx, name, version",
    "alias_moves": "SELECT tx, name, alias, version FROM alias_moves ORDER BY tx, id",
    "blobs": "SELECT tx, sha256, size FROM blobs ORDER BY tx, sha256",
}


class Written(NamedTuple):
    """What one transaction wrote: of each table its rows, without their ``tx``."""

    tx: int
    created: str
    rows: dict[str, list[Row]]


def is_version_1(path: Path) -> bool:
    """Whether the file is such a database.

    Raises:
        StoreError: It cannot be read.
    """
    with contextlib.closing(sqlite.connect(path, query="mode=ro")) as connection, translated(path):
        return describes_itself(connection)


def describes_itself(connection: sqlite3.Connection) -> bool:
    """Whether an open database says that it is one."""
    told = [connection.execute(f"PRAGMA {word}").fetchone()[0] for word in ("application_id", "user_version")]
    return told == [sqlite.APPLICATION_ID, VERSION]


def written(connection: sqlite3.Connection) -> Iterator[Written]:
    """All transactions in their order; the database was checked before."""
    groups = {name: groupby(connection.execute(query), key=lambda row: row[0]) for name, query in TABLES.items()}
    heads = {name: next(rows, None) for name, rows in groups.items()}
    for tx, created in connection.execute("SELECT tx, created FROM transactions ORDER BY tx"):
        found: dict[str, list[Row]] = {}
        for name in TABLES:
            head = heads[name]
            mine = head is not None and head[0] == tx
            found[name] = [row[1:] for row in head[1]] if head is not None and mine else []
            if mine:
                heads[name] = next(groups[name], None)
        yield Written(tx, created, found)


def node_digest(uid: str, kind: str, name: str, identity: str, attrs: str, evidence: str) -> str:
    """Digest of a row of ``nodes``; ``identity`` and ``attrs`` are the JSON texts as kept."""
    return _digest("node", uid, kind, name, identity, attrs, evidence)


def edge_digest(younger: str, older: str, type_: str, role: str, attrs: str) -> str:
    """Digest of a row of ``edges``; its ends are uids."""
    return _digest("edge", younger, older, type_, role, attrs)


def version_digest(name: str, version: int, uid: str) -> str:
    """Digest of a row of ``model_versions``."""
    return _digest("version", name, version, uid)


def alias_digest(name: str, alias: str, version: int) -> str:
    """Digest of a row of ``alias_moves``."""
    return _digest("alias", name, alias, version)


def blob_digest(sha256: str, size: int) -> str:
    """Digest of a row of ``blobs``."""
    return _digest("blob", sha256, size)


def transaction_digest(rows: Iterable[str]) -> str:
    """Digest of all rows of one transaction, whatever their order."""
    return sha256_hex("\n".join(sorted(rows)).encode())


def _digest(*fields: Any) -> str:
    return sha256_hex(canonical_json(list(fields)))
