"""What is searched for, as a value: the same in Python, on the command line and in JSON.

Every field of a node may have several values (an execution has the parameters of all its runs), so a comparison asks
whether one of them satisfies it. Numbers are compared with numbers and texts with texts, never one with the other:
``!=`` holds where there is a value of that type and none of them is equal. ``Not`` is everything else, also what has no
such field at all.
"""

from __future__ import annotations

import enum
import json
import re

import msgspec

Value = int | float | str


class Op(enum.StrEnum):
    """How a field is compared."""

    EQUAL = "="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="
    CONTAINS = "~"
    """The text has this text in it, letter by letter."""


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="is"):
    """Base of everything that an expression is made of."""


class Compare(_Part, frozen=True, kw_only=True, tag="compare"):
    """One of the field's values compares so."""

    field: str
    op: Op
    value: Value

    def __str__(self) -> str:
        return f"{_name(self.field)} {self.op} {_value(self.value)}"


class OneOf(_Part, frozen=True, kw_only=True, tag="in"):
    """One of the field's values is among these."""

    field: str
    values: tuple[Value, ...]

    def __str__(self) -> str:
        return f"{_name(self.field)} in ({', '.join(map(_value, self.values))})"


class Exists(_Part, frozen=True, kw_only=True, tag="exists"):
    """The field has a value; a list has an element."""

    field: str

    def __str__(self) -> str:
        return f"{_name(self.field)} exists"


class Words(_Part, frozen=True, kw_only=True, tag="words"):
    """These words stand one after the other in one of the node's texts."""

    text: str
    begins: bool = False
    """The last word need only begin so."""

    def __str__(self) -> str:
        return f"{quoted(self.text)}{'*' if self.begins else ''}"


class Nested(_Part, frozen=True, kw_only=True, tag="element"):
    """One element of the list satisfies all of it."""

    list: str
    where: Expression

    def __str__(self) -> str:
        return f"{self.list}[{self.where}]"


class Every(_Part, frozen=True, kw_only=True, tag="and"):
    """Every part holds."""

    of: tuple[Expression, ...]

    def __str__(self) -> str:
        return " and ".join(_grouped(part, Either, Every) for part in self.of)


class Either(_Part, frozen=True, kw_only=True, tag="or"):
    """One of the parts holds."""

    of: tuple[Expression, ...]

    def __str__(self) -> str:
        return " or ".join(_grouped(part, Either) for part in self.of)


class Not(_Part, frozen=True, kw_only=True, tag="not"):
    """It does not hold."""

    of: Expression

    def __str__(self) -> str:
        return f"not {_grouped(self.of, Either, Every)}"


Expression = Compare | OneOf | Exists | Words | Nested | Every | Either | Not

BARE = r"[^\s()\[\],\"'=!<>~≤≥]+"
"""What needs no quotes."""
KEYWORDS = frozenset({"and", "or", "not", "in", "exists", "contains"})
_BARE = re.compile(BARE)


def quoted(text: str) -> str:
    """A text in quotes, as it is written in an expression."""
    return json.dumps(text, ensure_ascii=False)


def _value(value: Value) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    from replay.search.values import number_of

    plain = _BARE.fullmatch(value) and value.lower() not in KEYWORDS and number_of(value) is None
    return value if plain else quoted(value)


def _name(field: str) -> str:
    if _BARE.fullmatch(field):
        return field
    head = re.match(r"[a-z]+[.:]", field)
    return f"{head[0]}{quoted(field[head.end() :])}" if head else field


def _grouped(part: Expression, *kinds: type) -> str:
    return f"({part})" if isinstance(part, kinds) else str(part)
