"""What a name, a reason and a KEY=VALUE may hold."""

from __future__ import annotations

import pytest

from replay.errors import UsageError
from replay.naming import MAX_NAME, MAX_TEXT, name_of, pairs_of, text_of


def test_names_are_any_words_of_one_line() -> None:
    assert name_of("Zins-Desk / prod €", "endpoint") == "Zins-Desk / prod €"


@pytest.mark.parametrize(
    "text", ["", " ", " a", "a ", "a\nb", "a\tb", "\x1b[0m", "a\u2028b", "a\ud800", "n" * (MAX_NAME + 1)]
)
def test_what_is_no_name_is_refused_with_what_it_was_for(text: str) -> None:
    with pytest.raises(UsageError, match=r"^endpoint: got "):
        name_of(text, "endpoint")


def test_a_text_says_something_and_loses_the_spaces_around_it() -> None:
    assert text_of("  back-tested  ", "reason") == "back-tested"


@pytest.mark.parametrize("text", ["", "  ", "\n", "a\x00b", "t" * (MAX_TEXT + 1)])
def test_what_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^reason: got "):
        text_of(text, "reason")


def test_pairs_keep_their_order_and_may_have_equals_signs_in_the_value() -> None:
    assert pairs_of(("b=1=2", "a=", "b=1=2"), "tag") == {"b": "1=2", "a": ""}


@pytest.mark.parametrize(
    ("texts", "says"),
    [
        (("desk",), "expected KEY=VALUE"),
        (("=rates",), "got the name ''"),
        (("desk=rates", "desk=credit"), "'rates' and 'credit', expected one value"),
        (("desk=a\x07",), "control character"),
    ],
)
def test_pairs_that_are_none_are_refused(texts: tuple[str, ...], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        pairs_of(texts, "tag")
    assert says in str(caught.value)
