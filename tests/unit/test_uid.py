"""Uids: one for each identity, the same as text and as databases keep it, and found by any prefix."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.errors import UsageError
from replay.identity import canonical_json, sha256_hex, to_crockford
from replay.uid import forms_of, identity_of, ranges_of, raw_of, text_of, uid_of


def hexes(length: int) -> st.SearchStrategy[str]:
    return st.binary(min_size=length // 2, max_size=length // 2).map(bytes.hex)


ULIDS = st.integers(0, 2**128 - 1).map(to_crockford)
KNOWN: dict[str, tuple[str, st.SearchStrategy[str], str]] = {
    # key, what its values look like, what stands before them in the identity
    "sha256": ("sha256", hexes(64), ""),
    "commit of SHA-1": ("commit", hexes(40), ""),
    "commit of SHA-256": ("commit", hexes(64), ""),
    "image": ("image", hexes(64), "sha256:"),
    "run": ("run", ULIDS, ""),
    "action": ("action", ULIDS, ""),
    "execution": ("execution", ULIDS, ""),
    "plan": ("plan", hexes(64), ""),
    "config": ("config", hexes(64), ""),
}
TELLING = st.sampled_from(sorted(KNOWN)).flatmap(
    lambda form: KNOWN[form][1].map(lambda value: (KNOWN[form][0], KNOWN[form][2], value))
)
TEXT = st.text(st.characters(codec="utf-8"))
KEYS = st.sampled_from(["sha256", "commit", "image", "run", "action", "execution", "plan", "config", "id", "model", ""])
IDENTITIES = st.dictionaries(KEYS | TEXT, TEXT | hexes(40) | hexes(64) | ULIDS, min_size=1, max_size=3)


@given(TELLING)
def test_a_known_identity_is_its_own_uid(told: tuple[str, str, str]) -> None:
    key, before, value = told
    identity = {key: before + value}
    uid = uid_of(identity)
    assert uid == f"{key}:{value}"
    assert identity_of(uid) == identity, "so databases need not keep it"
    assert text_of(raw_of(uid)) == uid
    assert forms_of(identity) == (uid, raw_of(uid))
    assert len(raw_of(uid)) in {17, 21, 33}


@given(IDENTITIES)
def test_any_identity_has_one_uid_in_two_forms(identity: dict[str, str]) -> None:
    uid, raw = forms_of(identity)
    assert uid_of(dict(reversed(identity.items()))) == uid, "in whatever order"
    assert raw_of(uid) == raw
    assert text_of(raw) == uid
    told = identity_of(uid)
    assert told == identity or (told is None and uid == f"id:{sha256_hex(canonical_json(identity))}")


@given(IDENTITIES, IDENTITIES)
def test_two_identities_have_two_uids(one: dict[str, str], other: dict[str, str]) -> None:
    assert (uid_of(one) == uid_of(other)) == (one == other)
    assert (forms_of(one)[1] == forms_of(other)[1]) == (one == other)


ALIKE = [
    {"sha256": "ab" * 32},
    {"commit": "ab" * 32},
    {"plan": "ab" * 32},
    {"config": "ab" * 32},
    {"image": "sha256:" + "ab" * 32},
    {"image": "ab" * 32},
    {"id": "ab" * 32},
    {"sha256": "AB" * 32},
    {"sha256": "ab" * 32 + "\n"},
    {"sha256": " " + "ab" * 31 + "a"},
    {"sha256": "ab" * 31},
    {"sha256": "ab" * 33},
    {"sha256": "zz" * 32},
    {"sha256": ""},
    {"sha256": "\uff11" * 64},
    {"sha256": "ab" * 30 + "ab  "},
    {"commit": "ab" * 20},
    {"commit": "ab" * 20, "patch": "ab" * 32},
    {"commit": "AB" * 20},
    {"commit": "ab" * 19},
    {"run": "7" + "Z" * 25},
    {"action": "7" + "Z" * 25},
    {"execution": "7" + "Z" * 25},
    {"run": "8" + "Z" * 25},
    {"run": "7" + "z" * 25},
    {"run": "7" + "Z" * 24},
    {"run": "7" + "U" * 25},
    {"run": "7" + "Z" * 24 + "_"},
    {"run": "7" + "Z" * 24 + "\uff3a"},
]


def test_what_looks_alike_is_told_apart() -> None:
    uids = [uid_of(identity) for identity in ALIKE]
    assert len(set(uids)) == len(ALIKE)
    assert len({raw_of(uid) for uid in uids}) == len(ALIKE)
    malformed = [uid for uid, identity in zip(uids, ALIKE, strict=True) if uid.startswith("id:")]
    assert len(malformed) == 20, "what is no digest, commit or ULID is hashed"


def test_nobody_can_take_the_uid_of_another_by_its_digest() -> None:
    uid = uid_of({"model": "momentum", "version": "1"})
    assert uid.startswith("id:")
    assert uid_of({"id": uid.removeprefix("id:")}) != uid


def test_a_text_that_is_one_only_by_its_type_is_the_same() -> None:
    class Digest(str):
        __slots__ = ()

    assert uid_of({"sha256": Digest("ab" * 32)}) == uid_of({"sha256": "ab" * 32}) == "sha256:" + "ab" * 32


@pytest.mark.parametrize("bad", [{}, {"sha256": 7}, {"a": None}, {"a": "b", "c": b"d"}, {"sha256": ["ab"]}])
def test_an_identity_is_text(bad: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="expected text values, at least one"):
        uid_of(bad)


NO_UIDS = [
    "", ":", "prices", "momentum:1", "ab" * 32, "sha256:" + "AB" * 32, "sha256:" + "ab" * 31, "run:7" + "U" * 25,
    "id:" + "ab" * 20, "image:sha256:" + "ab" * 32, "sha256:" + "ab" * 32 + "\n", " sha256:" + "ab" * 32,
]  # fmt: skip


@pytest.mark.parametrize("bad", NO_UIDS)
def test_what_is_no_uid_is_told(bad: str) -> None:
    with pytest.raises(UsageError, match="got the uid") as caught:
        raw_of(bad)
    assert "replay search" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "bad", [b"", b"\0", b"\x01", b"\x63" * 33, b"\x01" * 32, b"\x01" * 34, b"\x02" * 33, b"\x05" * 33]
)
def test_bytes_that_are_no_uid_are_told(bad: bytes) -> None:
    with pytest.raises(ValueError, match="is no uid"):
        text_of(bad)


@pytest.mark.parametrize("bad", [None, 7, "sha256:" + "ab" * 32])
def test_what_only_sqlite_keeps_is_no_uid(bad: bytes) -> None:
    with pytest.raises(ValueError, match="is no uid"):
        text_of(bad)


# -- prefixes ---------------------------------------------------------------------------------------------------------


def is_within(raw: bytes, prefix: str) -> bool:
    return any(first <= raw <= last for first, last in ranges_of(prefix))


@given(TELLING | IDENTITIES.map(lambda identity: ("id", "", uid_of(identity).partition(":")[2])), st.data())
def test_a_uid_is_found_by_every_prefix_of_it(told: tuple[str, str, str], data: st.DataObject) -> None:
    key, before, value = told
    uid = uid_of({key: before + value}) if key != "id" else uid_of({"id": value})
    value = uid.partition(":")[2]
    prefix = value[: data.draw(st.integers(4, len(value)))]
    for given_ in (prefix, prefix.lower(), prefix.upper(), f"{uid.partition(':')[0]}:{prefix}"):
        assert is_within(raw_of(uid), given_), given_


@given(IDENTITIES, IDENTITIES | TELLING.map(lambda told: {told[0]: told[1] + told[2]}), st.data())
def test_nothing_else_is_found(one: dict[str, str], other: dict[str, str], data: st.DataObject) -> None:
    uid, stranger = uid_of(one), uid_of(other)
    value = uid.partition(":")[2]
    prefix = value[: data.draw(st.integers(4, len(value)))]
    assert is_within(raw_of(stranger), prefix) == stranger.partition(":")[2].upper().startswith(prefix.upper())
    key = uid.partition(":")[0]
    assert is_within(raw_of(stranger), f"{key}:{prefix}") == stranger.upper().startswith(f"{key}:{prefix}".upper())


NO_PREFIXES = [
    "", "abc", "ab1", "xyz!", "8XYZ", "ab cd", "ab_1", "a" * 65, "7" * 65, "run:abcg-", "nonsense:abcd", "sha256:",
    ":ab", "sha256:0ABCZ", "run:8ABC", "commit:" + "a" * 65,
    "ab\n12", "abcd\n", "image:sha256:abcd", "U" * 6, "\uff41bcd",
]  # fmt: skip


@pytest.mark.parametrize("bad", NO_PREFIXES)
def test_what_is_no_prefix_has_no_range(bad: str) -> None:
    assert ranges_of(bad) == []


def test_a_prefix_may_be_one_of_hex_and_of_a_ulid() -> None:
    assert len(ranges_of("0123")) == 7 + 3, "seven forms are hex, a commit being of either length, and three are ULIDs"
