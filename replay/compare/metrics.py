"""JSON documents, key by key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from replay.compare.interface import Comparator
from replay.compare.reading import Source, reading, shown
from replay.compare.tally import Tally
from replay.compare.tolerance import Limits
from replay.outcome import Finding, Measure
from replay.recipe import Judgement

_SIZE = 64 << 20
_ABSENT = object()


class MetricsComparator(Comparator):
    """Numbers within the tolerance, everything else equal; the order of keys and white space do not count.

    ``1`` and ``1.0`` are one number, ``true`` is none. NaN and Infinity are read as Python writes them. A key that is
    there on one side only is a difference that no tolerance covers.
    """

    name = "metrics"

    def _compare(self, recorded: Source, replayed: Source, judgement: Judgement) -> Finding:
        limits = Limits.of(judgement.tolerance)
        tally, missing, extra = Tally(), 0, 0
        for place, one, two in _leaves(_load(recorded), _load(replayed)):
            tally.total += 1
            if two is _ABSENT:
                missing += 1
                tally.other(lambda place=place: f"{place}: missing in the replay")  # type: ignore[misc]
            elif one is _ABSENT:
                extra += 1
                tally.other(lambda place=place: f"{place}: not in the record")  # type: ignore[misc]
            else:
                _leaf(tally, place, one, two, limits)
        finding = tally.finding(self.name)
        if not (missing or extra):
            return finding
        return Finding(
            match=finding.match,
            comparator=self.name,
            summary=f"{finding.summary}; {missing:,} keys missing, {extra:,} extra",
            first=finding.first,
            measures=(
                *finding.measures,
                Measure(name="missing keys", value=str(missing)),
                Measure(name="extra keys", value=str(extra)),
            ),
        )


def _load(source: Source) -> Any:
    data = source.whole(_SIZE)
    with reading(source.side, "JSON document"):
        return json.loads(data, object_pairs_hook=_distinct)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; the same key twice would hide a value from the comparison.

    Raises:
        ValueError: A key is there twice.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _leaves(recorded: Any, replayed: Any) -> Iterator[tuple[str, Any, Any]]:
    """Pairs of leaves in the record's order, with their paths; a stack of its own, for depth is the file's choice."""
    stack: list[tuple[str, Any, Any]] = [("$", recorded, replayed)]
    while stack:
        place, one, two = stack.pop()
        if isinstance(one, dict) and isinstance(two, dict):
            names = [*one, *(name for name in two if name not in one)]
            found = [(f"{place}.{name}", one.get(name, _ABSENT), two.get(name, _ABSENT)) for name in names]
        elif isinstance(one, list) and isinstance(two, list):
            pairs = range(max(len(one), len(two)))
            found = [(f"{place}[{i}]", _item(one, i), _item(two, i)) for i in pairs]
        else:
            yield place, one, two
            continue
        stack.extend(reversed(found))


def _item(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else _ABSENT


def _leaf(tally: Tally, place: str, one: Any, two: Any, limits: Limits) -> None:
    def where() -> str:
        return f"{shown(place, 200)}: recorded {shown(_brief(one))}, replayed {shown(_brief(two))}"

    if _is_number(one) and _is_number(two):
        tally.number(one, two, limits, where)
    elif type(one) is not type(two) or one != two:
        tally.other(where)


def _brief(value: Any) -> str:
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    return json.dumps(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
