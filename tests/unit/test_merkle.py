"""The Merkle tree of RFC 6962: the test vectors of Certificate Transparency, and the RFC's own definition."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.merkle import EMPTY, grow, leaf_hash, node_hash, root, root_of

# https://github.com/google/certificate-transparency: the entries, and the roots over the first 1 to 8 of them
ENTRIES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def by_definition(entries: list[bytes]) -> bytes:
    """``MTH`` of section 2.1, word for word: k is the largest power of two smaller than n."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    left, right = by_definition(entries[:k]), by_definition(entries[k:])
    return hashlib.sha256(b"\x01" + left + right).digest()


@pytest.mark.parametrize("size", range(1, 9))
def test_the_known_roots(size: int) -> None:
    leaves = [leaf_hash(bytes.fromhex(entry)) for entry in ENTRIES[:size]]
    assert root(leaves).hex() == ROOTS[size - 1]


def test_the_empty_log() -> None:
    assert root([]) == EMPTY == root_of([])
    assert EMPTY.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert grow([], 0, []) == ([], 0)


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_every_root_is_that_of_the_definition(entries: list[bytes]) -> None:
    assert root(map(leaf_hash, entries)) == by_definition(entries)


@given(st.lists(st.binary(max_size=4), max_size=70), st.lists(st.integers(0, 70), max_size=6))
def test_however_a_log_grows_it_comes_to_the_same_root(entries: list[bytes], cuts: list[int]) -> None:
    leaves = [leaf_hash(entry) for entry in entries]
    frontier: list[bytes] = []
    size = 0
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(leaves)], strict=True):
        before = list(frontier)
        grown, size = grow(frontier, size, leaves[start:end])
        assert frontier == before, "what was given is not changed"
        assert len(grown) == size.bit_count()
        frontier = grown
    assert size == len(leaves)
    assert root_of(frontier) == root(leaves) == by_definition(entries)


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=40), st.data())
def test_every_leaf_and_its_place_count(entries: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(entries) - 1))
    changed = [*entries[:at], entries[at] + b"x", *entries[at + 1 :]]
    assert root(map(leaf_hash, changed)) != root(map(leaf_hash, entries))
    assert root(map(leaf_hash, entries[:-1])) != root(map(leaf_hash, entries))
    turned = entries[::-1]
    assert (root(map(leaf_hash, turned)) == root(map(leaf_hash, entries))) == (turned == entries)


def test_a_leaf_is_never_a_node() -> None:
    """Else a log of one entry could pass for one of two."""
    one, two = leaf_hash(b"1"), leaf_hash(b"2")
    assert leaf_hash(one + two) != node_hash(one, two) == root([one, two])
