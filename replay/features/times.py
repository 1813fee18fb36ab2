"""Event times to the nanosecond: as people write them, and as numbers that any column can be compared with."""

from __future__ import annotations

import datetime
import re

from replay.errors import UsageError

DAY = 86_400 * 10**9
UNITS = {"ms": 10**6, "us": 10**3, "ns": 1}
"""Nanoseconds in each unit of a timestamp."""

_SECOND = 10**9
_BEYOND = " ns since 1970"
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_FORM = re.compile(r"(?P<whole>[^.,]*?)(?:[.,](?P<fraction>\d{1,9}))?(?P<zone>Z|[+-]\d\d:?\d\d)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def nanoseconds(text: str) -> int:
    """A time as nanoseconds since 1970 in UTC. A day alone is its first moment; without a zone it is UTC.

    Raises:
        UsageError: It is no time, or finer than nanoseconds.
    """
    if _DATE.fullmatch(text):
        return _since_epoch(text, text)
    found = _FORM.fullmatch(text)
    if found is None or not re.search(r"\d[T ]\d", text):
        raise _no_time(text)
    whole = _since_epoch(found["whole"] + (found["zone"] or "+00:00"), text)
    if whole % _SECOND or (found["fraction"] and found["whole"].count(":") != 2):
        raise _no_time(text)
    return whole + int((found["fraction"] or "0").ljust(9, "0"))


def is_day(text: str) -> bool:
    """Whether it names a day and no time of that day."""
    return _DATE.fullmatch(text) is not None


def shown(count: int, *, day: bool = False) -> str:
    """The one way to write a time: UTC, no more digits than it takes; with ``day`` its date alone.

    A time beyond the years 1 to 9999 is shown as its number.
    """
    seconds, rest = divmod(count, _SECOND)
    try:
        moment = _EPOCH + datetime.timedelta(seconds=seconds)
    except OverflowError:
        return f"{count}{_BEYOND}"
    if day:
        return moment.date().isoformat()
    fraction = f".{rest:09}".rstrip("0") if rest else ""
    return f"{moment.replace(tzinfo=None).isoformat()}{fraction}Z"


def recorded(text: str) -> int:
    """The nanoseconds of a time that `shown` wrote."""
    found = re.fullmatch(rf"(-?\d+){re.escape(_BEYOND)}", text)
    return int(found[1]) if found else nanoseconds(text)


def _since_epoch(text: str, given: str) -> int:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise _no_time(given) from None
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    try:
        past = zoned.astimezone(datetime.UTC) - _EPOCH
    except OverflowError:  # its zone puts it before the year 1 or after 9999
        raise _no_time(given) from None
    return (past.days * 86_400 + past.seconds) * _SECOND + past.microseconds * 1000


def _no_time(text: str) -> UsageError:
    return UsageError(
        f"got the time {text!r}, expected ISO 8601 with at most nine digits of a second",
        hint="write 2026-11-24, or 2026-11-24T18:00:00.5+01:00",
    )
