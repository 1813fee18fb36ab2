"""Which column each box stands in, in which order, and through which columns the long wires pass.

Long wires of one source, or into one port, share a trunk: a place in each column that they pass. A trunk stands for
one source or for one port only, so a line can always be followed to its ends.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import msgspec

from replay.report.drawing import backward, columns

_SWEEPS = 12


class Wire(msgspec.Struct, frozen=True):
    """From the right side of the box ``source`` to a port on the left side of the box ``target``."""

    source: str
    target: str
    port: str

    @property
    def ends(self) -> tuple[str, str]:
        """Both boxes."""
        return self.source, self.target


class Link(msgspec.Struct, frozen=True):
    """A piece of wires between neighbouring columns; ``port`` is empty where it ends in a trunk."""

    left: str
    right: str
    port: str = ""


class Layers(msgspec.Struct, frozen=True):
    """Boxes and trunks by column, from top to bottom."""

    columns: list[list[str]]
    ways: dict[Wire, tuple[str, ...]]
    """Of each wire the trunks' places that it passes; wires that run backwards are not among them."""
    links: tuple[Link, ...]
    ports: dict[str, list[str]]
    """Of each box its ports from top to bottom."""


def arrange(keys: Sequence[str], wires: Sequence[Wire]) -> Layers:
    """Put boxes into columns, as few crossings between them as some sweeps find.

    Args:
        keys: The boxes; those named first come first where nothing else decides.
        wires: What joins them.
    """
    pairs = {(wire.source, wire.target) for wire in wires}
    closing = backward(keys, pairs)
    onward = [wire for wire in wires if (wire.source, wire.target) not in closing]
    rank = _ranks(keys, pairs - closing)
    ways = _ways(onward, rank)
    links = tuple(dict.fromkeys(link for wire, way in ways.items() for link in _links(wire, way)))
    stacks: list[list[str]] = [[] for _ in range(max(rank.values(), default=-1) + 1)]
    for key in keys:
        stacks[rank[key]].append(key)
    for place in dict.fromkeys(place for way in ways.values() for place in way):
        stacks[int(place.rpartition("|")[2])].append(place)
    ports: dict[str, list[str]] = {}
    for wire in wires:
        if wire.port not in ports.setdefault(wire.target, []):
            ports[wire.target].append(wire.port)
    return Layers(*_untangled(stacks, ways, links, ports))


def _ranks(keys: Sequence[str], ends: set[tuple[str, str]]) -> dict[str, int]:
    """Columns: the longest way there, then as far right as it does not lengthen the wires."""
    rank = columns(keys, ends)
    before: dict[str, list[str]] = {key: [] for key in keys}
    after: dict[str, list[str]] = {key: [] for key in keys}
    for left, right in ends:
        before[right].append(left)
        after[left].append(right)
    for key in sorted(keys, key=lambda key: -rank[key]):
        if after[key] and len(after[key]) >= len(before[key]):
            rank[key] = min(rank[other] for other in after[key]) - 1
    used = {number: place for place, number in enumerate(sorted(set(rank.values())))}
    return {key: used[number] for key, number in rank.items()}


def _ways(wires: Iterable[Wire], rank: Mapping[str, int]) -> dict[Wire, tuple[str, ...]]:
    wires = list(wires)
    long = [wire for wire in wires if rank[wire.target] - rank[wire.source] > 1]
    out = Counter(wire.source for wire in long)
    into = Counter((wire.target, wire.port) for wire in long)
    ways: dict[Wire, tuple[str, ...]] = {}
    for wire in wires:
        by_source = out[wire.source] > into[wire.target, wire.port]
        trunk = f"out|{wire.source}" if by_source else f"into|{wire.target}|{wire.port}"
        passed = range(rank[wire.source] + 1, rank[wire.target])
        ways[wire] = tuple(f"{trunk}|{number}" for number in passed)
    return ways


def _links(wire: Wire, way: tuple[str, ...]) -> Iterable[Link]:
    stops = (wire.source, *way, wire.target)
    for left, right in pairwise(stops):
        yield Link(left, right, wire.port if right == wire.target else "")


def _untangled(
    stacks: list[list[str]],
    ways: dict[Wire, tuple[str, ...]],
    links: tuple[Link, ...],
    ports: dict[str, list[str]],
) -> tuple[list[list[str]], dict[Wire, tuple[str, ...]], tuple[Link, ...], dict[str, list[str]]]:
    into: dict[str, list[Link]] = {}
    out: dict[str, list[Link]] = {}
    for link in links:
        into.setdefault(link.right, []).append(link)
        out.setdefault(link.left, []).append(link)
    best, fewest = [list(stack) for stack in stacks], _crossings(stacks, out, ports)
    best_ports = {key: list(names) for key, names in ports.items()}
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        for number in range(1, len(stacks)):
            _sort_by_left(stacks[number], stacks[number - 1], into)
            _sort_ports(stacks[number], stacks[number - 1], into, ports)
        if sweep < _SWEEPS - 1:
            for number in range(len(stacks) - 2, -1, -1):
                _sort_by_right(stacks[number], stacks[number + 1], out, ports)
        count = _crossings(stacks, out, ports)
        if count < fewest:
            best, fewest = [list(stack) for stack in stacks], count
            best_ports = {key: list(names) for key, names in ports.items()}
    return best, ways, links, best_ports


def _sort_by_left(stack: list[str], left: list[str], into: Mapping[str, list[Link]]) -> None:
    place = {key: float(number) for number, key in enumerate(left)}
    _sort(stack, {key: _mean([place[link.left] for link in into.get(key, ())]) for key in stack})


def _sort_by_right(
    stack: list[str], right: list[str], out: Mapping[str, list[Link]], ports: Mapping[str, list[str]]
) -> None:
    place = _heights(right, ports)
    _sort(stack, {key: _mean([place[link.right, link.port] for link in out.get(key, ())]) for key in stack})


def _sort_ports(
    stack: list[str], left: list[str], into: Mapping[str, list[Link]], ports: Mapping[str, list[str]]
) -> None:
    place = {key: float(number) for number, key in enumerate(left)}
    for key in stack:
        if key in ports:
            arriving: dict[str, list[float]] = {}
            for link in into.get(key, ()):
                arriving.setdefault(link.port, []).append(place[link.left])
            _sort(ports[key], {port: _mean(arriving.get(port, [])) for port in ports[key]})


def _sort(items: list[str], wanted: Mapping[str, float | None]) -> None:
    """By the place that each one wants; what wants none stays between its neighbours."""
    order: dict[str, float] = {}
    last = -1.0
    for item in items:
        want = wanted[item]
        last = order[item] = last if want is None else want
    items.sort(key=order.__getitem__)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _heights(stack: Sequence[str], ports: Mapping[str, list[str]]) -> dict[tuple[str, str], float]:
    """Where each port, and each trunk, stands in its column."""
    found: dict[tuple[str, str], float] = {}
    for number, key in enumerate(stack):
        names = ports.get(key, [])
        found[key, ""] = float(number)
        found |= {(key, port): number + place / (len(names) + 1) for place, port in enumerate(names)}
    return found


def _crossings(stacks: Sequence[list[str]], out: Mapping[str, list[Link]], ports: Mapping[str, list[str]]) -> int:
    """How often links cross, counted column by column as inversions."""
    count = 0
    for left, right in pairwise(stacks):
        place = _heights(right, ports)
        met: list[float] = []
        for key in left:
            ends = sorted(place[link.right, link.port] for link in out.get(key, ()))
            count += sum(len(met) - bisect_right(met, end) for end in ends)
            for end in ends:
                insort(met, end)
    return count
