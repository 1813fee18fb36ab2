"""Why an expression can match nothing, whatever is recorded."""

from __future__ import annotations

from collections.abc import Iterator

from replay.lineage import TYPES, Kind
from replay.search.expression import Compare, Either, Every, Exists, Expression, Nested, Not, OneOf, Op, Words
from replay.search.fields import LISTS
from replay.search.times import moments
from replay.search.words import is_digest, words_of

_MADE = (Kind.RUN, Kind.COLLECTION, Kind.MODEL_VERSION)
_HOMES: dict[str, tuple[Kind, ...]] = {
    "params": (Kind.CONFIG, *_MADE),
    "metrics": (Kind.METRICS, *_MADE),
    "seeds": _MADE,
    "commit": (Kind.CODE, *_MADE),
    "image": (Kind.IMAGE, *_MADE),
    "model": _MADE,
    "version": _MADE,
    "experiment": _MADE,
    "trial": _MADE,
    "alias": (Kind.MODEL_VERSION,),
    "inputs": _MADE,
    "outputs": _MADE,
    "steps": (Kind.COLLECTION, Kind.MODEL_VERSION),
    "deployments": (Kind.MODEL_VERSION,),
    "replays": (Kind.MODEL_VERSION, Kind.RUN, Kind.COLLECTION),
}
"""Kinds of nodes that can have a field, a family of fields or a list; every kind can have the others."""


def impossible(expression: Expression) -> Iterator[str]:
    """Each contradiction in an expression."""
    if isinstance(expression, Every):
        parts = list(_flat(expression))
        yield from _kinds(parts)
        yield from _times(parts)
        for part in parts:
            yield from impossible(part)
    elif isinstance(expression, Either):
        for part in expression.of:
            yield from impossible(part)
    elif isinstance(expression, Nested):
        yield from impossible(expression.where)
    elif isinstance(expression, Words) and any(map(is_digest, words_of(expression.text))):
        yield f"nothing can match: digests are not in the full text; write id={expression.text}"


def _flat(expression: Every) -> Iterator[Expression]:
    for part in expression.of:
        if isinstance(part, Every):
            yield from _flat(part)
        else:
            yield part


def _kinds(parts: list[Expression]) -> Iterator[str]:
    """Kinds that exclude one another, or kinds that have not what is asked of them."""
    wanted: set[str] | None = None
    for part in parts:
        if (kinds := _values_of("kind", part)) is not None:
            wanted = kinds if wanted is None else wanted & kinds
            if not wanted:
                yield "nothing can match: one node is asked to be of several kinds"
                return
    for part in parts:
        name = _asked(part)
        if name == "type":
            types = _values_of("type", part) or set()
            homes = {kind for kind, known in TYPES.items() if types & set(known)}
        else:
            homes = set(_HOMES.get(name.replace(":", ".").partition(".")[0], ()))
        if homes and wanted and not wanted & {kind.value for kind in homes}:
            told = f"a {part}" if name == "type" else name
            yield f"nothing can match: only {_listed(homes)} can have {told}, asked for among {_listed(wanted)}"


def _asked(part: Expression) -> str:
    """The field or the list that a part is about, when it must be there."""
    if isinstance(part, Nested):
        return part.list
    if isinstance(part, Exists) and part.field in LISTS:
        return part.field
    if isinstance(part, Compare | OneOf | Exists):
        return part.field
    return ""


def _values_of(field: str, part: Expression) -> set[str] | None:
    """The values of which one is demanded of a field, if the part does so."""
    if isinstance(part, Compare) and part.field == field and part.op is Op.EQUAL:
        return {str(part.value)}
    if isinstance(part, OneOf) and part.field == field:
        return {str(value) for value in part.values}
    if isinstance(part, Either):
        sets = [_values_of(field, one) for one in part.of]
        return {value for one in sets for value in one or ()} if all(one is not None for one in sets) else None
    if field == "kind" and isinstance(part, Not) and (other := _values_of(field, part.of)) is not None:
        return {kind.value for kind in Kind} - other
    return None


def _times(parts: list[Expression]) -> Iterator[str]:
    """Windows of time that are empty."""
    for field in ("created", "modified"):
        first, last = -(1 << 63), 1 << 63
        for part in parts:
            if isinstance(part, Compare) and part.field == field:
                start, end = moments(str(part.value))
                if part.op in {Op.EQUAL, Op.AT_LEAST}:
                    first = max(first, start)
                if part.op in {Op.EQUAL, Op.AT_MOST}:
                    last = min(last, end)
                if part.op is Op.MORE:
                    first = max(first, end)
                if part.op is Op.LESS:
                    last = min(last, start)
        if first >= last:
            yield f"nothing can match: no time is asked for that {field} can be"


def _listed(kinds: set[Kind] | set[str]) -> str:
    return " or ".join(sorted(str(kind) for kind in kinds))
