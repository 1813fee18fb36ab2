"""Numbers in JSON metrics files, flattened to ``a.b[0]`` keys, and their differences."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import msgspec

MAX_BYTES = 4 << 20
MAX_KEYS = 2_000
_MAX_DEPTH = 50

Scalar = float | int | str | bool | None


class MetricRow(msgspec.Struct, frozen=True, kw_only=True):
    """One metric on both sides; a side that lacks it is ``None``."""

    key: str
    a: str | None
    b: str | None
    absolute: float | None = None
    """``b − a`` when both are finite numbers."""
    relative: float | None = None
    """``(b − a) / |a|`` when that is defined."""

    @property
    def same(self) -> bool:
        """Whether both sides wrote the same value."""
        return self.a == self.b


def read_metrics(data: bytes) -> dict[str, Scalar] | None:
    """The scalar values of a JSON object, by flattened key, in the file's order; ``None`` when it is none."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    found: dict[str, Scalar] = {}
    for key, item in _leaves(value, "", 0):
        if len(found) >= MAX_KEYS:
            break
        found[key] = item
    return found


def _leaves(value: Any, place: str, depth: int) -> Iterator[tuple[str, Scalar]]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{place}.{key}" if place else str(key), depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{place}[{index}]", depth + 1)
    else:
        yield place, value


def metric_rows(a: dict[str, Scalar], b: dict[str, Scalar]) -> list[MetricRow]:
    """Every key of either side, in the order of ``a``, then what only ``b`` has."""
    return [_row(key, a, b) for key in (*a, *(key for key in b if key not in a))]


def _row(key: str, a: dict[str, Scalar], b: dict[str, Scalar]) -> MetricRow:
    texts = [json.dumps(side[key], ensure_ascii=False) if key in side else None for side in (a, b)]
    before, after = _number(a.get(key)), _number(b.get(key))
    absolute = None if before is None or after is None else after - before
    relative = absolute / abs(before) if absolute is not None and before else None
    return MetricRow(key=key, a=texts[0], b=texts[1], absolute=_finite(absolute), relative=_finite(relative))


def _number(value: Scalar) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return _finite(float(value))
    except OverflowError:
        return None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def signed(value: float) -> str:
    """A difference with its sign, e.g. ``+3.3e-05``; exactly zero is ``0``."""
    return "0" if value == 0 else f"{value:+.6g}"


def percent(value: float) -> str:
    """A relative difference as a percentage with its sign; tiny ones in scientific notation."""
    if value == 0:
        return "0 %"
    return f"{value:+.3e}" if abs(value) < 1e-5 else f"{value * 100:+.4g} %"
