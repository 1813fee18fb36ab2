from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.report.clean import clean, tail


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é ≠ 漢", "plain é ≠ 漢"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b2J", "\\x9b2J"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("caf\udce9.csv", "caf\\udce9.csv"),
        ("tag\U000e0041", "tag\\U000e0041"),
    ],
)
def test_hostile_characters_become_their_escapes(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_lines_and_tabs_stay_in_logs_but_nothing_else() -> None:
    assert clean("a\r\nb\tc\x1b[0m\rd", lines=True) == "a\nb\tc\\x1b[0m\\rd"


def test_ascii_terminals_get_ascii() -> None:
    assert clean("≠ é", ascii_only=True) == "\\u2260 \\xe9"


@given(st.text())
def test_what_is_left_is_printable_and_encodable(text: str) -> None:
    shown = clean(text)
    shown.encode("utf-8")
    assert not [c for c in shown if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"}]
    assert clean(shown) == shown


def test_tail_keeps_the_last_lines_and_cuts_long_ones() -> None:
    log = "\n".join(f"line {i}" for i in range(50)) + "\n" + "x" * 5_000 + "\n"
    lines = tail(log, 3).split("\n")
    assert lines[:2] == ["line 48", "line 49"]
    assert lines[2] == "x" * 2_000 + "… (5000 characters)"
