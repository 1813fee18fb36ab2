"""One finding of the doctor."""

from __future__ import annotations

import enum

import msgspec


class Status(enum.StrEnum):
    """How a finding bears on replays."""

    OK = "ok"
    WARN = "warn"
    """Replays work, with the named restriction."""
    FAIL = "fail"
    """No replay works before this is mended."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    name: str
    status: Status
    finding: str
    meaning: str = ""
    """What it means, and what to do; empty where there is nothing to say."""
