"""The form of a transaction's record, which can never change: computed here from its description alone."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay import merkle
from replay.lineage import NAMED, EdgeType, Kind
from replay.store import chain
from replay.store.chain import Checkpoint
from replay.store.rows import EDGE_CODES, KIND_CODES

CREATED = "2026-01-02T03:04:05.000006+00:00"
ROWS = {
    "nodes": [
        (1, b"\x01" + b"\xab" * 32, 1, "", "prices \U0001f600", None, '{"rows":3}', "inferred:rule 7", 1),
        (2, b"\x00" + b"\xcd" * 32, 9, "", "m", '{"model":"m"}', "{}", None, 1),
    ],
    "edges": [(2, 1, 3, "ü\n", "{}", None, 0, 1)],
    "facets": [(1, 1, "owner", '"ann"', "asserted:ann", 2, 1)],
    "model_versions": [("m", 1, 2, 1)],
    "blobs": [(b"\xef" * 32, 3, 1)],
}
ORDER = ["nodes", "edges", "facets", "model_versions", "blobs"]


def described_line(row: tuple[object, ...]) -> bytes:
    """JSON of every column; bytes are base 64."""
    plain = [base64.b64encode(field).decode() if isinstance(field, bytes) else field for field in row]
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def described_entry(tx: int, created: str, prev: bytes, rows: dict[str, list[tuple[object, ...]]]) -> chain.Entry:
    """What the module's text says, done with the standard library."""
    digest, sums = hashlib.sha256(), b""
    for table in ORDER:
        lines = [described_line(row) for row in rows.get(table, [])]
        digest.update(f"{table} {sum(map(len, lines))}\n".encode() + b"".join(lines))
        packed = b"".join(zlib.crc32(line[:-1]).to_bytes(4, "big") for line in lines)
        sums += len(packed).to_bytes(4, "big") + packed
    whole = digest.digest()
    record = f'{{"created":"{created}","digest":"{whole.hex()}","prev":"{prev.hex()}","tx":{tx}}}'
    return chain.Entry(tx, created, whole, sums, hashlib.sha256(b"\x00" + record.encode()).digest())


def test_a_transaction_is_sealed_as_described() -> None:
    assert list(chain.TABLES) == ORDER
    for prev in (chain.FIRST, b"\x01" * 32):
        assert chain.seal(1, CREATED, prev, ROWS) == described_entry(1, CREATED, prev, ROWS)
    assert chain.seal(7, CREATED, chain.FIRST, {}) == described_entry(7, CREATED, chain.FIRST, {})


def test_the_form_of_a_record_stays_for_ever() -> None:
    """Stores that were written hold it: with another one, all of them would seem to be changed."""
    entry = chain.seal(1, CREATED, chain.FIRST, ROWS)
    assert entry.digest.hex() == "8fe7b7ed6f0eabe7b6a2b0cfd88cb05998eea800fe831d9179303911d39e0da8"
    assert entry.leaf.hex() == "9e20227b737ed4f81e3725bf673431932adecfbec80edc9ab2252cf371caafa6"
    assert (
        entry.sums.hex() == "00000008a0242a175e24514300000004191f694e00000004d06d4213000000041637db0900000004ad694848"
    )


def test_every_field_of_every_row_counts() -> None:
    sealed = chain.seal(1, CREATED, chain.FIRST, ROWS)
    for table, rows in ROWS.items():
        for at, row in enumerate(rows):
            for column, field in enumerate(row):
                changed = (field + 1) if isinstance(field, int) else (field + field if field else "x")
                other = [*rows[:at], (*row[:column], changed, *row[column + 1 :]), *rows[at + 1 :]]
                entry = chain.seal(1, CREATED, chain.FIRST, {**ROWS, table: other})
                assert entry.digest != sealed.digest, (table, at, column)
                assert entry.leaf != sealed.leaf
                known, found = chain.unpack(sealed.sums), chain.unpack(entry.sums)
                assert [name for name in ORDER if known[name] != found[name]] == [table]
        assert chain.seal(1, CREATED, chain.FIRST, {**ROWS, table: rows[1:]}).digest != sealed.digest


def test_number_time_and_the_one_before_count() -> None:
    leaves = {
        chain.seal(1, CREATED, chain.FIRST, ROWS).leaf,
        chain.seal(2, CREATED, chain.FIRST, ROWS).leaf,
        chain.seal(1, CREATED.replace("6+", "7+"), chain.FIRST, ROWS).leaf,
        chain.seal(1, CREATED, b"\x01" + bytes(31), ROWS).leaf,
    }
    assert len(leaves) == 4


@given(st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=5, max_size=5))
def test_checksums_go_there_and_back(numbers: list[list[int]]) -> None:
    lines = {table: chain.lines_of([(n, "x") for n in part]) for table, part in zip(ORDER, numbers, strict=True)}
    expected = {
        table: [zlib.crc32(b'[%d,"x"]' % n).to_bytes(4) for n in part]
        for table, part in zip(ORDER, numbers, strict=True)
    }
    assert chain.unpack(chain.pack(lines)) == expected


@given(st.binary(max_size=60) | st.lists(st.sampled_from([bytes(4), b"\0\0\0\4", b"abcd"])).map(b"".join))
def test_what_is_unpacked_was_packed_so(sums: bytes) -> None:
    found = None
    with contextlib.suppress(ValueError):
        found = chain.unpack(sums)
    parts = [b"".join(found[table]) for table in ORDER] if found else []
    assert found is None or b"".join(len(part).to_bytes(4) + part for part in parts) == sums


def test_checksums_that_are_cut_off_or_too_long_are_told() -> None:
    whole = chain.seal(1, CREATED, chain.FIRST, ROWS).sums
    for end in range(len(whole)):
        with pytest.raises(ValueError, match="checksums"):
            chain.unpack(whole[:end])
    with pytest.raises(ValueError, match="too long"):
        chain.unpack(whole + b"\0")


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=40), st.integers(0, 40))
def test_a_checkpoint_goes_on_from_the_one_before(leaves: list[bytes], cut: int) -> None:
    first = chain.checkpoint_after(None, leaves[:cut], "then")
    second = chain.checkpoint_after(first, leaves[cut:], "now")
    assert second == Checkpoint(len(leaves), merkle.root(leaves), second.frontier, "now")
    assert len(second.frontier) == 32 * len(leaves).bit_count()
    assert chain.checkpoint_after(None, leaves, "now") == second


def test_codes_are_never_given_anew() -> None:
    """Databases hold them. New kinds and types come at the end."""
    assert [(code, kind.value) for kind, code in KIND_CODES.items()][:17] == list(
        enumerate(
            [
                "dataset", "feature_view", "code", "image", "config", "run", "action", "model", "model_version",
                "deployment", "collection", "plan", "agent", "metrics", "plot", "report", "locator",
            ],
            start=1,
        )
    )  # fmt: skip
    assert [(code, type_.value) for type_, code in EDGE_CODES.items()][:9] == list(
        enumerate(
            [
                "used", "generated", "derived_from", "specializes", "part_of", "same_as", "follows_plan", "replays",
                "acted_by",
            ],
            start=1,
        )
    )  # fmt: skip
    assert set(KIND_CODES) == set(Kind)
    assert set(EDGE_CODES) == set(EdgeType)
    assert {KIND_CODES[kind] for kind in NAMED} == {2, 10, 11, 12, 13, 17}, "as the index has it"
