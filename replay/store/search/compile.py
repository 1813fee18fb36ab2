"""From an expression to SQL: every part becomes the set of nodes that satisfy it; and, or, not join the sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from replay.lineage import Kind
from replay.search.expression import Compare, Either, Every, Exists, Expression, Nested, Not, OneOf, Op, Value, Words
from replay.search.fields import LISTS, Column, Field, Flow, Form, field_of
from replay.search.times import moments
from replay.search.values import Number, Text, comparable
from replay.search.words import words_of
from replay.store.rows import KIND_CODES
from replay.store.search.edges import LIST_CODES
from replay.store.search.index import IndexDatabase

_RUN = KIND_CODES[Kind.RUN]
_OF_RUNS = ("inputs", "outputs", "seeds")
"""Lists of runs, which also those have that stand for runs."""
_ORDER = {Op.LESS: "<", Op.AT_MOST: "<=", Op.MORE: ">", Op.AT_LEAST: ">="}
_LAST = "\U0010ffff"
_NOTHING = "1 = 0"


class Sql(NamedTuple):
    """A piece of SQL and the values for its question marks, in order."""

    text: str
    values: tuple[Any, ...] = ()


class Subject(NamedTuple):
    """Of what a condition is asked: columns of the query around it."""

    node: str
    kind: str | None = None
    inside: str | None = None
    """The list whose element it is."""


def joined(word: str, parts: Sequence[Sql]) -> Sql:
    """Pieces joined by ``AND``, ``OR`` or ``UNION ALL``."""
    return Sql(f" {word} ".join(part.text for part in parts), tuple(value for part in parts for value in part.values))


class Compiler:
    """Compiles expressions for one index at one transaction of its record."""

    def __init__(
        self,
        database: IndexDatabase,
        at: int,
        keys: dict[str, int],
        numbers_of: Callable[[str], Sequence[int]],
    ) -> None:
        """Begin.

        Args:
            database: The index.
            at: The last transaction that counts.
            keys: The numbers of the keys that expressions name; a key without one has no values.
            numbers_of: The nodes whose id begins so.
        """
        self._database = database
        self._at = at
        self._keys = keys
        self._numbers_of = numbers_of

    def condition(self, part: Expression, subject: Subject) -> Sql:
        """Whether a node, or an element of a list, satisfies an expression."""
        if isinstance(part, Every | Either):
            word = "AND" if isinstance(part, Every) else "OR"
            inner = joined(word, [self.condition(one, subject) for one in part.of])
            return Sql(f"({inner.text})", inner.values)
        if isinstance(part, Not):
            inner = self.condition(part.of, subject)
            return Sql(f"NOT {inner.text}", inner.values)
        if isinstance(part, Nested):
            return self._among(subject, self._owners(part))
        if isinstance(part, Words):
            return self._among(subject, self._wordy(part))
        if isinstance(part, Exists) and subject.inside is None and part.field in LISTS:
            return self._among(subject, self._owners(Nested(list=part.field, where=Every(of=()))))
        field = field_of(part.field, subject.inside)
        if isinstance(field, Column):
            return self._of_column(field, part)
        if isinstance(part, Exists):
            return self._exists(field, subject)
        if isinstance(part, OneOf):
            inner = joined("OR", [self._compared(field, Op.EQUAL, value, subject) for value in part.values])
            return Sql(f"({inner.text})", inner.values)
        return self._compared(field, part.op, part.value, subject)

    # -- fields of nodes ---------------------------------------------------------------------------------------------

    def _exists(self, field: Field, subject: Subject) -> Sql:
        if field.form in {Form.KIND, Form.UID}:
            return Sql("1 = 1")
        return self._among(subject, self._having(field, None))

    def _compared(self, field: Field, op: Op, value: Value, subject: Subject) -> Sql:
        if op is Op.UNEQUAL:
            equal = self._compared(field, Op.EQUAL, value, subject)
            if field.form in {Form.KIND, Form.UID}:
                return Sql(f"NOT {equal.text}", equal.values)
            some = self._among(subject, self._having(field, self._of_type(field, value)))
            return Sql(f"({some.text} AND NOT {equal.text})", (*some.values, *equal.values))
        if field.form is Form.KIND:
            kind = KIND_CODES[Kind(str(value))]
            if subject.kind is not None:
                return Sql(f"{subject.kind} = ?", (kind,))
            return self._among(subject, Sql("SELECT n.node FROM search_nodes n WHERE n.kind = ?", (kind,)))
        if field.form is Form.UID:
            numbers = self._database.many(self._numbers_of(str(value)))
            return Sql(f"{subject.node} {self._database.any}", (numbers,))
        return self._among(subject, self._having(field, _comparison(field, op, value, self._database.position)))

    @staticmethod
    def _of_type(field: Field, value: Value) -> tuple[str, Sql]:
        """Any value of the type of ``value``."""
        number = field.form is Form.TIME or (field.form is Form.ANY and isinstance(comparable(value), Number))
        return ("numbers" if number else "strings", Sql("1 = 1"))

    def _having(self, field: Field, which: tuple[str, Sql] | None) -> Sql:
        """The nodes with a value of a field: of any type, or those of one type that satisfy a condition."""
        found = []
        for key, flow in field.sources:
            if (number := self._keys.get(key)) is not None:
                for kind, test in [which] if which else [("numbers", Sql("1 = 1")), ("strings", Sql("1 = 1"))]:
                    found.append(self._carried(kind, number, flow, test))
        return joined("UNION ALL", found) if found else Sql(f"SELECT 0 WHERE {_NOTHING}")

    def _carried(self, kind: str, key: int, flow: Flow, test: Sql) -> Sql:
        holds = "f.since <= ? AND (f.until IS NULL OR f.until > ?)"
        values = (key, *test.values, self._at, self._at)
        if flow is Flow.OWN:
            return Sql(f"SELECT f.node FROM search_{kind} f WHERE f.key = ? AND {test.text} AND {holds}", values)
        # CROSS JOIN keeps SQLite to this order: first the values, by their index, then where they go.
        return Sql(
            f"SELECT l.doc FROM search_{kind} f CROSS JOIN search_links l WHERE f.key = ? AND {test.text} AND {holds} "
            "AND l.carrier = f.node AND l.flow = ? AND l.since <= ?",
            (*values, int(flow), self._at),
        )

    def _among(self, subject: Subject, nodes: Sql) -> Sql:
        return Sql(f"{subject.node} IN ({nodes.text})", nodes.values)

    # -- words -------------------------------------------------------------------------------------------------------

    def _wordy(self, part: Words) -> Sql:
        """Nodes in whose own texts, or in those of what stands for them, these words are."""
        match, value = self._database.matching(words_of(part.text), begins=part.begins)
        holds = "t.since <= ? AND (t.until IS NULL OR t.until > ?)"
        at = self._at
        own = Sql(f"SELECT t.node FROM search_texts t WHERE {match} AND {holds}", (value, at, at))
        others = Sql(
            f"SELECT l.doc FROM search_texts t CROSS JOIN search_links l WHERE {match} AND t.facet = 0 AND {holds} "
            "AND l.carrier = t.node AND l.since <= ?",
            (value, at, at, at),
        )
        return joined("UNION ALL", [own, others])

    # -- lists -------------------------------------------------------------------------------------------------------

    def _owners(self, part: Nested) -> Sql:
        """Nodes with an element that satisfies all of it."""
        every = isinstance(part.where, Every) and not part.where.of
        if part.list == "steps":
            inner = Sql("1 = 1") if every else self.condition(part.where, Subject("l.carrier", inside="steps"))
            return Sql(
                "SELECT l.doc FROM search_links l CROSS JOIN search_nodes n WHERE l.flow = ? AND l.doc <> l.carrier "
                f"AND l.since <= ? AND n.node = l.carrier AND n.kind = ? AND {inner.text}",
                (int(Flow.VALUES), self._at, _RUN, *inner.values),
            )
        inner = Sql("1 = 1") if every else self.condition(part.where, Subject("i.node", inside=part.list))
        element = "i.list = ? AND i.since <= ?"
        values = (LIST_CODES[part.list], self._at, *inner.values)
        if part.list not in _OF_RUNS:
            return Sql(f"SELECT i.owner FROM search_items i WHERE {element} AND {inner.text}", values)
        return Sql(
            f"SELECT l.doc FROM search_items i CROSS JOIN search_links l WHERE {element} AND {inner.text} "
            "AND l.carrier = i.owner AND l.flow = ? AND l.since <= ?",
            (*values, int(Flow.VALUES), self._at),
        )

    def _of_column(self, field: Column, part: Expression) -> Sql:
        """A condition on what is kept with the element itself."""
        if isinstance(part, OneOf):
            inner = joined("OR", [self._column(field, Op.EQUAL, value) for value in part.values])
            return Sql(f"({inner.text})", inner.values)
        if isinstance(part, Compare) and part.op is not Op.UNEQUAL:
            return self._column(field, part.op, part.value)
        if isinstance(part, Compare):
            equal = self._column(field, Op.EQUAL, part.value)
            number = isinstance(comparable(part.value), Number)
            return Sql(f"({_has(field, number=number)} AND NOT {equal.text})", equal.values)
        return Sql(f"({_has(field, number=True)} OR {_has(field, number=False)})")

    def _column(self, field: Column, op: Op, value: Value) -> Sql:
        one = comparable(value)
        if isinstance(one, Number):
            test = _of_number(op, one, "i.num", "i.exact") if field.name == "value" else Sql(_NOTHING)
        elif field.name == "value":
            test = _of_text(op, one, self._database.position, "i.head", "i.rest")
        else:
            test = _of_text(op, Text(one.head + one.rest, ""), self._database.position, f"i.{field.name}", "''")
        return Sql(f"({_has(field, number=isinstance(one, Number))} AND {test.text})", test.values)


def _has(field: Column, *, number: bool) -> str:
    """Whether an element has a value of a type."""
    if field.name == "value":
        return "i.num IS NOT NULL" if number else "i.head IS NOT NULL"
    return _NOTHING if number else f"i.{field.name} <> ''"


def _comparison(field: Field, op: Op, value: Value, position: str) -> tuple[str, Sql]:
    """The table that holds values of this type, and the condition on them."""
    if field.form is Form.TIME:
        return "numbers", _of_time(op, str(value))
    if field.form is Form.DIGEST:
        start = str(value).rpartition(":")[2].lower()
        return "strings", Sql("(f.head >= ? AND f.head < ?)", (start, start + _LAST))
    one = comparable(value)
    if isinstance(one, Number):
        return "numbers", _of_number(op, one, "f.num", "f.exact")
    return "strings", _of_text(op, one, position, "f.head", "f.rest")


def _of_number(op: Op, one: Number, num: str, exact: str) -> Sql:
    if op in _ORDER:
        return Sql(f"{num} {_ORDER[op]} ?", (one.num,))
    return Sql(f"({num} = ? AND {exact} = ?)", (one.num, one.exact))


def _of_text(op: Op, one: Text, position: str, head: str, rest: str) -> Sql:
    if op is Op.EQUAL:
        return Sql(f"({head} = ? AND {rest} = ?)", (one.head, one.rest))
    if op is not Op.CONTAINS:
        sign = _ORDER[op]
        return Sql(f"({head} {sign[0]}= ? AND ({head} <> ? OR {rest} {sign} ?))", (one.head, one.head, one.rest))
    whole, text = Sql(f"{position}({head} || {rest}, ?) > 0", (one.head + one.rest,)), one.head
    if one.rest:
        return Sql(f"({whole.text})", whole.values)
    # Most texts have no rest: they need not be put together.
    return Sql(f"({position}({head}, ?) > 0 OR ({rest} <> '' AND {whole.text}))", (text, *whole.values))


def _of_time(op: Op, text: str) -> Sql:
    """A time lasts: a day all its moments."""
    start, end = moments(text)
    return {
        Op.EQUAL: Sql("(f.num >= ? AND f.num < ?)", (start, end)),
        Op.LESS: Sql("f.num < ?", (start,)),
        Op.AT_MOST: Sql("f.num < ?", (end,)),
        Op.MORE: Sql("f.num >= ?", (end,)),
        Op.AT_LEAST: Sql("f.num >= ?", (start,)),
    }[op]
