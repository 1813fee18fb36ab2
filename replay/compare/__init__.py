"""Compares what a replay made with what was recorded, and judges the whole.

How a match is decided, for every comparator:

* ``identical``: the bytes are equal; decided before any parser sees them.
* ``bytes`` knows nothing else: other bytes are ``different``. Its finding still says how large the difference is in
  the terms of the format (by the file's suffix), or that only metadata or encoding differs.
* ``text``, ``metrics``, ``table``, ``array`` and ``image`` are semantic: other bytes with equal contents, or numbers
  within the tolerance that the recipe seals, are ``equivalent``; everything else is ``different``.

There is no comparator that chooses by itself: a recipe always names one.
"""

from __future__ import annotations

from replay.compare.chain import steps_to_chain
from replay.compare.interface import Comparator
from replay.compare.outputs import (
    COMPARATORS,
    comparator,
    compare_content,
    compare_output,
    compare_repeats,
    default_judgement,
    measure,
    unexpected,
)
from replay.compare.tolerance import is_looser, tighten, tighten_recipe
from replay.compare.verdict import Judged, judge

__all__ = [
    "COMPARATORS",
    "Comparator",
    "Judged",
    "comparator",
    "compare_content",
    "compare_output",
    "compare_repeats",
    "default_judgement",
    "is_looser",
    "judge",
    "measure",
    "steps_to_chain",
    "tighten",
    "tighten_recipe",
    "unexpected",
]
