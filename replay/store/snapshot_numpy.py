"""The walk over a snapshot's arrays with numpy, level by level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

_Numbers = npt.NDArray[np.int64]


def reach(
    first: memoryview, following: memoryview, later: Mapping[int, list[int]], start: int, nodes: int
) -> Sequence[int]:
    """The numbers of a node and of all that can be reached from it, nearest first.

    Args:
        first: Where the neighbours of each node begin, ``nodes`` + 2 numbers.
        following: The neighbours.
        later: Neighbours that the arrays lack.
        start: The node.
        nodes: How many nodes the arrays have.
    """
    begins, ends = np.frombuffer(first, np.uint32), np.frombuffer(following, np.uint32)
    size = max([nodes, start, *later, *(max(far) for far in later.values())]) + 1
    met = np.zeros(size, dtype=bool)
    place = np.empty(size, dtype=np.int64)
    keys = np.fromiter(later, np.int64, len(later))
    front = np.array([start], dtype=np.int64)
    met[start] = True
    levels = [front]
    while len(front):
        known = front if not len(later) else front[front <= nodes]
        far = _neighbours(begins, ends, known)
        if len(later):
            extra = [other for number in front[np.isin(front, keys)].tolist() for other in later[number]]
            far = np.concatenate([far, np.array(extra, dtype=np.int64)])
        far = far[~met[far]]
        place[far] = np.arange(len(far))  # of equal ones the last stays: keep each once
        front = far[place[far] == np.arange(len(far))]
        met[front] = True
        levels.append(front)
    found: list[int] = np.concatenate(levels).tolist()
    return found


def _neighbours(begins: npt.NDArray[np.uint32], ends: npt.NDArray[np.uint32], front: _Numbers) -> _Numbers:
    low = begins[front].astype(np.int64)
    count = begins[front + 1] - low
    total = int(count.sum())
    if total == 0:
        return np.empty(0, dtype=np.int64)
    offset = np.repeat(low - (np.cumsum(count) - count), count)
    return ends[offset + np.arange(total)].astype(np.int64)
