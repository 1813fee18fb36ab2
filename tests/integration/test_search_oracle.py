"""Random records and random searches: the index and its SQL against plain Python, on both databases.

The record grows in several transactions, the index is brought up to date at some of them, and the searches are asked
of several states, also of older ones than the newest.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests_support import postgres, stores
from tests_support.search_stories import phrase, stories
from tests_support.searching import Oracle, World

from replay.lineage import Edge, Facet, Kind, Node
from replay.progress import Silent
from replay.search.check import check
from replay.search.expression import Compare, Either, Every, Exists, Expression, Nested, Not, OneOf, Op, Words
from replay.store import reads
from replay.store.database import Store
from replay.store.search.build import refresh
from replay.store.search.places import index_of
from replay.store.search.searcher import Searcher

NUMBERS = (0, 1, -1, 2, 0.5, 1e-3, 2**53, 2**53 + 1, 10**30, -(2**63))
TEXTS = ("adam", "sgd", "Adam", "0.5", "ünïcode", "a_b%c", "''", "x" * 230 + "y", "x" * 230 + "z", "null", "true", "")
FIELDS = [
    "params.lr", "params.opt", "params.p.yaml:lr", "params.config:opt", "params.deep.er", "params.opt.a",
    "params.opt.b", "metrics.auc", "metrics.m.json:sharpe", "metrics.by.fold", "seeds.numpy", "seeds.torch",
    "tag:desk", "tag:n", "facet:other.deep", "facet:other.er", "status", "stage", "alias", "name", "type", "model",
    "version", "experiment", "trial", "attrs.size", "attrs.facts.seconds", "attrs.environment.k3", "attrs.big.k1",
    "attrs.verdict", "property:a b",
]  # fmt: skip
LITERALS = st.one_of(
    st.sampled_from(NUMBERS[:7]),
    st.sampled_from(TEXTS),
    st.sampled_from(["approved", "rates", "m", "prod", "7", "1.5"]),
    phrase(),
)
PARAMETERS = [0.5, 1, -1, 2, "adam", "0.5", "true", "null", "NaN", "x", 1e-3, 2**53, 2**53 + 1, "ünïcode", "_b%"]
LIKELY: dict[str, list[object]] = {
    "params": PARAMETERS,
    "metrics": [0.5, 1, -1, "NaN", 0.7],
    "seeds": [7, 42, "7", "x", 2**53 + 1, 2**53],
    "tag": ["rates", 1.5, "1.5", 7, "x y", 1],
    "property": ["rates", "x y", 7],
    "facet": ["7", 7, "u"],
    "status": ["approved", "rates"],
    "stage": ["approved", 7],
    "alias": ["best"],
    "name": ["train", "fit", "config", "m.json", "desk", "boost", "data/"],
    "type": ["trial", "execution", "path", "deploy"],
    "model": ["m", "n"],
    "version": [1, 2, 3],
    "attrs": [*PARAMETERS, 37, 74, 1.5, 20, "value 3 of a long attribute", "reproduced", "long", 100],
    "size": [37, 100, 300],
    "seconds": [1.5, 20, "20"],
    "role": ["input", "config", "metrics", "output", "code"],
    "path": ["data/a.csv", "config", "m.json"],
    "storage": ["dvc", "store"],
    "value": [7, 42, "x", "7"],
    "place": ["p.yaml:seed"],
    "to": ["prod"],
    "verdict": ["reproduced", "diverged"],
    "experiment": ["train", "fit", "desk"],
    "trial": ["train", "fit", "rates"],
}
ORDERED = st.sampled_from([op for op in Op if op is not Op.CONTAINS])


def literals(field: str) -> st.SearchStrategy[object]:
    """Mostly values that are recorded."""
    likely = st.sampled_from(LIKELY.get(field, LIKELY.get(re.split("[.:]", field)[0], [1])))
    return st.one_of(likely, likely, likely, LITERALS)


def plain(names: list[str]) -> st.SearchStrategy[Expression]:
    def of(field: str) -> st.SearchStrategy[Expression]:
        values = literals(field)
        return st.one_of(
            st.builds(lambda o, v: Compare(field=field, op=o, value=v), ORDERED, values),  # type: ignore[arg-type]
            st.builds(lambda o, v: Compare(field=field, op=o, value=v), ORDERED, values),  # type: ignore[arg-type]
            st.builds(lambda v: Compare(field=field, op=Op.CONTAINS, value=str(v)), values),
            st.builds(lambda v: OneOf(field=field, values=tuple(v)), st.lists(values, min_size=1, max_size=3)),  # type: ignore[arg-type]
            st.just(Exists(field=field)),
        )

    return st.sampled_from(names).flatmap(of)


def words() -> st.SearchStrategy[Expression]:
    text = st.one_of(
        phrase(), st.sampled_from(["bo", "stras", "long attribute", "train", "data", "desk", "lr", "m json"])
    )
    return st.builds(lambda t, b: Words(text=t, begins=b), text, st.booleans()).filter(_sane)


def others() -> st.SearchStrategy[Expression]:
    digest = st.sampled_from(["1000", "2000", "sha256:3000", "f000"])
    kinds = st.sampled_from([kind.value for kind in Kind])
    times = st.sampled_from(["2020-01-01", "2090-01-01", "2026-11-24T22:00:00+01:00"])
    return st.one_of(
        st.builds(
            lambda f, o, v: Compare(field=f, op=o, value=v),
            st.sampled_from(["commit", "image"]),
            st.sampled_from([Op.EQUAL, Op.UNEQUAL]),
            digest,
        ),
        st.builds(lambda o, v: Compare(field="kind", op=o, value=v), st.sampled_from([Op.EQUAL, Op.UNEQUAL]), kinds),
        st.builds(lambda v: OneOf(field="kind", values=tuple(v)), st.lists(kinds, min_size=1, max_size=2)),
        st.builds(
            lambda v: Compare(field="id", op=Op.EQUAL, value=v), st.sampled_from(["sha256:0000", "0000", "run:0000"])
        ),
        st.builds(
            lambda f, o, v: Compare(field=f, op=o, value=v), st.sampled_from(["created", "modified"]), ORDERED, times
        ),
        st.builds(
            lambda f: Exists(field=f),
            st.sampled_from(["inputs", "outputs", "steps", "seeds", "deployments", "replays", "commit", "kind"]),
        ),
    )


def nested() -> st.SearchStrategy[Expression]:
    inner = {
        "inputs": ["role", "path", "storage", "size", "name", "attrs.note", "params.lr"],
        "outputs": ["role", "path", "storage", "size", "name", "metrics.auc"],
        "steps": ["seconds", "name", "params.lr", "metrics.auc", "seeds.numpy", "tag:n"],
        "seeds": ["name", "value", "place"],
        "deployments": ["to", "status", "type"],
        "replays": ["verdict", "name", "tag:n"],
    }

    def of(list_: str) -> st.SearchStrategy[Expression]:
        whole = st.recursive(plain(inner[list_]), lambda more: joins(more, 2), max_leaves=3)
        return st.builds(lambda where: Nested(list=list_, where=where), whole)

    return st.sampled_from(sorted(inner)).flatmap(of)


def joins(parts: st.SearchStrategy[Expression], most: int) -> st.SearchStrategy[Expression]:
    several = st.lists(parts, min_size=2, max_size=most).map(tuple)
    return st.one_of(
        st.builds(lambda of: Every(of=of), several),
        st.builds(lambda of: Either(of=of), several),
        st.builds(lambda of: Not(of=of), parts),
    )


def _sane(part: Expression) -> bool:
    try:
        check(part)
    except Exception:
        return False
    return True


EXPRESSIONS = st.recursive(
    st.one_of(plain(FIELDS), words(), others(), nested()), lambda more: joins(more, 3), max_leaves=5
)
SORTS = st.sampled_from(
    ["params.lr", "metrics.auc", "name", "version", "tag:n", "attrs.size", "modified", "status", "experiment"]
)


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest) -> Callable[[], contextlib.AbstractContextManager[Store]]:
    """Makes empty stores, one for each example."""

    @contextlib.contextmanager
    def made() -> Iterator[Store]:
        root = Path(tempfile.mkdtemp()) / ".replay"
        try:
            if request.param == "sqlite":
                with Store.open(root, create=True) as store:
                    yield store
            else:
                server: postgres.Server = request.getfixturevalue("postgres_server")
                with server.database() as url, stores.pointing_to(url, root) as store:
                    yield store
        finally:
            shutil.rmtree(root.parent)

    return made


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],  # shrinking makes thousands of stores
    report_multiple_bugs=False,
)
@given(
    story=stories(),
    asked=st.lists(EXPRESSIONS, min_size=20, max_size=20),
    sorts=st.lists(st.tuples(SORTS, st.booleans()), min_size=2, max_size=2),
)
def test_the_index_finds_what_python_finds(
    empty: Callable[[], contextlib.AbstractContextManager[Store]],
    story: list[tuple[list[Node], list[Edge], list[Facet], bool]],
    asked: list[Expression],
    sorts: list[tuple[str, bool]],
) -> None:
    with empty() as store, contextlib.closing(index_of(store, own=store, attached=False)) as index:
        world = World()
        pins = []
        for nodes, edges, said, searched in story:
            tell(store, world, nodes, edges, said)
            if searched:
                pins.append(refresh(index, store, Silent()))
        pins.append(refresh(index, store, Silent()))
        for at in sorted(set(pins)):
            oracle = Oracle(world.until(at))
            searcher = Searcher(store, index, at)
            for expression in asked:
                found = [match.node for match in searcher.find(expression)]
                assert named(store, found) == oracle.matches(expression), f"{expression} at {at}"
                assert searcher.count(expression) == len(found)
                assert found == sorted(found, reverse=True)
                page = searcher.page(expression, sort=None, descending=True, skip=1, limit=3)
                assert page == (len(found), found[1:4])
            for field, descending in sorts:
                every = Exists(field="kind")
                for expected in (None, 10):
                    found = searcher.find(every, sort=field, descending=descending, expected=expected)
                    order = oracle.order(oracle.matches(every), field, descending=descending)
                    assert [(match.num, match.text) for match in found] == order


def tell(store: Store, world: World, nodes: list[Node], edges: list[Edge], said: list[Facet]) -> None:
    """Record it, in the store and in the world; versions are registered one by one."""
    store.append(nodes, edges, said)
    with store.reading() as database:
        tx, time = database.rows("SELECT tx, created FROM transactions ORDER BY tx DESC LIMIT 1")[0]
    world.add(tx, time, nodes, edges, said)
    for node in nodes:
        if node.kind is Kind.MODEL_VERSION and int(node.identity["version"]) % 3:
            number = store.register("m", lambda version, node=node: ([], [], node.uid))
            with store.reading() as database:
                after, time = database.rows("SELECT tx, created FROM transactions ORDER BY tx DESC LIMIT 1")[0]
            world.times[after] = time
            world.versions["m", number] = (node.uid, after)


def named(store: Store, numbers: list[int]) -> set[str]:
    with store.reading() as database:
        return set(reads.uids(database, numbers).values()) if numbers else set()
