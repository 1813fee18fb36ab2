"""Of all that matches what the asker may see, from several stores in one order."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from replay.ask.interface import Guard, Place
from replay.ask.search.looking import Looking, Placed
from replay.lineage import Kind
from replay.search.parts import Reach
from replay.store import reads
from replay.store.rows import KINDS
from replay.store.search.searcher import Match
from replay.uid import text_of


class Node(NamedTuple):
    """A node as a guard needs it."""

    uid: str
    kind: Kind
    type: str
    name: str


class Merged(NamedTuple):
    """Everything that may be told, in its order."""

    hits: list[list[Placed]]
    """Of each node the stores that show it."""
    hidden: int


def merged(
    found: Sequence[tuple[Looking, list[Match]]], guard: Guard | None, reach: Reach, *, descending: bool
) -> Merged:
    """Put together what several stores found.

    Content has one uid everywhere, so it is one hit. What may not be seen in one's own store is counted; what other
    teams keep to themselves is not: whoever can ask for values could find them out by counting.

    Args:
        found: Of each store what matches, in its order.
        guard: Who says what may be seen.
        reach: From where the values come that were compared: the asker must be allowed to see that too.
        descending: The greatest first.
    """
    by_uid: dict[str, list[Placed]] = {}
    kept: list[tuple[str, Match]] = []
    unseen: set[str] = set()
    for one, matches in found:
        names = _nodes(one.place, {match.node for match in matches})
        hidden = _hidden(one, matches, names, guard, reach) if guard is not None else set()
        for match in matches:
            uid = names[match.node].uid
            if match.node not in hidden:
                by_uid.setdefault(uid, []).append((one, match.node))
                kept.append((uid, match))
            elif not one.place.name:
                unseen.add(uid)
    if len(found) > 1:
        kept = _ordered(kept, descending=descending)
    return Merged([by_uid[uid] for uid in dict.fromkeys(uid for uid, _ in kept)], len(unseen - set(by_uid)))


def readable(place: Place, numbers: Collection[int], guard: Guard | None) -> set[int]:
    """Those of these nodes that may be seen."""
    names = _nodes(place, numbers)
    if guard is None:
        return set(names)
    seen = guard.readable(place, list(names.values()))
    return {number for number, node in names.items() if node.uid in seen}


def _hidden(one: Looking, matches: Sequence[Match], names: Mapping[int, Node], guard: Guard, reach: Reach) -> set[int]:
    """Nodes that may not be seen, or that were found by something that may not be seen."""
    carriers = one.searcher.carriers(list(names), reach)
    everything = set(names).union(*carriers.values())
    seen = readable(one.place, everything, guard)
    return {number for number in names if not {number, *carriers.get(number, ())} <= seen}


def _nodes(place: Place, numbers: Collection[int]) -> dict[int, Node]:
    if not numbers:
        return {}
    with place.store.reading() as database:
        rows = reads.node_rows(database, numbers)
    return {number: Node(text_of(row[1]), KINDS[row[2]], row[3], row[4]) for number, row in rows.items()}


def _ordered(kept: list[tuple[str, Match]], *, descending: bool) -> list[tuple[str, Match]]:
    """By number, then by text, what has neither last; of equal ones as they came."""
    texts = [item for item in kept if item[1].text is not None]
    texts.sort(key=lambda item: item[1].text or "", reverse=descending)
    ordered = texts + [item for item in kept if item[1].text is None]
    numbers = [item for item in ordered if item[1].num is not None]
    numbers.sort(key=lambda item: item[1].num or 0.0, reverse=descending)
    return numbers + [item for item in ordered if item[1].num is None]
