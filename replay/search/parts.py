"""The parts of an expression: what it names, and which of it must hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from replay.search.expression import Compare, Either, Every, Exists, Expression, Nested, Not, OneOf, Words
from replay.search.fields import LISTS, Column, Flow, field_of


class Leaf(NamedTuple):
    """A comparison, or a question for words."""

    part: Compare | OneOf | Exists | Words
    inside: str | None
    """The list whose elements are asked."""
    positive: bool
    """It stands under no ``not`` (or under two)."""


def leaves(expression: Expression, inside: str | None = None, *, positive: bool = True) -> Iterator[Leaf]:
    """Every part that has no others in it, from left to right."""
    if isinstance(expression, Every | Either):
        for part in expression.of:
            yield from leaves(part, inside, positive=positive)
    elif isinstance(expression, Not):
        yield from leaves(expression.of, inside, positive=not positive)
    elif isinstance(expression, Nested):
        yield from leaves(expression.where, expression.list, positive=positive)
    else:
        yield Leaf(expression, inside, positive)


def fields_named(expression: Expression | None) -> list[str]:
    """The fields of nodes that an expression asks for, from left to right."""
    if expression is None:
        return []
    found = [leaf.part.field for leaf in leaves(expression) if leaf.inside is None and not isinstance(leaf.part, Words)]
    return [name for name in dict.fromkeys(found) if name not in LISTS]


def keys_named(expression: Expression) -> set[str]:
    """The keys of the index that an expression asks for."""
    found = set()
    for leaf in leaves(expression):
        if isinstance(leaf.part, Words) or (leaf.inside is None and leaf.part.field in LISTS):
            continue
        field = field_of(leaf.part.field, leaf.inside)
        if not isinstance(field, Column):
            found |= {key for key, _ in field.sources}
    return found


class Reach(NamedTuple):
    """From where an expression takes what it compares, besides the nodes that it finds."""

    flows: frozenset[Flow]
    lists: frozenset[str]


def reach_of(expression: Expression | None, *others: str | None) -> Reach:
    """Where an expression, and further fields such as that of the order, look."""
    flows: set[Flow] = set()
    lists: set[str] = set()
    for leaf in leaves(expression) if expression is not None else ():
        lists |= {leaf.inside} if leaf.inside else set()
        if isinstance(leaf.part, Words):
            flows |= set(Flow)
        elif leaf.inside is None and leaf.part.field in LISTS:
            lists.add(leaf.part.field)
        else:
            flows |= _flows_of(leaf.part.field, leaf.inside)
    for name in others:
        flows |= _flows_of(name, None) if name else set()
    return Reach(frozenset(flows - {Flow.OWN}), frozenset(lists))


def _flows_of(name: str, inside: str | None) -> set[Flow]:
    field = field_of(name, inside)
    return set() if isinstance(field, Column) else {flow for _, flow in field.sources}
