"""What a check of the store found."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kept thing that is not as it was recorded."""

    place: str
    """The bad object: ``blob <sha256>``, ``journal line 7``, ``node <uid>`` …"""
    problem: str
    """Got and expected, for people."""

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"
