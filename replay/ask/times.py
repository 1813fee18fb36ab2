"""Times as people write them, and as records have them."""

from __future__ import annotations

import datetime

from replay.errors import UsageError


def instant(text: str) -> str:
    """A time as records have it: UTC, microseconds. A day alone is its first moment; without a zone it is UTC.

    Raises:
        UsageError: It is no time.
    """
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"got the time {text!r}, expected ISO 8601", hint="write 2026-11-24, or 2026-11-24T18:00:00+01:00"
        ) from None
    zoned = found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
    return zoned.astimezone(datetime.UTC).isoformat(timespec="microseconds")
