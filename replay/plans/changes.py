"""What changed between two pipeline definitions, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from replay.flatten import leaf
from replay.report.words import command_text

_TEXTS = ("directory",)
_NAMES = ("inputs", "parameters")


class PlanChange(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that differs; it is absent where a side is nothing."""

    step: str
    """Empty for what is no step's."""
    what: str
    before: str | None
    after: str | None


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[PlanChange, ...]:
    """What differs between two definitions (as `record.graph.Definition` is kept), in the order of their steps.

    A definition of another program is compared as far as it has the same form.
    """
    return tuple(_changes(before, after))


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[PlanChange]:
    if before.get("model") != after.get("model"):
        yield PlanChange(step="", what="model", before=_text(before.get("model")), after=_text(after.get("model")))
    old, new = _steps(before), _steps(after)
    for name in dict.fromkeys((*old, *new)):
        if name not in old:
            yield PlanChange(step=name, what="step", before=None, after=_command(new[name]))
        elif name not in new:
            yield PlanChange(step=name, what="step", before=_command(old[name]), after=None)
        else:
            yield from _step(name, old[name], new[name])
    common = [name for name in old if name in new]
    if common != [name for name in new if name in old]:
        yield PlanChange(step="", what="order of steps", before=", ".join(old), after=", ".join(new))


def _step(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[PlanChange]:
    if _command(before) != _command(after):
        yield PlanChange(step=name, what="command", before=_command(before), after=_command(after))
    for key in _TEXTS:
        if before.get(key) != after.get(key):
            yield PlanChange(step=name, what=key, before=_text(before.get(key)), after=_text(after.get(key)))
    for key in _NAMES:
        yield from _sets(
            name, key.removesuffix("s"), *({one: one for one in side.get(key, ())} for side in (before, after))
        )
    yield from _sets(name, "output", *(dict(_outputs(side)) for side in (before, after)))


def _sets(step: str, what: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[PlanChange]:
    for key in dict.fromkeys((*before, *after)):
        if before.get(key) != after.get(key):
            yield PlanChange(step=step, what=what, before=before.get(key), after=after.get(key))


def _outputs(step: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for output in step.get("outputs", ()):
        if isinstance(output, Mapping):
            path = str(output.get("path", ""))
            kept = [word for word in ("cache", "metric", "plot") if output.get(word)]
            yield path, f"{path} ({', '.join(kept)})" if kept else path


def _steps(definition: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    found = [step for step in definition.get("steps", ()) if isinstance(step, Mapping)]
    return {str(step.get("name", "")): step for step in found}


def _command(step: Mapping[str, Any]) -> str:
    command = step.get("command", ())
    return command_text([str(word) for word in command]) if isinstance(command, list | tuple) else leaf(command)


def _text(value: object) -> str | None:
    return None if value is None else leaf(value)
