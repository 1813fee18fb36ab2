"""Text and model files, line by line; numbers inside otherwise equal lines are compared as numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest

from replay.compare.interface import Comparator
from replay.compare.reading import Source, shown
from replay.compare.tally import Tally
from replay.compare.tolerance import Limits
from replay.outcome import Finding, Match, Measure
from replay.recipe import Judgement

_LINE = 8 << 20
"""Longest line that is held and looked into; longer ones are compared piece by piece."""
_NUMBER = re.compile(
    rb"(?<![\w.])[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|inf(?:inity)?)(?![\w.])", re.IGNORECASE
)
_INTEGER = re.compile(rb"[-+]?\d+")
_LIGHTGBM, _SIZES = b"tree", b"tree_sizes="
"""LightGBM's model text opens with ``tree``; its line ``tree_sizes=`` holds the lengths of the text that follows."""


class TextComparator(Comparator):
    """Lines by position; other line ends are no difference.

    A tolerance applies to numbers written with a fraction or an exponent. Two whole numbers (indices, counts, dates)
    must be equal, for text has no types to tell a count from a measurement. The one exception: in a LightGBM model
    whose numbers moved within the tolerance, ``tree_sizes`` only says how long their texts became.
    """

    name = "text"

    def _compare(self, recorded: Source, replayed: Source, judgement: Judgement) -> Finding:
        state = _Lines(Limits.of(judgement.tolerance), recorded.head(5) == _LIGHTGBM + b"\n")
        for number, (one, two) in enumerate(zip_longest(_lines(recorded), _lines(replayed)), 1):
            state.total += 1
            if one != two:
                state.differ(number, one, two)
        return state.finding(self.name)


def _lines(source: Source) -> Iterator[bytes]:
    with source.stream() as file:
        while line := file.readline(_LINE):
            yield line.rstrip(b"\r\n") if len(line) < _LINE else line


class _Lines:
    """Running count of one comparison."""

    def __init__(self, limits: Limits, is_lightgbm: bool) -> None:
        self.limits = limits
        self.is_lightgbm = is_lightgbm
        self.numbers = Tally()
        self.total = self.lines = self.structural = self.one_sided = self.sizes = 0
        self.first = self.first_beyond = ""

    def differ(self, number: int, one: bytes | None, two: bytes | None) -> None:
        place = f"line {number}: recorded {_excerpt(one, two)}, replayed {_excerpt(two, one)}"
        if self._is_sizes(one, two):
            self.sizes += 1
            return
        self.lines += 1
        self.first = self.first or place
        beyond = self.numbers.beyond
        if one is None or two is None:
            self.one_sided += 1
        elif not self._only_numbers(one, two, number):
            self.structural += 1
        elif self.numbers.beyond == beyond:
            return
        self.first_beyond = self.first_beyond or place

    def _is_sizes(self, one: bytes | None, two: bytes | None) -> bool:
        both = one is not None and two is not None and one.startswith(_SIZES) and two.startswith(_SIZES)
        return self.is_lightgbm and both and not self.limits.exact

    def _only_numbers(self, one: bytes, two: bytes, line: int) -> bool:
        if max(len(one), len(two)) >= _LINE or _NUMBER.split(one) != _NUMBER.split(two):
            return False
        mine, theirs = _NUMBER.findall(one), _NUMBER.findall(two)
        self.numbers.total += len(mine)
        for index, (left, right) in enumerate(zip(mine, theirs, strict=True), 1):
            whole = _INTEGER.fullmatch(left) and _INTEGER.fullmatch(right)
            limits = Limits() if whole else self.limits
            self.numbers.number(_value(left), _value(right), limits, lambda i=index: f"line {line}, number {i}")  # type: ignore[misc]
        return True

    def finding(self, comparator: str) -> Finding:
        """What came out; ``tree_sizes`` alone never passes, for then nothing explains it."""
        unexplained = self.sizes and not self.numbers.differing
        failed = bool(self.structural or self.one_sided or self.numbers.beyond or unexplained)
        if not self.lines and not unexplained:
            text = "contents equal, only line ends differ"
        elif not self.lines:
            text = "only tree_sizes differs, which no other difference explains"
        else:
            text = f"{self.lines:,} of {self.total:,} lines differ" + self._detail()
        measures = (
            Measure(name="lines", value=str(self.total)),
            Measure(name="differing lines", value=str(self.lines)),
            *(self.numbers.measures("numbers ") if self.numbers.differing else ()),
        )
        return Finding(
            match=Match.DIFFERENT if failed else Match.EQUIVALENT,
            comparator=comparator,
            summary=text,
            first=self.first_beyond or self.first,
            measures=measures,
        )

    def _detail(self) -> str:
        text = f", {self.structural:,} of them not only in numbers" if self.structural else ""
        if self.one_sided:
            text += f", {self.one_sided:,} on one side only"
        if self.numbers.differing:
            text += "; " + self.numbers.sentence("numbers in them")
        elif self.lines > self.structural + self.one_sided:
            text += "; the numbers in the others are equal, only written differently"
        return text


def _value(token: bytes) -> int | float:
    if _INTEGER.fullmatch(token) and len(token) < 400:
        return int(token)
    return float(token)


def _excerpt(line: bytes | None, other: bytes | None) -> str:
    """The part of a line around its first difference."""
    if line is None:
        return "nothing"
    limit = min(len(line), len(other or b""))
    start = next((i for i in range(0, limit, 64) if line[i : i + 64] != (other or b"")[i : i + 64]), limit)
    start = max(0, start - 8)
    return ("…" if start else "") + repr(shown(line[start : start + 90], 72))
