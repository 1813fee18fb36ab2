"""What can be asked of a node: every field, which operators it has, and where its values come from."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import NamedTuple

from replay.errors import UsageError
from replay.search.expression import Op
from replay.search.values import key_of


class Flow(enum.IntEnum):
    """How a value comes to a node: it is its own, or that of something which it stands for."""

    OWN = 0
    VALUES = 1
    """Of configs, metrics, code and images to their run; of runs to their execution, trial and model version."""
    TRIAL = 2
    """Of experiments to trials, executions, runs and model versions."""
    MODEL = 3
    """Of model groups to versions, their executions and runs."""
    PLACE = 4
    """Of locators to the content that lay there."""
    PART = 5
    """Of attributes that many nodes have alike to these nodes."""


class Form(enum.Enum):
    """What the values of a field are."""

    ANY = "any"
    KIND = "kind"
    TIME = "time"
    UID = "uid"
    DIGEST = "digest"


_WHOLE = (Op.EQUAL, Op.UNEQUAL)
OPERATORS: dict[Form, tuple[Op, ...]] = {
    Form.ANY: tuple(Op),
    Form.KIND: _WHOLE,
    Form.TIME: tuple(op for op in Op if op is not Op.CONTAINS),
    Form.UID: _WHOLE,
    Form.DIGEST: _WHOLE,
}
"""Beside ``exists``, ``not exists`` and ``in (…)``, which every field has."""


class Field(NamedTuple):
    """A field of nodes."""

    text: str
    """As it was written."""
    form: Form
    sources: tuple[tuple[str, Flow], ...]
    """Keys of the index, and how their values come to the node."""


PLAIN: dict[str, Field] = {
    field.text: field
    for field in (
        Field("name", Form.ANY, (("name", Flow.OWN), ("place", Flow.PLACE))),
        Field("kind", Form.KIND, ()),
        Field("type", Form.ANY, (("type", Flow.OWN),)),
        Field("id", Form.UID, ()),
        Field("created", Form.TIME, (("created", Flow.OWN),)),
        Field("modified", Form.TIME, (("modified", Flow.OWN),)),
        Field("status", Form.ANY, (("facet:status", Flow.OWN),)),
        Field("stage", Form.ANY, (("facet:stage", Flow.OWN),)),
        Field("owner", Form.ANY, (("facet:owner", Flow.OWN),)),
        Field("alias", Form.ANY, (("alias", Flow.OWN),)),
        Field("model", Form.ANY, (("model", Flow.MODEL),)),
        Field("version", Form.ANY, (("version", Flow.MODEL),)),
        Field("experiment", Form.ANY, (("experiment", Flow.TRIAL),)),
        Field("trial", Form.ANY, (("trial", Flow.TRIAL),)),
        Field("commit", Form.DIGEST, (("commit", Flow.VALUES),)),
        Field("image", Form.DIGEST, (("image", Flow.VALUES),)),
    )
}
"""Fields with a name of their own."""

PREFIXES: dict[str, tuple[str, tuple[Flow, ...]]] = {
    "params": ("params:", (Flow.VALUES,)),
    "metrics": ("metrics:", (Flow.VALUES,)),
    "seeds": ("seeds:", (Flow.VALUES,)),
    "tag": ("facet:tag:", (Flow.OWN,)),
    "property": ("facet:property:", (Flow.OWN,)),
    "facet": ("facet:", (Flow.OWN,)),
    "attrs": ("attrs:", (Flow.OWN, Flow.PART)),
}
"""Families of fields, such as ``params.NAME``: how their keys begin in the index."""

LISTS: dict[str, dict[str, str]] = {
    "inputs": {"size": "attrs.size", "files": "attrs.files"},
    "outputs": {"size": "attrs.size", "files": "attrs.files"},
    "steps": {
        "seconds": "attrs.facts.seconds",
        "started": "attrs.facts.started",
        "exit_code": "attrs.facts.exit_code",
        "command": "attrs.command",
    },
    "seeds": {},
    "deployments": {"to": "name"},
    "replays": {key: f"attrs.{key}" for key in ("verdict", "reason", "mode", "started", "recipe")},
}
"""Lists, and short names for fields of their elements, which have all fields of nodes besides."""

COLUMNS: dict[str, dict[str, str]] = {
    "inputs": {"role": "role", "path": "path", "storage": "storage"},
    "outputs": {"role": "role", "path": "path", "storage": "storage"},
    "seeds": {"name": "role", "place": "path", "value": "value"},
}
"""Fields of the elements of a list that are kept with the element itself. Seeds have no others."""


class Column(NamedTuple):
    """A field of an element that is kept with the element itself."""

    text: str
    name: str
    """What it is called in the index."""


def field_of(text: str, inside: str | None = None) -> Field | Column:
    """The field of this name.

    Args:
        text: As it was written, e.g. ``params.lr`` or ``tag:desk``.
        inside: The list whose elements are asked.

    Raises:
        UsageError: There is none; the hint has the valid ones, the nearest first.
    """
    if inside is not None:
        if column := COLUMNS.get(inside, {}).get(text):
            return Column(text, column)
        if inside == "seeds":
            raise _unknown(text, COLUMNS["seeds"], f"an element of {inside} has")
        if longer := LISTS[inside].get(text):
            return field_of(longer)._replace(text=text)
    if text in PLAIN:
        return PLAIN[text]
    for mark in ".:":
        head, found, key = text.partition(mark)
        if found and head in PREFIXES and key:
            before, flows = PREFIXES[head]
            return Field(text, Form.ANY, tuple((key_of(before + key), flow) for flow in flows))
    known = (*LISTS.get(inside or "", {}), *COLUMNS.get(inside or "", {}), *PLAIN, *_families())
    raise _unknown(text, known, "valid")


def list_of(text: str) -> str:
    """The list of this name.

    Raises:
        UsageError: There is none; the hint has the valid ones.
    """
    if text not in LISTS:
        raise _unknown(text, LISTS, "lists are", what="list")
    return text


def is_family(text: str) -> bool:
    """Whether a word looks like a field of a family, such as ``tag:desk``."""
    head = text.replace(":", ".").partition(".")
    return bool(head[1]) and head[0] in PREFIXES and bool(head[2])


def require_operator(field: Field | Column, op: Op) -> None:
    """Check that a field can be compared so.

    Raises:
        UsageError: It cannot; the hint has the valid operators.
    """
    if isinstance(field, Column):
        return
    valid = OPERATORS[field.form]
    if op not in valid:
        raise UsageError(
            f"{field.text} has no operator {op.value!r}",
            hint=f"valid for {field.text}: {', '.join(valid)}, in (…), exists, not exists",
        )


def _families() -> list[str]:
    marks = {"tag": "tag:KEY", "property": "property:KEY", "facet": "facet:KEY", "attrs": "attrs.PATH"}
    return [marks.get(family, f"{family}.NAME") for family in PREFIXES]


def near(word: str, known: Iterable[str]) -> list[str]:
    """The likeliest of the known words that could be meant, best first."""
    import difflib

    return difflib.get_close_matches(word, list(known), n=3, cutoff=0.6)


def _unknown(text: str, known: Iterable[str], intro: str, *, what: str = "field") -> UsageError:
    known = list(dict.fromkeys(known))
    guesses = near(text, known)
    head, mark, rest = text.replace(":", ".").partition(".")
    if mark and rest:
        guesses = [f"{family}{text[len(head) :]}" for family in near(head, PREFIXES)] or guesses
    meant = f"did you mean {' or '.join(guesses)}? " if guesses else ""
    return UsageError(f"unknown {what} {text!r}", hint=f"{meant}{intro}: {', '.join(known)}")
