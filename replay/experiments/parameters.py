"""Which settings of an execution are parameters, and what each is called among many executions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from replay.flatten import flatten_yaml

_ENVIRONMENT = re.compile(r"\$\{\s*oc\.env\s*:")
_PARTS = re.compile(r"[.\[]")


class Leaf(NamedTuple):
    """One setting that a step saw."""

    step: str
    source: str
    """The configuration that it stands in; empty for DVC's parameters, whose keys begin with their file."""
    key: str
    value: str
    """JSON text."""


def chosen(resolved: str, unresolved: str) -> dict[str, str]:
    """The leaves of a resolved configuration that somebody chose, as JSON text by key.

    What is interpolated from another leaf (or from the time of the run) follows it: a parameter that is copied to two
    places is one parameter, not three. Values from the environment are chosen.
    """
    derived = {
        key
        for key, value in (flatten_yaml(unresolved) or {}).items()
        if "${" in value and not _ENVIRONMENT.search(value)
    }
    leaves = flatten_yaml(resolved) or {}
    return {key: value for key, value in leaves.items() if derived.isdisjoint(_ancestors(key))}


def _ancestors(key: str) -> list[str]:
    """The key itself and all that it lies in: ``a``, ``a.b`` and ``a.b[0]`` for ``a.b[0]``."""
    return [key[: found.start()] for found in _PARTS.finditer(key)] + [key]


def named(executions: Sequence[Sequence[Leaf]]) -> list[dict[str, str]]:
    """Of each execution its parameters by name; a name means the same in all of them.

    The name is the key alone, unless two steps or two configurations of one execution disagree about it.
    """
    levels = {key: _level(key, executions) for key in {leaf.key for leaves in executions for leaf in leaves}}
    return [{_name(leaf, levels[leaf.key]): leaf.value for leaf in leaves} for leaves in executions]


def _level(key: str, executions: Sequence[Sequence[Leaf]]) -> int:
    """How much must stand before a key to tell its values apart: nothing, the step, or the configuration too."""
    for level in (0, 1):
        if all(
            _agree([(_name(leaf, level), leaf.value) for leaf in leaves if leaf.key == key]) for leaves in executions
        ):
            return level
    return 2


def _agree(pairs: Sequence[tuple[str, str]]) -> bool:
    return len(set(pairs)) == len({name for name, _ in pairs})


def _name(leaf: Leaf, level: int) -> str:
    if level == 0:
        return leaf.key
    return f"{leaf.step}/{leaf.key}" if level == 1 or not leaf.source else f"{leaf.step}/{leaf.source}:{leaf.key}"


def metric_names(executions: Sequence[Mapping[tuple[str, str], str]]) -> list[dict[str, str]]:
    """Of each execution its metrics by name: the metric's own, with its file before it where two files have it."""
    files: dict[str, set[str]] = {}
    for metrics in executions:
        for path, name in metrics:
            files.setdefault(name, set()).add(path)
    return [
        {(name if len(files[name]) == 1 else f"{path}:{name}"): value for (path, name), value in metrics.items()}
        for metrics in executions
    ]
