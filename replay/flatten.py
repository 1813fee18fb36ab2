"""Flat ``a.b[0]`` keys of a configuration; bounded, since a recipe is untrusted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

MAX_BYTES = 1 << 20
MAX_KEYS = 20_000
_MAX_DEPTH = 40


def flatten_yaml(text: str) -> dict[str, str] | None:
    """Each leaf as JSON text by its key, empty containers too; ``None`` when it is no YAML or beyond the bounds."""
    import yaml

    if len(text) > MAX_BYTES:
        return None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's takes a tenth of the time, where it was built
    try:
        value = yaml.load(text, Loader=loader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    return flatten(value)


def flatten(value: Any, place: str = "") -> dict[str, str] | None:
    """Each leaf as JSON text by its key below ``place``; ``None`` when there are too many."""
    found: dict[str, str] = {}
    for key, leaf in _leaves(value, place, 0):
        # Aliases can make a small text have endless leaves.
        if len(found) >= MAX_KEYS:
            return None
        found[key] = leaf
    return found


def _leaves(value: Any, place: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth < _MAX_DEPTH and isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{place}.{key}" if place else str(key), depth + 1)
    elif depth < _MAX_DEPTH and isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _leaves(item, f"{place}[{index}]", depth + 1)
    else:
        yield place, _text(value)


def leaf(value: Any) -> str:
    """A value as people compare it: a text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _text(value: Any) -> str:
    if isinstance(value, dict | list) and value:
        return "(nested too deeply)"
    return json.dumps(value, ensure_ascii=False, default=str)
