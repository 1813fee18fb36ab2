"""How far a store goes: its newest transaction, which by its leaf stands for all before it."""

from __future__ import annotations

from typing import NamedTuple

from replay import merkle
from replay.store import chain
from replay.store.interface import Reads


class Head(NamedTuple):
    """The newest transaction; number 0 in an empty store."""

    tx: int
    leaf: bytes


def head(database: Reads) -> Head:
    """The newest transaction."""
    found = database.rows("SELECT tx, leaf FROM transactions ORDER BY tx DESC LIMIT 1")
    return Head(*found[0]) if found else Head(0, chain.FIRST)


def leaf(database: Reads, tx: int) -> bytes | None:
    """The leaf of a transaction; ``None`` when there is none of this number."""
    if not tx:
        return chain.FIRST
    found = database.rows("SELECT leaf FROM transactions WHERE tx = ?", (tx,))
    return bytes(found[0][0]) if found else None


def root(database: Reads) -> str:
    """The Merkle root over all leaves, in hex."""
    return merkle.root(row[0] for row in database.stream("SELECT leaf FROM transactions ORDER BY tx")).hex()


def count(database: Reads, table: str) -> int:
    """The rows of a table."""
    (found,) = database.stream(f"SELECT count(*) FROM {table}")
    return int(found[0])
