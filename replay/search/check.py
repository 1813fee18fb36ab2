"""Checks an expression: are there such fields, operators and values, and can it match anything at all?"""

from __future__ import annotations

import re

from replay.errors import UsageError
from replay.lineage import Kind
from replay.search.expression import Compare, Either, Every, Exists, Expression, Nested, Not, OneOf, Op, Value, Words
from replay.search.fields import LISTS, Column, Field, Form, field_of, list_of, require_operator
from replay.search.times import moments
from replay.search.words import MOST, words_of

MOST_PARTS = 200
_DIGEST = re.compile(r"(?:[a-z0-9]+:)?[0-9a-fA-F]{4,64}")


def check(expression: Expression, inside: str | None = None) -> None:
    """Check a whole expression, or a part of one that is asked of the elements of a list.

    Raises:
        UsageError: A field, an operator or a value that there is not; the hint has the valid ones.
    """
    count = _check(expression, inside, 0)
    if count > MOST_PARTS:
        raise UsageError(f"got an expression of {count} parts, expected at most {MOST_PARTS}")


def _check(expression: Expression, inside: str | None, depth: int) -> int:
    """Check; how many comparisons it has."""
    if depth > MOST_PARTS:
        raise UsageError(f"got an expression with more than {MOST_PARTS} parts inside one another")
    if isinstance(expression, Every | Either):
        if not expression.of:
            raise UsageError("got `and` or `or` of nothing, expected at least one part")
        return sum(_check(part, inside, depth + 1) for part in expression.of)
    if isinstance(expression, Not):
        return _check(expression.of, inside, depth + 1)
    if isinstance(expression, Nested):
        return _check(expression.where, list_of(expression.list), depth + 1)
    _check_part(expression, inside)
    return len(expression.values) if isinstance(expression, OneOf) else 1


def _check_part(part: Compare | OneOf | Exists | Words, inside: str | None) -> None:
    if isinstance(part, Words):
        _check_words(part)
    elif isinstance(part, Exists):
        if inside is not None or part.field not in LISTS:
            field_of(part.field, inside)
    elif isinstance(part, OneOf):
        if not part.values:
            raise UsageError(f"{part.field}: got `in` without values, expected at least one")
        for value in part.values:
            _check_value(field_of(part.field, inside), Op.EQUAL, value)
    else:
        field = field_of(part.field, inside)
        require_operator(field, part.op)
        _check_value(field, part.op, part.value)


def _check_words(part: Words) -> None:
    count = len(words_of(part.text))
    if not count:
        raise UsageError(
            f"got the text {part.text!r}, which has no word in it", hint="words are runs of letters and digits"
        )
    if count > MOST:
        raise UsageError(f"got a text of {count} words, expected at most {MOST}", hint="find a part of it")


def _check_value(field: Field | Column, op: Op, value: Value) -> None:
    if op is Op.CONTAINS and not isinstance(value, str):
        raise UsageError(
            f"{field.text}: got the number {value} for ~, expected a text", hint=f'write it in quotes: "{value}"'
        )
    if isinstance(field, Column):
        return
    if field.form is Form.KIND and value not in set(Kind):
        raise UsageError(f"unknown kind {value!r}", hint=f"valid: {', '.join(Kind)}")
    if field.form is Form.TIME:
        moments(str(value))
    if field.form in {Form.DIGEST, Form.UID}:
        _check_digest(field, value)


def _check_digest(field: Field, value: Value) -> None:
    text = str(value)
    if field.form is Form.UID:
        from replay.uid import ranges_of

        good = bool(ranges_of(text.removeprefix("rp_")))
    else:
        good = _DIGEST.fullmatch(text) is not None
    if not good:
        what = "an id or its beginning" if field.form is Form.UID else "a digest or its beginning in hex"
        raise UsageError(
            f"{field.text}: got {text!r}, expected {what}, at least 4 characters",
            hint=f'an id of digits only needs quotes: {field.text}="{text}"' if text.isdigit() else None,
        )
