"""From what a person writes to an expression, and what is said of every mistake."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.errors import UsageError
from replay.search.check import check
from replay.search.expression import (
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
from replay.search.fields import COLUMNS, LISTS, PLAIN
from replay.search.parse import DEEPEST, LONGEST, parse
from replay.search.words import words_of


def equal(field: str, value: Value) -> Compare:
    return Compare(field=field, op=Op.EQUAL, value=value)


def but_not(field: str, part: Expression) -> Every:
    return Every(of=(Exists(field=field), Not(of=part)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("params.lr>0.1", Compare(field="params.lr", op=Op.MORE, value=0.1)),
        ("params.lr ≥ .5", Compare(field="params.lr", op=Op.AT_LEAST, value=0.5)),
        ("params.lr≤-1e-3", Compare(field="params.lr", op=Op.AT_MOST, value=-0.001)),
        ("params.lr == 3", equal("params.lr", 3)),
        ('params.lr = "3"', equal("params.lr", "3")),
        ("params.lr != '3'", Compare(field="params.lr", op=Op.UNEQUAL, value="3")),
        ("name ~ 7", Compare(field="name", op=Op.CONTAINS, value="7")),
        ("name contains 'a b'", Compare(field="name", op=Op.CONTAINS, value="a b")),
        ("name not contains x", but_not("name", Compare(field="name", op=Op.CONTAINS, value="x"))),
        ("kind in (run, model_version,)", OneOf(field="kind", values=("run", "model_version"))),
        ("version not in (1, 2)", but_not("version", OneOf(field="version", values=(1, 2)))),
        ("tag:desk exists", Exists(field="tag:desk")),
        ("tag:desk NOT EXISTS", Not(of=Exists(field="tag:desk"))),
        ('tag:"cost centre"=x', equal("tag:cost centre", "x")),
        ("params.conf/a.yaml:lr=1", equal("params.conf/a.yaml:lr", 1)),
        ("image=sha256:abcd1234", equal("image", "sha256:abcd1234")),
        ("created>2026-11-24T08:00+01:00", Compare(field="created", op=Op.MORE, value="2026-11-24T08:00+01:00")),
        ("outputs exists", Exists(field="outputs")),
        ("momentum", Words(text="momentum")),
        ("boost*", Words(text="boost", begins=True)),
        ('"risk limits"*', Words(text="risk limits", begins=True)),
        ('"tag:desk"', Words(text="tag:desk")),
        (r'"a \"b\" C:\\x"', Words(text='a "b" C:\\x')),
        (r"'it\'s'", Words(text="it's")),
        ('"C:\\data"', Words(text="C:\\data")),
        ("android orbit notable", Every(of=tuple(Words(text=word) for word in ("android", "orbit", "notable")))),
    ],
)  # fmt: skip
def test_what_is_written_is_read(text: str, expected: Expression) -> None:
    assert parse(text) == expected


A, B, C = Words(text="a"), Words(text="b"), Words(text="c")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b or c", Either(of=(Every(of=(A, B)), C))),
        ("a AND b Or c", Either(of=(Every(of=(A, B)), C))),
        ("a (b or c)", Every(of=(A, Either(of=(B, C))))),
        ("not a b", Every(of=(Not(of=A), B))),
        ("not (a b)", Not(of=Every(of=(A, B)))),
        ("not not a", Not(of=Not(of=A))),
        ("(a and b) and c", Every(of=(Every(of=(A, B)), C))),
        ("((a))", A),
        ("a\n\tb", Every(of=(A, B))),
        ("outputs[a or b] c", Every(of=(Nested(list="outputs", where=Either(of=(A, B))), C))),
        ("steps[outputs[a] b]", Nested(list="steps", where=Every(of=(Nested(list="outputs", where=A), B)))),
    ],
)
def test_not_binds_first_then_and_then_or(text: str, expected: Expression) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("parms.lr>1", "unknown field 'parms.lr'", "did you mean params.lr"),
        ("sharpe>1", "unknown field 'sharpe'", "params.NAME, metrics.NAME"),
        ("Name=x", "unknown field 'Name'", "did you mean name?"),
        ("params.=1", "unknown field 'params.'", "params.NAME"),
        ("outptus[a]", "unknown list 'outptus'", "did you mean outputs?"),
        ("outputs[siz>3]", "unknown field 'siz'", "did you mean size?"),
        ("seeds[model=3]", "unknown field 'model'", "name, place, value"),
        ("kind>run", "kind has no operator '>'", "valid for kind: =, !=, in (…), exists, not exists"),
        ("commit~abcd", "commit has no operator '~'", "valid for commit"),
        ("created~2026", "created has no operator '~'", "<="),
        ("kind=runn", "unknown kind 'runn'", "valid: dataset, feature_view"),
        ("kind in (run, foo)", "unknown kind 'foo'", "valid: dataset"),
        ("created>yesterday", "got the time 'yesterday', expected ISO 8601", "2026-11-24"),
        ("id=12", "expected an id or its beginning, at least 4 characters", 'id="12"'),
        ("commit=zzzz", "expected a digest or its beginning in hex", ""),
        ("name in b", "got 'b', expected (", "in (a, b)"),
        ("name in ()", "got ')', expected a word or a text in quotes", ""),
        ("params.lr>", "got the end, expected a word or a text in quotes", "for example"),
        ("and x", "got 'and', expected a word", "'and' is a word of the language"),
        ("name=or", "got 'or', expected a word", "in quotes"),
        ("(a", "got the end, expected", "for example"),
        ("a)", "got ')', expected", "for example"),
        ("outputs[a", "got the end, expected", "for example"),
        ("'abc", "got \"'\"", "a quote is opened here and not closed"),
        ("params.lr !> 3", "got '!'", ""),
        ("tag:desk", "got the field 'tag:desk' without a comparison", "`tag:desk exists`"),
        ("***", "which has no word in it", "letters and digits"),
        (" ".join(["w"] * 33).join('""'), "a text of 33 words, expected at most 32", "a part of it"),
        ("params.lr>1 and params.lr foo=3", "got the field 'params.lr' without a comparison", ""),
        ("params.a.b=1 or = 3", "got '='", ""),
        ("", "got the end, expected a word", ""),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_what_was_expected(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(text)
    assert message in str(raised.value)
    assert hint in (raised.value.hint or "")


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("params.lr>1 and parms.lr>1 or x", "parms.lr>1"),
        ("a and outputs[role=x and siz>3]", "siz>3"),
        ("a\nb and kind=foo\nc", "kind=foo"),
        ("a outptus[b]", "outptus"),
        ("a b) c", ")"),
    ],
)
def test_the_place_of_a_mistake_is_marked(text: str, marked: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse(text)
    *_, line, marks = str(raised.value).split("\n")
    start, end = marks.index("^"), marks.rindex("^") + 1
    assert line[start:end] == marked
    assert set(marks) == {" ", "^"}


def test_an_expression_has_bounds() -> None:
    with pytest.raises(UsageError, match=f"at most {LONGEST}"):
        parse("a" * (LONGEST + 1))
    assert parse("(" * 900 + "a" + ")" * 900) == A  # parentheses alone are nothing
    with pytest.raises(UsageError, match=f"more than {DEEPEST} parts inside one another"):
        parse("not " * (DEEPEST + 2) + "a")
    with pytest.raises(UsageError, match="201 parts, expected at most 200"):
        check(parse(" ".join(["a"] * 201)))
    deep: Expression = A
    for _ in range(300):
        deep = Not(of=deep)
    with pytest.raises(UsageError, match="inside one another"):
        check(deep)


@pytest.mark.parametrize("empty", [Every(of=()), Either(of=()), OneOf(field="name", values=())])
def test_nothing_is_no_part(empty: Expression) -> None:
    with pytest.raises(UsageError, match="expected at least one"):
        check(empty)


KEYS = st.one_of(
    st.sampled_from(["lr", "a b", "p.yaml:x", "in", "and", 'q"uote', "a=b", "ü", "x[0]"]), st.text(min_size=1)
)
FAMILIES = st.sampled_from(["params.", "metrics.", "tag:", "property:", "attrs."])
NAMES = st.one_of(
    st.sampled_from(sorted(set(PLAIN) - {"kind", "id", "commit", "image", "created", "modified"})),
    st.builds(lambda family, key: family + key, FAMILIES, KEYS),
)
VALUES = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.sampled_from(["and", "in", "5", "1e3", "-", "a b", "(x)", "exists", '"', "'", "\\", "ü≤"]),
)


@st.composite
def leaves(draw: st.DrawFn, inside: str | None = None) -> Expression:
    names = st.one_of(
        NAMES, st.sampled_from(sorted({**COLUMNS.get(inside or "", {}), **LISTS.get(inside or "", {})}) or ["name"])
    )
    if inside == "seeds":
        names = st.sampled_from(sorted(COLUMNS["seeds"]))
    field = draw(names)
    shape = draw(st.sampled_from(["compare", "contains", "in", "exists", "words"]))
    if shape == "compare":
        return Compare(
            field=field, op=draw(st.sampled_from([op for op in Op if op is not Op.CONTAINS])), value=draw(VALUES)
        )
    if shape == "contains":
        return Compare(field=field, op=Op.CONTAINS, value=draw(st.text()))
    if shape == "in":
        return OneOf(field=field, values=tuple(draw(st.lists(VALUES, min_size=1, max_size=3))))
    if shape == "exists":
        return Exists(field=field)
    text = draw(st.text().filter(lambda text: 0 < len(words_of(text)) < 20))
    return Words(text=text, begins=draw(st.booleans()))


def joins(parts: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(lambda of: Every(of=of), several),
        st.builds(lambda of: Either(of=of), several),
        st.builds(lambda of: Not(of=of), parts),
    )


NESTED = st.sampled_from(sorted(LISTS)).flatmap(
    lambda name: st.builds(
        lambda where: Nested(list=name, where=where), st.recursive(leaves(name), joins, max_leaves=3)
    )
)


@given(st.recursive(st.one_of(leaves(), NESTED), joins, max_leaves=6))
def test_text_and_json_of_an_expression_mean_it(expression: Expression) -> None:
    check(expression)
    assert msgspec.json.decode(msgspec.json.encode(expression), type=Expression) == expression
    assert parse(str(expression)) == expression
