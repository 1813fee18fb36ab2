"""The cells of one column against those of another, as Arrow arrays of one type and length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from replay.compare.numeric import Array, add_arrays
from replay.compare.tally import Number, Tally
from replay.compare.tolerance import Limits

Place = Callable[[int], str]


def compare_cells(tally: Tally, recorded: pa.Array, replayed: pa.Array, limits: Limits, place: Place) -> None:
    """Count the differences; null equals null and nothing else."""
    kind = recorded.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        _numbers(tally, recorded, replayed, limits, place)
    elif pa.types.is_binary(kind):
        _texts(tally, recorded, replayed, limits, place)
    else:
        tally.total += len(recorded)
        for index in _unequal(recorded, replayed):
            tally.other(lambda index=index: place(int(index)))  # type: ignore[misc]


def _numbers(tally: Tally, recorded: pa.Array, replayed: pa.Array, limits: Limits, place: Place) -> None:
    if not (recorded.null_count or replayed.null_count):
        add_arrays(tally, _values(recorded), _values(replayed), limits, place)
        return
    one, two = _nulls(recorded), _nulls(replayed)
    both = np.flatnonzero(~(one | two))
    tally.total += len(recorded) - both.size
    for index in np.flatnonzero(one != two):
        tally.other(lambda index=index: place(int(index)))  # type: ignore[misc]
    left, right = (_values(pc.fill_null(a, 0))[both] for a in (recorded, replayed))
    add_arrays(tally, left, right, limits, lambda index: place(int(both[index])))


def _values(array: pa.Array) -> Array:
    values: Array = array.to_numpy(zero_copy_only=True)
    return values


def _nulls(array: pa.Array) -> Array:
    mask: Array = array.is_null().to_numpy(zero_copy_only=False)
    return mask


def _unequal(recorded: pa.Array, replayed: pa.Array) -> Array:
    """Indices of cells that differ; nested types have no comparison kernel and are compared as Python values."""
    if recorded.equals(replayed):
        return np.empty(0, np.intp)
    try:
        unequal = pc.not_equal(recorded, replayed)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return np.flatnonzero([not _same_scalar(one, two) for one, two in zip(recorded, replayed, strict=True)])
    mask = pc.or_(pc.fill_null(unequal, False), pc.xor(recorded.is_null(), replayed.is_null()))
    return np.flatnonzero(mask.to_numpy(zero_copy_only=False))


def _same_scalar(one: pa.Scalar, two: pa.Scalar) -> bool:
    try:
        return bool(one.equals(two)) or _same(one.as_py(), two.as_py())
    except (ValueError, OverflowError):  # a time that Python cannot hold; Arrow says that they differ
        return False


def _same(one: Any, two: Any) -> bool:
    """Equality of nested values, in which NaN equals NaN."""
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(_same(one[k], two[k]) for k in one)
    if isinstance(one, list | tuple) and isinstance(two, list | tuple):
        return len(one) == len(two) and all(map(_same, one, two))
    if isinstance(one, float) and isinstance(two, float):
        return one == two or (one != one and two != two)
    return type(one) is type(two) and bool(one == two)


def _texts(tally: Tally, recorded: pa.Array, replayed: pa.Array, limits: Limits, place: Place) -> None:
    """Raw cells: equal bytes, else equal numbers."""
    tally.total += len(recorded)
    for index in _unequal(recorded, replayed):
        one, two = _number(recorded[index].as_py()), _number(replayed[index].as_py())

        def where(index: Any = index) -> str:
            return place(int(index))

        if one is None or two is None:
            tally.other(where)
        else:
            tally.number(one, two, limits, where)


def _number(text: bytes | None) -> Number | None:
    """A cell as a number, when it is written as one; Python's ``1_000`` is none."""
    if text is None or len(text) > 400 or b"_" in text:
        return None
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return None
