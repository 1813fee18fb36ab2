"""From what a person writes to an expression; every mistake is shown at its place."""

from __future__ import annotations

import functools
import json
import re
from importlib import resources
from typing import TYPE_CHECKING, Any

from replay.errors import UsageError
from replay.search.check import check
from replay.search.expression import (
    KEYWORDS,
    Compare,
    Either,
    Every,
    Exists,
    Expression,
    Nested,
    Not,
    OneOf,
    Op,
    Value,
    Words,
)
from replay.search.fields import is_family, list_of
from replay.search.values import number_of

if TYPE_CHECKING:
    from lark import Lark, Token, Tree
    from lark.exceptions import UnexpectedInput

LONGEST = 10_000
"""Characters of an expression."""
DEEPEST = 50
"""Parts inside one another."""
_SPELLED = {"==": "=", "≤": "<=", "≥": ">="}
_GIVEN = {
    "BARE": "a word",
    "QUOTED": "a text in quotes",
    "OPERATOR": "an operator (=, !=, <, <=, >, >=, ~)",
    "LPAR": "(",
    "RPAR": ")",
    "LSQB": "[",
    "RSQB": "]",
    "COMMA": ",",
    "$END": "the end",
}


def parse(text: str) -> Expression:
    """Read an expression such as ``params.lr>0.1 and tag:desk=rates``.

    Raises:
        UsageError: It is none, or asks for a field, an operator or a value that there is not. The message shows where.
    """
    if len(text) > LONGEST:
        raise UsageError(f"got an expression of {len(text)} characters, expected at most {LONGEST}")
    from lark.exceptions import UnexpectedInput

    try:
        tree = _grammar().parse(text)
    except UnexpectedInput as error:
        raise _explained(text, error) from None
    return _Builder(text).build(tree, None, 0)


@functools.cache
def _grammar() -> Lark:
    from lark import Lark

    grammar = resources.files("replay.search").joinpath("grammar.lark").read_text()
    return Lark(grammar, parser="lalr", propagate_positions=True, maybe_placeholders=False)


class _Builder:
    """Makes an expression of the grammar's tree."""

    def __init__(self, text: str) -> None:
        self._text = text

    def build(self, tree: Tree[Token], inside: str | None, depth: int) -> Expression:
        """The expression of a part; ``inside`` is the list whose elements are asked."""
        if depth > DEEPEST:
            raise self._at(tree, UsageError(f"got more than {DEEPEST} parts inside one another"))
        rule = str(tree.data)
        if rule in {"every", "either"}:
            kind = Every if rule == "every" else Either
            return kind(of=tuple(self.build(part, inside, depth + 1) for part in tree.children))  # type: ignore[arg-type]
        if rule == "negation":
            return Not(of=self.build(tree.children[0], inside, depth + 1))  # type: ignore[arg-type]
        if rule == "element":
            return self._element(tree, depth)
        try:
            read = _spelt if rule.endswith("contains") or "~" in tree.children else _plain
            part: Expression = _LEAVES[rule](*map(read, tree.children))
            check(part, inside)
        except UsageError as error:
            raise self._at(tree, error) from None
        return part

    def _element(self, tree: Tree[Token], depth: int) -> Expression:
        word: Any
        word, inner = tree.children
        try:
            name = list_of(str(word))
        except UsageError as error:
            raise UsageError(f"{error}{_place(self._text, word.start_pos, word.end_pos)}", hint=error.hint) from None
        return Nested(list=name, where=self.build(inner, name, depth + 1))  # type: ignore[arg-type]

    def _at(self, tree: Tree[Token], error: UsageError) -> UsageError:
        meta = tree.meta
        return UsageError(f"{error}{_place(self._text, meta.start_pos, meta.end_pos)}", hint=error.hint)


def _plain(child: Any) -> Any:
    """A word of the tree, unquoted; a value with its type."""
    if getattr(child, "data", None) != "value":
        return child
    token = child.children[0]
    if token.type == "QUOTED":
        return _unquoted(token)
    number = number_of(token)
    return _whole(token) if number is None else number


def _spelt(child: Any) -> Any:
    """As `_plain`, where only texts make sense."""
    value = _plain(child)
    return str(child.children[0]) if isinstance(value, int | float) else value


def _unquoted(text: str) -> str:
    """The text between quotes; in double quotes with JSON's escapes where they are such."""
    if text[0] == '"':
        try:
            return str(json.loads(text, strict=False))
        except ValueError:  # a backslash that escapes nothing, as in "C:\data"
            pass
    return re.sub(r"\\([\\\"'])", r"\1", text[1:-1])


def _whole(word: str) -> str:
    """A bare word, with what it has in quotes."""
    head, quote, _ = str(word).partition('"')
    return head + _unquoted(word[len(head) :]) if quote else head


def _words(token: Token, star: str = "") -> Expression:
    if token.type == "QUOTED":
        return Words(text=_unquoted(token), begins=bool(star))
    if is_family(token):
        raise UsageError(
            f"got the field {_whole(token)!r} without a comparison",
            hint=f'write `{token} exists`, `{token} = VALUE`, or "{_whole(token)}" in quotes to find it as text',
        )
    text = _whole(token)
    return Words(text=text.removesuffix("*"), begins=text.endswith("*"))


def _compare(field: str, op: str, value: Value) -> Expression:
    return Compare(field=_whole(field), op=Op(_SPELLED.get(op, op)), value=value)


def _contains(field: str, value: Value) -> Expression:
    return Compare(field=_whole(field), op=Op.CONTAINS, value=value)


def _among(field: str, *values: Value) -> Expression:
    return OneOf(field=_whole(field), values=values)


def _but_not(field: str, part: Expression) -> Expression:
    """The field has a value, and none that is so; as ``!=``, where ``not`` before the whole is everything else."""
    return Every(of=(Exists(field=_whole(field)), Not(of=part)))


_LEAVES: dict[str, Any] = {
    "compare": _compare,
    "contains": _contains,
    "not_contains": lambda field, value: _but_not(field, _contains(field, value)),
    "among": _among,
    "not_among": lambda field, *values: _but_not(field, _among(field, *values)),
    "exists": lambda field: Exists(field=_whole(field)),
    "not_exists": lambda field: Not(of=Exists(field=_whole(field))),
    "words": _words,
}


def _explained(text: str, error: UnexpectedInput) -> UsageError:
    """What stands at the place of a mistake, and what could."""
    place: int | None = error.pos_in_stream
    start = place if place is not None and place >= 0 else len(text)
    token: Any = getattr(error, "token", None)
    if token is not None and token.type == "$END":
        got, start, end = "the end", len(text), len(text)
    else:
        got = repr(str(token)) if token is not None else repr(text[start])
        end = start + (len(token) if token is not None else 1)
    known: Any = getattr(error, "accepts", None) or getattr(error, "allowed", None) or getattr(error, "expected", ())
    return UsageError(f"got {got}, expected {_expected(set(known))}{_place(text, start, end)}", hint=_hint(text, start))


def _expected(names: set[str]) -> str:
    words = [said for name, said in _GIVEN.items() if name in names]
    if "_AND" in names or "_OR" in names:
        words.append("and, or")
    if "_IN" in names:
        words.append("in, contains, exists")
    return ", ".join(words[:-1]) + (" or " if len(words) > 1 else "") + words[-1] if words else "something else"


def _hint(text: str, start: int) -> str:
    if text[start : start + 1] in {'"', "'"}:
        return "a quote is opened here and not closed"
    if (word := re.match(r"\w*", text[start:])) and word[0].lower() in KEYWORDS:
        return f"{word[0]!r} is a word of the language: write it in quotes to find it as text"
    if re.search(r"\bin\s*$", text[:start], re.IGNORECASE):
        return "`in` takes values in parentheses: in (a, b)"
    return "for example: params.lr>0.1 and metrics.sharpe>=1 and tag:desk=rates"


def _place(text: str, start: int, end: int) -> str:
    """The line of a mistake with marks under it."""
    first = text.rfind("\n", 0, start) + 1
    line = text[first:].partition("\n")[0]
    width = max(1, min(end, first + len(line)) - start)
    return f"\n  {line}\n  {' ' * (start - first)}{'^' * width}"
