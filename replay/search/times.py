"""Times in expressions: a day or a moment, as microseconds since 1970."""

from __future__ import annotations

import datetime
import re

from replay.errors import UsageError

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


def microseconds(moment: datetime.datetime) -> int:
    """Since 1970; a moment without a zone is UTC."""
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    return (zoned - _EPOCH) // _MICROSECOND


def moments(text: str) -> tuple[int, int]:
    """The first moment of a time and the first one after it: a day lasts a day, a minute a minute, a second a second.

    Raises:
        UsageError: It is no time.
    """
    try:
        start = microseconds(datetime.datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        raise UsageError(
            f"got the time {text!r}, expected ISO 8601", hint="write 2026-11-24, or 2026-11-24T18:00:00+01:00"
        ) from None
    return start, start + _length(text)


def _length(text: str) -> int:
    if _DAY.fullmatch(text):
        return 86_400_000_000
    clock = re.sub(r"(?:Z|[+-]\d{2}:?\d{2})$", "", text.partition("T")[2] or text.partition(" ")[2])
    return {5: 60_000_000, 8: 1_000_000}.get(len(clock), 1)
