"""Event times: read, bounded, and written in one way."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.errors import UsageError
from replay.features.times import is_day, nanoseconds, recorded, shown

SECOND = 10**9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:00:01Z", SECOND),
        ("1970-01-01 00:00:01", SECOND),
        ("1970-01-01T01:00+01:00", 0),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1970-01-01T00:00:00,5Z", SECOND // 2),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("1970-01-01T00:00:00.1+00:00", SECOND // 10),
        ("1970-01-01T05:30:00.25+0530", SECOND // 4),
    ],
)
def test_a_time_is_read_to_the_nanosecond_in_utc(text: str, expected: int) -> None:
    assert nanoseconds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "1970", "1970-13-01", "1970-01-01T25:00:00Z", "1970-01-01T00:00:00.0000000001Z", "1970-01-01T",
        "1970-01-01T00:00.5Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00",
        "1970-01-01T00:00:00+01:00:30.5", "١٩٧٠-01-01",
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="ISO 8601") as caught:
        nanoseconds(text)
    assert "2026-11-24" in str(caught.value.hint)


def test_a_day_is_told_from_its_first_moment() -> None:
    assert is_day("2026-11-24")
    assert not is_day("2026-11-24T00:00:00Z")
    assert nanoseconds("2026-11-24") == nanoseconds("2026-11-24T00:00:00Z")


@given(st.datetimes(), st.integers(0, 999))
def test_what_is_shown_is_read_again(moment: datetime.datetime, rest: int) -> None:
    epoch = datetime.datetime(1970, 1, 1)
    past = moment - epoch
    count = (past.days * 86_400 + past.seconds) * SECOND + past.microseconds * 1000 + rest
    assert nanoseconds(shown(count)) == recorded(shown(count)) == count


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (SECOND // 2, "1970-01-01T00:00:00.5Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (10**21, f"{10**21} ns since 1970"),
        (-(10**21), f"-{10**21} ns since 1970"),
    ],
)
def test_there_is_one_way_to_show_a_time(count: int, text: str) -> None:
    assert shown(count) == text
    assert recorded(text) == count


def test_a_day_is_shown_as_its_date() -> None:
    assert shown(nanoseconds("2026-11-24"), day=True) == "2026-11-24"
