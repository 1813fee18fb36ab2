import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.errors import UsageError
from replay.identity import ModelId, canonical_json, ulid


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


def test_canonical_json_sorts_keys_by_utf16_code_units():
    assert canonical_json({"\U0001f600": 1, "\ufb33": 2}) == '{"\U0001f600":1,"\ufb33":2}'.encode()


@pytest.mark.parametrize("value", [1.0, [0.5], {"a": {"b": [float("nan")]}}])
def test_canonical_json_refuses_floats_and_names_the_place(value):
    with pytest.raises(UsageError, match=r"\$.*got the float"):
        canonical_json(value)


def test_canonical_json_refuses_integers_that_are_no_fixed_point():
    with pytest.raises(UsageError, match="no canonical JSON"):
        canonical_json({"n": 2**53})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_canonical_json_is_a_fixed_point(value):
    import json

    once = canonical_json(value)
    assert canonical_json(json.loads(once)) == once


def test_ulids_sort_by_time_and_are_unique():
    made = [ulid() for _ in range(200)]
    assert len(set(made)) == 200
    assert all(len(one) == 26 for one in made)
    assert made[0][:9] <= made[-1][:9]
