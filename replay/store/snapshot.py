"""The whole adjacency of a store as arrays in one mapped file: for walks that meet very many nodes.

The graph is append-only, so a snapshot never becomes wrong, only old; what came later is read from the database and
kept beside it. Nodes are numbered from 1 without holes, so an array needs no keys: ``next[first[n]:first[n + 1]]`` are
the nodes one edge away from ``n``. It is derived from the database and no part of the record: its header names the
transaction and the leaf of the chain that it was made at, `verify` compares it, and it can be deleted at any time.

File: magic, length of the header, header (JSON), padding to 8 bytes, then per direction ``first`` (nodes + 2 numbers
of 32 bits) and ``next`` (one for each edge), then the raw uids, each in `WIDTH` bytes with its length first.
"""

from __future__ import annotations

import mmap
import sys
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

from replay.store.interface import Database
from replay.uid import HEX_HEADS, text_of

MAGIC = b"RPLYSNP1"
WIDTH = 34
"""Bytes for one uid: its length and up to 33 bytes."""

_Way = Literal["up", "down"]
_LATER = (
    "SELECT younger, older FROM edges WHERE younger > ? "
    "UNION ALL SELECT younger, older FROM edges WHERE late = 1 AND tx > ? AND younger <= ?"
)


class Snapshot:
    """A mapped snapshot file, and what was recorded after it was made."""

    def __init__(self, path: Path, header: dict[str, Any], data: memoryview, start: int) -> None:
        """Use `Snapshot.open`, which checks first."""
        self.path = path
        self.tx: int = header["tx"]
        self.nodes: int = header["nodes"]
        self.edges: int = header["edges"]
        self._seen_tx = self.tx
        self._later: dict[str, dict[int, list[int]]] = {"up": {}, "down": {}}
        self.later = 0
        """Edges that the file lacks."""
        self._arrays: dict[str, tuple[memoryview, memoryview]] = {}
        place = start
        for way in ("up", "down"):
            first = data[place : place + 4 * (self.nodes + 2)].cast("I")
            place += 4 * (self.nodes + 2)
            self._arrays[way] = first, data[place : place + 4 * self.edges].cast("I")
            place += 4 * self.edges
        self._uids = data[place : place + WIDTH * self.nodes]

    @classmethod
    def open(cls, path: Path, database: Database) -> Self | None:
        """The snapshot in ``path`` when it was made of this database at a state that is still in its chain."""
        try:
            with path.open("rb") as file:
                data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except (OSError, ValueError):  # none there, or an empty file
            return None
        header, start = _header(data)
        if header is None or len(data) != _size(header, start) or header["order"] != sys.byteorder:
            return None
        found = database.rows("SELECT leaf FROM transactions WHERE tx = ?", (header["tx"],))
        if not found or found[0][0].hex() != header["leaf"]:
            return None
        return cls(path, header, data, start)

    def catch_up(self, database: Database) -> None:
        """Read what was recorded since the snapshot was made, or since the last call."""
        newest = database.rows("SELECT coalesce(max(tx), 0) FROM transactions")[0][0]
        if newest == self._seen_tx:
            return
        # All later edges again rather than those of a few transactions: there is no index for that, and they are few.
        later: dict[str, dict[int, list[int]]] = {"up": {}, "down": {}}
        rows = database.rows(_LATER, (self.nodes, self.tx, self.nodes))
        for younger, older in rows:
            later["up"].setdefault(younger, []).append(older)
            later["down"].setdefault(older, []).append(younger)
        self._later, self.later, self._seen_tx = later, len(rows), newest

    def reach(self, start: int, way: _Way) -> Sequence[int]:
        """The numbers of a node and of all that is up or down from it, nearest first.

        With numpy where it is imported already (a long-lived process), else with plain Python, which a process that
        asks once cannot beat: importing numpy takes three times as long as the walk.
        """
        if "numpy" in sys.modules:
            from replay.store.snapshot_numpy import reach

            return reach(*self._arrays[way], self._later[way], start, self.nodes)
        first, following = self._arrays[way]
        later, nodes = self._later[way], self.nodes
        met = bytearray(max([nodes, start, *later, *(max(far) for far in later.values())]) + 1)
        met[start] = 1
        order = [start]
        meet = order.append
        for number in order:  # grows while it is read
            if number <= nodes:
                at, end = first[number], first[number + 1]
                while at < end:
                    far = following[at]
                    at += 1
                    if not met[far]:
                        met[far] = 1
                        meet(far)
            for far in later.get(number, ()) if later else ():
                if not met[far]:
                    met[far] = 1
                    meet(far)
        return order

    def uids(self, numbers: Sequence[int]) -> list[str]:
        """The uids of nodes that the file has, which are those up to `nodes`."""
        data = self._uids
        places = [(number - 1) * WIDTH for number in numbers]
        return [
            HEX_HEADS[data[at + 1]] + data[at + 2 : at + 1 + data[at]].hex()
            if data[at + 1] in HEX_HEADS
            else text_of(bytes(data[at + 1 : at + 1 + data[at]]))
            for at in places
        ]


def make(database: Database, path: Path, *, tx: int | None = None) -> None:
    """Write a snapshot of the database as it is now, or as it was after a transaction.

    Raises:
        StoreError: The disk is full, not writable, or failed.
    """
    import numpy as np

    from replay.store import fsops

    with database.snapshot():
        last = (1 << 62) if tx is None else tx
        head = database.rows("SELECT tx, leaf FROM transactions WHERE tx <= ? ORDER BY tx DESC LIMIT 1", (last,))
        if not head:
            return
        uids = [row[0] for row in database.stream("SELECT uid FROM nodes WHERE tx <= ? ORDER BY id", (last,))]
        pairs = array("I")
        query = "SELECT younger, older FROM edges WHERE tx <= ? ORDER BY younger, older, type, role"
        for younger, older in database.stream(query, (last,)):
            pairs.append(younger)
            pairs.append(older)
    nodes = len(uids)
    ends = np.frombuffer(pairs, dtype=np.uint32).reshape(-1, 2)
    header = {
        "tx": head[0][0], "leaf": head[0][1].hex(), "nodes": nodes, "edges": len(ends), "order": sys.byteorder,
    }  # fmt: skip
    parts = [_head_bytes(header)]
    for near, far in ((0, 1), (1, 0)):
        order = np.argsort(ends[:, near], kind="stable")
        first = np.zeros(nodes + 2, dtype=np.uint32)
        np.add.at(first, ends[:, near] + 1, 1)
        parts += [np.cumsum(first, dtype=np.uint32).tobytes(), ends[order, far].tobytes()]
    parts.append(b"".join(bytes((len(uid),)) + uid.ljust(WIDTH - 1, b"\0") for uid in uids))
    fsops.make_dir(path.parent)
    fsops.write_bytes(path, b"".join(parts), durable=False)


def _head_bytes(header: dict[str, Any]) -> bytes:
    text = msgspec.json.encode(header)
    text += b" " * (-(len(MAGIC) + 8 + len(text)) % 8)
    return MAGIC + len(text).to_bytes(8, "big") + text


def _header(data: memoryview) -> tuple[dict[str, Any] | None, int]:
    if bytes(data[:8]) != MAGIC:
        return None, 0
    start = 16 + int.from_bytes(data[8:16], "big")
    try:
        return msgspec.json.decode(data[16:start]), start
    except (ValueError, msgspec.DecodeError):
        return None, 0


def _size(header: dict[str, Any], start: int) -> int:
    return int(start + 2 * (4 * (header["nodes"] + 2) + 4 * header["edges"]) + WIDTH * header["nodes"])
