"""What is odd about a search: filters that can match nothing, and what was probably meant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from replay.ask.interface import Guard
from replay.ask.search.looking import Looking
from replay.ask.search.seen import readable
from replay.search.expression import Compare, Exists, Expression, OneOf, Words
from replay.search.fields import LISTS, PREFIXES, Column, Field, Form, field_of, near
from replay.search.impossible import impossible
from replay.search.parts import Leaf, leaves
from replay.search.values import Number, comparable


def findings_of(expression: Expression, places: Sequence[Looking], guard: Guard | None) -> tuple[str, ...]:
    """Each filter that can match nothing: because of the question itself, or of what is recorded in one's own store."""
    found = [*impossible(expression), *(text for leaf in leaves(expression) for text in _of(leaf, places, guard))]
    return tuple(dict.fromkeys(found))


def _of(leaf: Leaf, places: Sequence[Looking], guard: Guard | None) -> Iterator[str]:
    part = leaf.part
    if isinstance(part, Words) or (isinstance(part, Exists) and (not leaf.positive or part.field in LISTS)):
        return
    field = field_of(part.field, leaf.inside)
    if isinstance(field, Column) or not field.sources:
        return
    known = [places[0].searcher.recorded(key) for key, _ in field.sources]
    numbers, texts = any(one for one, _ in known), any(two for _, two in known)
    if not numbers and not texts:
        meant = _meant(field, places[0], guard)
        where = "in this store " if len(places) > 1 else ""
        yield f"nothing {where}has {field.text}" + (f"; did you mean {' or '.join(meant)}?" if meant else "")
    elif field.form is Form.ANY and not isinstance(part, Exists):
        yield from _mistyped(part, field, numbers=numbers, texts=texts)


def _mistyped(part: Compare | OneOf, field: Field, *, numbers: bool, texts: bool) -> Iterator[str]:
    """Numbers are never equal to texts, nor greater or less."""
    for value in part.values if isinstance(part, OneOf) else (part.value,):
        number = isinstance(comparable(value), Number)
        if number and not numbers:
            yield f'{field.text} holds texts only and is compared with the number {value}; write "{value}" for the text'
        elif not number and not texts:
            yield f"{field.text} holds numbers only and is compared with the text {str(value)!r}"


def _meant(field: Field, own: Looking, guard: Guard | None) -> list[str]:
    """Recorded fields that were probably meant; of what the asker may not see nothing is told."""
    head = field.text.replace(":", ".").partition(".")[0]
    if head not in PREFIXES:
        return []
    before = PREFIXES[head][0]
    typed = field.sources[0][0].removeprefix(before)
    known = [key.removeprefix(before) for key in own.searcher.keys_like(before)]
    known = [name for name in known if ":" not in name or ":" in typed]  # with the file it would be there twice
    longer = [name for name in known if name.endswith((f".{typed}", f":{typed}"))][:2]
    mark = field.text[len(head)]
    found = []
    for name in dict.fromkeys((*near(typed, known), *longer)):
        if guard is None or readable(own.place, own.searcher.sample(before + name), guard):
            found.append(f"{head}{mark}{name}")
    return found
