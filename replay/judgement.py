"""How one output is judged: the comparator and the tolerance that are sealed into the recipe."""

from __future__ import annotations

from pathlib import PurePosixPath

import msgspec

COMPARATORS = ("bytes", "text", "metrics", "table", "array", "image")
"""The kinds of comparison; ``bytes`` is bit for bit, the others compare what the bytes mean."""

_BY_SUFFIX = {
    ".json": "metrics",
    ".csv": "table",
    ".parquet": "table",
    ".npy": "array",
    ".npz": "array",
    ".png": "image",
    **dict.fromkeys((".txt", ".log", ".md", ".svg", ".html", ".yaml", ".yml", ".tsv"), "text"),
}


def comparator_of(path: str) -> str | None:
    """The comparator that understands files with this suffix; ``None`` when none is known to."""
    return _BY_SUFFIX.get(PurePosixPath(path).suffix.lower())


class Tolerance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a number may be off and still be *equivalent*; ``absolute`` and ``relative`` are ``float.hex()`` text.

    A value passes when ``|replayed − recorded| ≤ absolute + relative · |recorded|``, or when both are at most
    ``ulp`` representable doubles apart.
    """

    absolute: str | None = None
    relative: str | None = None
    ulp: int | None = None


class Judgement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one output is judged, sealed when it was recorded."""

    comparator: str
    """One of `COMPARATORS`."""
    tolerance: Tolerance | None = None
    columns: dict[str, Tolerance] = {}
    """Tables: tolerance of single columns."""
    keys: tuple[str, ...] = ()
    """Tables: columns that identify a row; without them rows are compared in order."""
    max_pixels: int = 0
    """Images: how many pixels may differ."""
    owner: str = ""
    reason: str = ""
    volatile: bool = False
    """Expected to differ in every run: shown, and left out of the verdict."""
