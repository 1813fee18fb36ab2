"""The Merkle tree of RFC 6962 section 2.1: one root for a whole log. Hashes in, hashes out.

A *frontier* is the list of the roots of the complete subtrees from left to right; it is all that is needed to go on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

EMPTY = hashlib.sha256(b"").digest()
"""The root of an empty log."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of one entry: ``SHA-256(0x00 ‖ data)``."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash over two subtrees: ``SHA-256(0x01 ‖ left ‖ right)``."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def grow(frontier: Sequence[bytes], size: int, leaves: Iterable[bytes]) -> tuple[list[bytes], int]:
    """The frontier and size after more leaf hashes.

    Args:
        frontier: Roots of the complete subtrees, the largest first; as many as ``size`` has one-bits.
        size: Leaves so far.
        leaves: Hashes of the new entries in order.
    """
    grown = list(frontier)
    for leaf in leaves:
        size += 1
        node = leaf
        for _ in range((size & -size).bit_length() - 1):  # two subtrees of equal size become one
            node = node_hash(grown.pop(), node)
        grown.append(node)
    return grown, size


def root_of(frontier: Sequence[bytes]) -> bytes:
    """The root hash of the log with this frontier."""
    if not frontier:
        return EMPTY
    root = frontier[-1]
    for node in reversed(frontier[:-1]):
        root = node_hash(node, root)
    return root


def root(leaves: Iterable[bytes]) -> bytes:
    """The root hash over all leaf hashes."""
    return root_of(grow([], 0, leaves)[0])
