"""Comparison of NumPy arrays, chunk by chunk.

Bits are compared first, as unsigned integers: that is one vector instruction per 32 bytes, and only what differs is
looked at as numbers. Loaded only when arrays or tables differ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from replay.compare.tally import Tally
from replay.compare.tolerance import Limits

Array = npt.NDArray[Any]
Place = Callable[[int], str]
CHUNK = 128 << 10
"""Values at a time; measured best on a 2-core machine."""
_UNSIGNED: dict[int, Any] = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


def add_arrays(
    tally: Tally, recorded: Array, replayed: Array, limits: Limits, place: Place, scratch: Array | None = None
) -> None:
    """Count the differences of two one-dimensional contiguous arrays of one dtype and length.

    Args:
        tally: Where they are counted.
        recorded: The values on record.
        replayed: The values of the replay.
        limits: Applied to floats, complex numbers (each component) and integers; everything else is exact.
        place: Text for the position of an index, called for the first difference only.
        scratch: A ``bool`` buffer at least as long as the arrays, to save its allocation.
    """
    kind = recorded.dtype.kind
    if kind == "c" and recorded.dtype.itemsize <= 16:
        part = np.dtype(f"f{recorded.dtype.itemsize // 2}")
        halves = Tally()
        add_arrays(halves, recorded.view(part), replayed.view(part), limits, lambda index: place(index // 2))
        halves.total = recorded.size
        tally.merge(halves)
        return
    tally.total += recorded.size
    where = _unequal_bits(recorded, replayed, scratch)
    if not where.size:
        return
    one, two = recorded[where], replayed[where]
    if kind == "f":
        _floats(tally, one, two, where, limits, place)
    elif kind in "iu":
        _integers(tally, one, two, where, limits, place)
    else:
        _count(tally, where, np.zeros(where.size, bool), place)


def _unequal_bits(recorded: Array, replayed: Array, scratch: Array | None) -> Array:
    size = recorded.dtype.itemsize
    if recorded.dtype.kind == "V":  # raw bytes, for which NumPy has no comparison
        rows = (array.view(np.uint8).reshape(array.size, size) for array in (recorded, replayed))
        return np.flatnonzero(np.not_equal(*rows).any(axis=1))
    if recorded.dtype.kind in "fiubmM" and size in _UNSIGNED:
        recorded, replayed = recorded.view(_UNSIGNED[size]), replayed.view(_UNSIGNED[size])
    out = None if scratch is None else scratch[: recorded.size]
    mask = np.not_equal(recorded, replayed, out=out)
    return np.flatnonzero(mask) if mask.any() else np.empty(0, np.intp)


def _floats(tally: Tally, one: Array, two: Array, where: Array, limits: Limits, place: Place) -> None:
    with np.errstate(all="ignore"):
        unequal = (one != two) & ~(np.isnan(one) & np.isnan(two))
        one, two, where = one[unequal], two[unequal], where[unequal]
        distances = ulp_distances(one, two) if one.dtype.itemsize <= 8 else None
        wide = np.float64 if one.dtype.itemsize <= 8 else one.dtype
        base, other = one.astype(wide), two.astype(wide)
        gaps = np.abs(other - base)
        sizes = np.abs(base)
        finite = np.isfinite(gaps)
        passed = finite & (gaps <= limits.absolute + limits.relative * sizes)
        if distances is not None and limits.ulp:
            passed |= np.isfinite(base) & np.isfinite(other) & (distances <= np.uint64(limits.ulp))
        _sizes(tally, gaps, sizes, finite)
    if distances is not None and finite.any():
        tally.ulp = max(tally.ulp, int(distances[finite].max()))
    _count(tally, where, passed, place)


def _integers(tally: Tally, one: Array, two: Array, where: Array, limits: Limits, place: Place) -> None:
    unsigned = _UNSIGNED[one.dtype.itemsize]
    higher = two > one
    big, small = np.where(higher, two, one).view(unsigned), np.where(higher, one, two).view(unsigned)
    gaps = (big - small).astype(np.float64)
    sizes = np.abs(one.astype(np.float64))
    with np.errstate(all="ignore"):
        passed = gaps <= limits.absolute + limits.relative * sizes
        _sizes(tally, gaps, sizes, np.ones(gaps.size, bool))
    _count(tally, where, passed, place)


def _sizes(tally: Tally, gaps: Array, sizes: Array, finite: Array) -> None:
    tally.measured += int(finite.sum())
    tally.undefined += int(finite.size - finite.sum())
    if finite.any():
        tally.largest = max(tally.largest, float(gaps[finite].max()))
    ratio = gaps[finite & (sizes > 0)] / sizes[finite & (sizes > 0)]
    if ratio.size:
        tally.relative = max(tally.relative, float(ratio.max()))


def _count(tally: Tally, where: Array, passed: Array, place: Place) -> None:
    tally.differing += int(where.size)
    if where.size and not tally.first:
        tally.first = place(int(where[0]))
    beyond = where[~passed]
    tally.beyond += int(beyond.size)
    if beyond.size and not tally.first_beyond:
        tally.first_beyond = place(int(beyond[0]))


def ulp_distances(one: Array, other: Array) -> Array:
    """Distances in representable numbers of the arrays' own float type, as ``uint64``; ``±0`` are one number.

    Meaningless where a value is NaN or infinite. See `tolerance.ulp_distance` for the source of the ordering.
    """
    integer = np.dtype(f"i{one.dtype.itemsize}")
    lowest = np.iinfo(integer).min
    ordered = []
    for values in (one, other):
        bits = np.ascontiguousarray(values).view(integer)
        with np.errstate(over="ignore"):
            ordered.append(np.where(bits < 0, lowest - bits, bits).astype(np.int64))
    high, low = np.maximum(*ordered), np.minimum(*ordered)
    return high.view(np.uint64) - low.view(np.uint64)
