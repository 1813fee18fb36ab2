"""Counting of differences: how many, how large, where the first one lies. Pure Python; see ``numeric`` for arrays."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from replay.compare.tolerance import Limits, ulp_distance
from replay.outcome import Finding, Match, Measure

Number = int | float
_EQUAL = "contents equal, only file metadata, layout or encoding differs"


class Tally:
    """What was found so far among ``total`` values; not thread-safe, so each thread has its own and they are merged."""

    def __init__(self) -> None:
        self.total = 0
        self.differing = 0
        self.beyond = 0
        self.measured = 0
        """Differing values with a finite difference."""
        self.undefined = 0
        """Pairs of which only one is NaN or infinite."""
        self.largest = 0.0
        self.relative = 0.0
        self.ulp = 0
        self.first = ""
        self.first_beyond = ""

    def other(self, place: Callable[[], str]) -> None:
        """One value differs and is no number."""
        self._note(place, beyond=True)

    def number(self, recorded: Number, replayed: Number, limits: Limits, place: Callable[[], str]) -> None:
        """One pair of numbers; equal ones (``±0``, NaN and NaN, ``1`` and ``1.0``) are no difference."""
        if recorded == replayed or (recorded != recorded and replayed != replayed):
            return
        difference, distance = _gap(recorded, replayed), _distance(recorded, replayed)
        size = _float(abs(recorded))
        self._measure(difference, difference / size if size else 0.0, distance or 0)
        self._note(place, beyond=not limits.allow(difference, size, distance))

    def _note(self, place: Callable[[], str], *, beyond: bool) -> None:
        self.differing += 1
        self.first = self.first or place()
        if beyond:
            self.beyond += 1
            self.first_beyond = self.first_beyond or place()

    def _measure(self, difference: float, relative: float, distance: int) -> None:
        if not math.isfinite(difference):
            self.undefined += 1
            return
        self.measured += 1
        self.largest = max(self.largest, difference)
        self.relative = max(self.relative, relative)
        self.ulp = max(self.ulp, distance)

    def merge(self, later: Tally) -> None:
        """Take over what ``later`` found, which lies behind everything found here."""
        for name in ("total", "differing", "beyond", "measured", "undefined"):
            setattr(self, name, getattr(self, name) + getattr(later, name))
        for name in ("largest", "relative", "ulp"):
            setattr(self, name, max(getattr(self, name), getattr(later, name)))
        self.first = self.first or later.first
        self.first_beyond = self.first_beyond or later.first_beyond

    def sentence(self, noun: str = "values") -> str:
        """One line for people."""
        if not self.differing:
            return _EQUAL
        text = f"{self.differing:,} of {self.total:,} {noun} differ"
        if not self.beyond:
            text += ", all within the tolerance"
        elif self.beyond < self.differing:
            text += f", {self.beyond:,} beyond the tolerance"
        if self.measured:
            text += f", largest absolute {self.largest:.2g}"
        if self.undefined:
            text += f", {self.undefined:,} with no finite difference (NaN, infinite or out of range)"
        return text

    def measures(self, prefix: str = "") -> tuple[Measure, ...]:
        """The sizes, each under its name behind ``prefix``."""
        found = [
            Measure(name=f"{prefix}compared", value=str(self.total)),
            Measure(name=f"{prefix}differing", value=str(self.differing)),
            Measure(name=f"{prefix}beyond tolerance", value=str(self.beyond)),
        ]
        if self.measured:
            found.append(Measure(name=f"{prefix}largest absolute difference", value=f"{self.largest:.3g}"))
            found.append(Measure(name=f"{prefix}largest relative difference", value=f"{self.relative:.3g}"))
        if self.ulp:
            found.append(Measure(name=f"{prefix}largest distance", value=str(self.ulp), unit="ulp"))
        if self.undefined:
            found.append(Measure(name=f"{prefix}without finite difference", value=str(self.undefined)))
        return tuple(found)

    def finding(self, comparator: str, noun: str = "values") -> Finding:
        """The finding of a comparison whose bytes differ."""
        return Finding(
            match=Match.DIFFERENT if self.beyond else Match.EQUIVALENT,
            comparator=comparator,
            summary=self.sentence(noun),
            first=self.first_beyond or self.first,
            measures=self.measures(),
        )


def _float(value: Number) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _gap(recorded: Number, replayed: Number) -> float:
    """``|replayed − recorded|``, exact before it is rounded once, so unequal numbers are never 0 apart."""
    if not (math.isfinite(_float(recorded)) and math.isfinite(_float(replayed))):
        both = isinstance(recorded, int) and isinstance(replayed, int)
        return _float(abs(replayed - recorded)) if both else math.inf
    if isinstance(recorded, float) and isinstance(replayed, float):
        return abs(replayed - recorded)
    try:
        return float(abs(Fraction(replayed) - Fraction(recorded)))
    except OverflowError:
        return math.inf


def _distance(recorded: Number, replayed: Number) -> int | None:
    one, two = _float(recorded), _float(replayed)
    return ulp_distance(one, two) if one == recorded and two == replayed else None
