"""How high boxes and trunks stand: as straight as their wires can be while none of them overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from replay.report.lineage.layers import Layers

_ROUNDS = 24
_STIFF = 8.0
"""How much more a trunk's own direction counts than a wire that joins it."""


class Size(msgspec.Struct, frozen=True):
    """A box: its height, where wires leave on its right side, and how far down each of its ports is."""

    height: float
    out: float
    ports: dict[str, float]


_NONE = Size(0.0, 0.0, {"": 0.0})


class Gaps(msgspec.Struct, frozen=True):
    """Room between neighbours of a column."""

    boxes: float
    trunks: float


def heights(layers: Layers, sizes: Mapping[str, Size], gaps: Gaps) -> dict[str, float]:
    """The upper edge of each box and trunk; the topmost is at 0."""
    top: dict[str, float] = {}
    for stack in layers.columns:
        start = 0.0
        for number, key in enumerate(stack):
            start += _apart(stack[number - 1], key, sizes, gaps) if number else 0.0
            top[key] = start
    pulls = _pulls(layers, sizes)
    for number in range(_ROUNDS):
        onward = number % 2 == 0
        for stack in layers.columns if onward else reversed(layers.columns):
            _settle(stack, top, pulls, sizes, gaps, "left" if onward else "right" if number < _ROUNDS - 3 else "both")
    highest = min(top.values(), default=0.0)
    return {key: value - highest for key, value in top.items()}


def _pulls(layers: Layers, sizes: Mapping[str, Size]) -> dict[str, list[tuple[str, str, float, float]]]:
    """Of each item: who pulls it, from which side, by how much its top then differs from theirs, and how strongly."""
    pulls: dict[str, list[tuple[str, str, float, float]]] = {}
    for link in layers.links:
        left, right = sizes.get(link.left, _NONE), sizes.get(link.right, _NONE)
        difference = left.out - right.ports.get(link.port, 0.0)
        force = _STIFF if link.left not in sizes and link.right not in sizes else 1.0
        pulls.setdefault(link.right, []).append((link.left, "left", difference, force))
        pulls.setdefault(link.left, []).append((link.right, "right", -difference, force))
    return pulls


def _settle(
    stack: Sequence[str],
    top: dict[str, float],
    pulls: Mapping[str, list[tuple[str, str, float, float]]],
    sizes: Mapping[str, Size],
    gaps: Gaps,
    side: str,
) -> None:
    """Move a column's items to where they are pulled to, keeping their order and the room between them."""
    below, offsets = 0.0, []
    for number, key in enumerate(stack):
        below += _apart(stack[number - 1], key, sizes, gaps) if number else 0.0
        offsets.append(below)
    wanted, weights = [], []
    for key, offset in zip(stack, offsets, strict=True):
        felt = [pull for pull in pulls.get(key, ()) if side in (pull[1], "both")]
        force = sum(pull[3] for pull in felt)
        place = sum((top[pull[0]] + pull[2]) * pull[3] for pull in felt) / force if felt else top[key]
        wanted.append(place - offset)
        weights.append(force if felt else 0.2)
    for key, offset, place in zip(stack, offsets, ascending(wanted, weights), strict=True):
        top[key] = place + offset


def ascending(wanted: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The values nearest to ``wanted`` (least squares, weighted) of which none is less than the one before it.

    Neighbours that would pass each other are pooled at their mean (pool adjacent violators).
    """
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(wanted, weights, strict=True):
        pool = (value, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            mean, force, count = pools.pop()
            both = force + pool[1]
            pool = ((mean * force + pool[0] * pool[1]) / both, both, count + pool[2])
        pools.append(pool)
    return [mean for mean, _, count in pools for _ in range(count)]


def _apart(upper: str, lower: str, sizes: Mapping[str, Size], gaps: Gaps) -> float:
    """From the upper edge of one item to that of the next one."""
    gap = gaps.boxes if upper in sizes and lower in sizes else gaps.trunks
    return sizes.get(upper, _NONE).height + gap
