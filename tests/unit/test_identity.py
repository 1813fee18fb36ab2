"""Model ids, canonical JSON, ULIDs."""

from __future__ import annotations

import json
import math
import time

import msgspec
import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from replay.errors import UsageError
from replay.identity import ModelId, canonical_json, from_crockford, to_crockford, ulid


@pytest.mark.parametrize(
    ("text", "name", "version", "alias"),
    [
        ("momentum:3", "momentum", 3, None),
        ("momentum@production", "momentum", None, "production"),
        ("momentum", "momentum", None, None),
        ("rates/curve-1.2:17", "rates/curve-1.2", 17, None),
    ],
)
def test_a_model_id_is_read(text, name, version, alias):
    parsed = ModelId.parse(text)
    assert (parsed.name, parsed.version, parsed.alias) == (name, version, alias)
    assert str(parsed) == text


@pytest.mark.parametrize(
    "text", ["", "Momentum:1", "momentum:0", "momentum:-1", "momentum:", "a:1@b", "../x:1", "a b", "a:1\n"]
)
def test_what_is_no_model_id_is_refused(text):
    with pytest.raises(UsageError, match="is not a model id") as caught:
        ModelId.parse(text)
    assert "name:version" in caught.value.hint


# -- canonical JSON ---------------------------------------------------------------------------------------------------

SAFE = 2**53 - 1
# Characters whose order differs between UTF-8 and UTF-16, and those that JSON writes in several ways.
ODD = st.sampled_from(
    [chr(code) for code in [*range(0x21), 0x22, 0x2F, 0x5C, 0x7F, 0x2028, 0xD7FF, 0xE000, 0xFB33, 0xFFFF]]
)
BEYOND = st.sampled_from(["\U00010000", "\U0001f600", "\U0010ffff"])
TEXT = st.text(st.characters(codec="utf-8") | ODD | BEYOND)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-SAFE, SAFE) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
@example({"\U0001f600": 1, "\ufb33": 2, "a\U0001f600": {"\uffff": None, "\U00010000": []}})
@example({chr(code): chr(code) for code in range(256)})
@example([SAFE, -SAFE, 0, True, False, None, "null", "1.0", ""])
def test_canonical_json_is_that_of_rfc_8785(value):
    assert canonical_json(value) == rfc8785.dumps(value)


@given(JSON)
def test_canonical_json_is_a_fixed_point(value):
    once = canonical_json(value)
    assert canonical_json(json.loads(once)) == once
    assert json.loads(once) == value


@given(JSON, st.integers(7, 40), st.booleans())
def test_depth_makes_no_difference(value, depth, objects):
    """Beyond some depth another way is taken to the same bytes."""
    for _ in range(depth):
        value = {"\ufb33": value, "b": 1} if objects else [value, "c"]
    assert canonical_json(value) == rfc8785.dumps(value)


def test_canonical_json_sorts_keys_by_utf16_code_units():
    assert canonical_json({"\U0001f600": 1, "\ufb33": 2}) == '{"\U0001f600":1,"\ufb33":2}'.encode()
    assert canonical_json({"\ufb33": 2, "b": {"\uffff": 1, "z": 2}}) == '{"b":{"z":2,"\uffff":1},"\ufb33":2}'.encode()


def nested(depth, value=None):
    for _ in range(depth):
        value = [value]
    return value


FLOATS = st.floats() | st.sampled_from([0.0, -0.0, 1.0, 1e20, 1e400, math.nan, -math.inf])


@given(
    JSON, FLOATS, st.sampled_from(["alone", "in a list", "under a key", "beside null", "very deep", "beyond the plane"])
)
def test_no_float_is_ever_let_through(value, number, where):
    holding = {
        "alone": number,
        "in a list": [value, [number]],
        "under a key": {"a": {"b": [number]}, "c": value},
        "beside null": [None, number, "null"],
        "very deep": nested(12, number),
        "beyond the plane": {"\U0001f600": number},
    }[where]
    with pytest.raises(UsageError, match=r"\$.*got the float"):
        canonical_json(holding)


def test_the_place_of_a_float_is_named():
    with pytest.raises(UsageError) as caught:
        canonical_json({"a": [0, {"b": 1.5}]})
    assert str(caught.value) == "$.a[1].b: got the float 1.5, expected text such as '0x1.8000000000000p+0'"


@pytest.mark.parametrize("number", [SAFE + 1, -SAFE - 1, 2**64, -(2**64), 10**400])
@pytest.mark.parametrize("wrap", [lambda n: n, lambda n: {"n": [n]}, lambda n: {"\U0001f600": n}])
def test_integers_that_are_no_fixed_point_are_refused(number, wrap):
    with pytest.raises(UsageError, match="no canonical JSON"):
        canonical_json(wrap(number))


NO_JSON = [
    {1: "a"}, {None: 1}, {True: 1}, {1.5: 1}, {"a": {1: 2}}, "\ud800", ["\udfff"], {"\ud800": 1}, {"a": {"\udcff": 1}},
    iter([1]), object(), {"a": object}, nested(5000),
]  # fmt: skip


@pytest.mark.parametrize("value", NO_JSON)
def test_what_is_no_json_is_refused(value):
    with pytest.raises(UsageError, match="no canonical JSON"):
        canonical_json(value)


def test_our_own_values_are_written_as_objects():
    class Value(msgspec.Struct):
        b: tuple[int, ...]
        a: str

    assert canonical_json(Value(b=(1, 2), a="ü")) == '{"a":"ü","b":[1,2]}'.encode()
    assert canonical_json(Value(b=(1, 2), a="\U0001f600")) == '{"a":"\U0001f600","b":[1,2]}'.encode()


# -- ULIDs ------------------------------------------------------------------------------------------------------------


def test_ulids_sort_by_time_and_are_unique():
    before = time.time_ns() // 1_000_000
    made = [ulid() for _ in range(200)]
    after = time.time_ns() // 1_000_000
    assert len(set(made)) == 200
    assert all(len(one) == 26 for one in made)
    assert made[0][:10] <= made[-1][:10]
    assert all(before <= from_crockford(one) >> 80 <= after for one in made)


@given(st.integers(0, 2**128 - 1))
@example(0)
@example(2**128 - 1)
def test_crockford_goes_there_and_back(number):
    text = to_crockford(number)
    assert len(text) == 26
    assert from_crockford(text) == number


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**128 - 1))
def test_crockford_keeps_the_order(one, other):
    assert (to_crockford(one) < to_crockford(other)) == (one < other)


def test_the_example_of_the_specification():
    """https://github.com/ulid/spec: its first ten characters are 1469918176385 milliseconds."""
    assert from_crockford("01ARYZ6S41TSV4RRFFQ69G5FAV") >> 80 == 1469918176385


@pytest.mark.parametrize(
    "bad", ["", "I", "L", "O", "U", "a", "_1", "1_1", " 1", "1 ", "+1", "-1", "\uff11", "0\n", "!"]
)
def test_what_is_no_crockford_is_told(bad):
    with pytest.raises(ValueError, match=r".+"):
        from_crockford(bad)
