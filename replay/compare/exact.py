"""Bit for bit."""

from __future__ import annotations

from replay.compare.interface import Comparator
from replay.compare.reading import Source, first_difference
from replay.outcome import Finding, Match, Measure
from replay.recipe import Judgement

_COUNTED = 256 << 20
"""Bytes behind the first difference in which differing ones are counted."""
_BLOCK = 1 << 20


class BytesComparator(Comparator):
    """The default: every byte must be equal. There is no ``equivalent``."""

    name = "bytes"

    def _compare(self, recorded: Source, replayed: Source, judgement: Judgement) -> Finding:
        first = first_difference(recorded, replayed) or 0
        common = min(recorded.size, replayed.size)
        end = min(common, first + _COUNTED)
        count = _differing(recorded, replayed, first, end)
        measures = [Measure(name="first differing byte", value=str(first), unit="offset")]
        if count:
            measures.append(Measure(name="differing", value=str(count), unit="bytes"))
        text = f"{'at least ' if end < common else ''}{count:,} of {common:,} bytes differ from offset {first:,}"
        if first == common:
            text = f"the first {common:,} bytes are equal"
        if recorded.size != replayed.size:
            text += f"; got {replayed.size:,} bytes, recorded {recorded.size:,}"
            measures.append(Measure(name="size", value=f"{replayed.size - recorded.size:+d}", unit="bytes"))
        return Finding(
            match=Match.DIFFERENT, comparator=self.name, summary=text, first=f"byte {first}", measures=tuple(measures)
        )


def _differing(recorded: Source, replayed: Source, start: int, end: int) -> int:
    import numpy as np

    one, two = np.empty(_BLOCK, np.uint8), np.empty(_BLOCK, np.uint8)
    count = 0
    for offset in range(start, end, _BLOCK):
        length = min(_BLOCK, end - offset)
        recorded.fill(one.data[:length], offset)
        replayed.fill(two.data[:length], offset)
        count += int(np.count_nonzero(one[:length] != two[:length]))
    return count
