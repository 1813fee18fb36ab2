"""How records are bound: rows into their transaction, transactions into a chain, the chain into Merkle roots.

A transaction's *digest* is the SHA-256 over all of its rows, table by table in the order of `TABLES`, row by row in
the order of the table's key, each as one line of JSON with every column. Its *leaf* is the RFC 6962 leaf hash of the
canonical JSON of ``{created, digest, prev, tx}``, where ``prev`` is the leaf of the transaction before (64 zeros for
the first). The CRC-32 of each row is kept beside: it proves nothing, it tells `verify` which row it was.
"""

from __future__ import annotations

import array
import hashlib
import sys
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from replay.identity import canonical_json
from replay.merkle import grow, leaf_hash, root_of
from replay.store.interface import Row

TABLES: dict[str, tuple[str, str]] = {
    "nodes": ("id, uid, kind, type, name, identity, attrs, evidence, tx", "id"),
    "edges": ("younger, older, type, role, attrs, evidence, late, tx", "younger, older, type, role"),
    "facets": ("id, node, key, value, evidence, action, tx", "id"),
    "model_versions": ("name, version, node, tx", "name, version"),
    "blobs": ("sha256, size, tx", "sha256"),
}
"""Of each table: its columns, and its key."""

FIRST = bytes(32)
_LINES = msgspec.json.Encoder()


class Entry(NamedTuple):
    """A transaction as recorded."""

    tx: int
    created: str
    digest: bytes
    sums: bytes
    leaf: bytes


class Checkpoint(NamedTuple):
    """A Merkle root over the first ``size`` transactions."""

    size: int
    root: bytes
    frontier: bytes
    created: str


def digest_of(lines: Mapping[str, bytes]) -> bytes:
    """The digest of a transaction, from the lines of each table."""
    digest = hashlib.sha256()
    for table in TABLES:
        digest.update(f"{table} {len(lines[table])}\n".encode())
        digest.update(lines[table])
    return digest.digest()


def lines_of(rows: Sequence[Row]) -> bytes:
    """Rows as lines of JSON; bytes are base64."""
    return _LINES.encode_lines(rows)


def seal(tx: int, created: str, prev: bytes, rows: Mapping[str, Sequence[Row]]) -> Entry:
    """The record of a transaction.

    Args:
        tx: Its number, one more than that of the one before.
        created: When, in UTC (ISO 8601), not before the one before.
        prev: The leaf of the one before.
        rows: Of each table its new rows, ordered by key.
    """
    lines = {table: lines_of(rows.get(table, ())) for table in TABLES}
    whole = digest_of(lines)
    return Entry(tx, created, whole, pack(lines), leaf_of(tx, created, whole, prev))


def sums_of(lines: bytes) -> bytes:
    """The CRC-32 of each line, 4 bytes each, in network order."""
    found = array.array("I", map(zlib.crc32, lines.split(b"\n")[:-1]))  # JSON has no other line ends
    if sys.byteorder == "little":
        found.byteswap()
    return found.tobytes()


def pack(lines: Mapping[str, bytes]) -> bytes:
    """The checksums of all rows of a transaction, table by table, each with its length before it."""
    return b"".join(len(part).to_bytes(4) + part for part in map(sums_of, (lines[table] for table in TABLES)))


def unpack(sums: bytes) -> dict[str, list[bytes]]:
    """Of each table the checksums of its rows.

    Raises:
        ValueError: ``sums`` was not made by `pack`.
    """
    found, place = {}, 0
    for table in TABLES:
        size = int.from_bytes(sums[place : place + 4])
        part = sums[place + 4 : place + 4 + size]
        if len(part) != size or size % 4:
            raise ValueError("the row checksums are cut off")
        found[table] = unpack_one(part)
        place += 4 + size
    if place != len(sums):
        raise ValueError("the row checksums go on too long")
    return found


def unpack_one(part: bytes) -> list[bytes]:
    """The checksums of one table's rows, as `sums_of` made them."""
    return [part[at : at + 4] for at in range(0, len(part), 4)]


def leaf_of(tx: int, created: str, digest: bytes, prev: bytes) -> bytes:
    """The leaf hash of a transaction."""
    return leaf_hash(canonical_json({"created": created, "digest": digest.hex(), "prev": prev.hex(), "tx": tx}))


def checkpoint_after(last: Checkpoint | None, leaves: Iterable[bytes], created: str) -> Checkpoint:
    """The checkpoint after some more leaves."""
    packed = last.frontier if last else b""
    frontier = [packed[at : at + 32] for at in range(0, len(packed), 32)]
    grown, size = grow(frontier, last.size if last else 0, leaves)
    return Checkpoint(size, root_of(grown), b"".join(grown), created)
