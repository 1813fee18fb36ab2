"""Values, words and times: how the search compares them, whatever the database."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.errors import UsageError
from replay.search.times import moments
from replay.search.values import HEAD, Number, Text, comparable, number_of, reads_as_number
from replay.search.words import LONGEST, is_digest, running, words_of

DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, Number(1.0, "")),
        (-0.0, Number(0.0, "")),
        (2**53 + 1, Number(float(2**53), str(2**53 + 1))),
        (2**53, Number(float(2**53), str(2**53))),
        (1e20, Number(1e20, "1" + "0" * 20)),
        (2**64, Text(str(2**64), "")),
        (-(2**63), Number(-(2.0**63), str(-(2**63)))),
        (-(2**63) - 1, Text(str(-(2**63) - 1), "")),
        (float("inf"), Number(float("inf"), "")),
        (float("nan"), Text("NaN", "")),
        ("5", Text("5", "")),
        ("a\0b", Text("a\u2400b", "")),
        ("a\ud800", Text("a?", "")),
        ("x" * HEAD + "yz", Text("x" * HEAD, "yz")),
    ],
)
def test_a_value_is_a_number_or_a_text(value: float | str, expected: Number | Text) -> None:
    assert comparable(value) == expected
    assert type(comparable(value)) is type(expected)


@given(st.integers(-(2**63), 2**64 - 1), st.integers(-(2**63), 2**64 - 1))
def test_integers_of_64_bits_are_told_apart(one: int, other: int) -> None:
    assert (comparable(one) == comparable(other)) is (one == other)


@given(st.text(), st.text())
def test_both_parts_of_a_text_sort_as_the_whole(one: str, other: str) -> None:
    whole = [part.replace("\0", "\u2400").encode("utf-8", "replace").decode() for part in (one, other)]
    assert (comparable(one) < comparable(other)) is (whole[0] < whole[1])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1", 1), ("+1", 1), (".5", 0.5), ("1.", 1.0), ("-1e3", -1000.0), ("1e999", float("inf")), (str(2**64), None),
     ("0x1", None), ("1_000", None), ("nan", None), ("inf", None), ("1-2", None), ("", None), ("٣", None)],
)  # fmt: skip
def test_what_is_a_number_when_it_is_written(text: str, expected: float | None) -> None:
    assert number_of(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1.295", 1.295), ("0", 0), ("-3", -3), ("1e-3", 0.001), ("007", None), ("+1", None), (".5", None),
     ("1e999", None), ("1" * 41, None), ("12ab", None), ("2026-11-24", None), ("", None)],
)  # fmt: skip
def test_what_is_a_number_when_it_was_recorded_as_text(text: str, expected: float | None) -> None:
    assert reads_as_number(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Train-Test_split, 2026!", ["train", "test", "split", "2026"]),
        ("STRASSE straße", ["strasse", "strasse"]),
        ("ﬁne ÜBER über", ["fine", "über", "über"]),
        ("データ 東京", ["データ", "東京"]),
        ("ＡＢＣ", ["abc"]),
        ("e\u0301", ["é"]),
        ("a\"b' OR NEAR(c) * :x <-> !y & z|", ["a", "b", "or", "near", "c", "x", "y", "z"]),
        ("%_\\", []),
        ("w" * 200, ["w" * LONGEST]),
    ],
)
def test_words_are_runs_of_letters_and_digits(text: str, expected: list[str]) -> None:
    assert words_of(text) == expected


@given(st.text())
def test_words_have_nothing_in_them_that_a_database_could_read(text: str) -> None:
    for word in words_of(text):
        assert word
        assert all(one.isalnum() for one in word)
        assert word.split() == [word]


@given(st.lists(st.text(), max_size=5))
def test_several_texts_have_the_words_of_each(texts: list[str]) -> None:
    alone = [[word for word in words_of(text) if not is_digest(word)] for text in texts]
    together: list[list[str]] = [[]]
    for word in running(texts, "¶"):
        if word == "¶":
            together.append([])
        else:
            together[-1].append(word)
    assert [word for text in together for word in text] == [word for text in alone for word in text]
    assert [text for text in together if text] == [text for text in alone if text]


def test_a_digest_is_no_word_and_nothing_goes_on_over_it() -> None:
    digest = "ab12" * 16
    assert is_digest(digest)
    assert not is_digest("deadbeef")
    assert running([f"before {digest} after"], "¶") == ["before", "¶", "after", "¶"]


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("2026-11-24", DAY),
        ("2026-11-24T08:00", 60_000_000),
        ("2026-11-24 08:00", 60_000_000),
        ("2026-11-24T08:00:00", 1_000_000),
        ("2026-11-24T08:00:00Z", 1_000_000),
        ("2026-11-24T09:00:00+01:00", 1_000_000),
        ("2026-11-24T08:00:00.000000", 1),
    ],
)
def test_a_time_lasts_as_long_as_it_is_written(text: str, length: int) -> None:
    start, end = moments(text)
    assert end - start == length
    midnight = 20_781 * DAY
    assert start == midnight + (0 if length == DAY else 8 * 3_600_000_000)


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "24.11.2026", "", "2026", "12"])
def test_what_is_no_time_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="expected ISO 8601"):
        moments(text)
