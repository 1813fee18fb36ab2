"""What a question or a record costs must not grow with the store: steps of the database's own machine, not seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests_support.lineages import data, link, made, thing, used

from replay.lineage import EdgeType, Facet, Kind, Node
from replay.store.database import Store
from replay.store.sqlite import SqliteDatabase

STEP = 100


def steps(store: Store, work: Callable[[], object]) -> int:
    """Steps of SQLite's machine, in hundreds, by its reader and its writer."""
    database = store.database
    assert isinstance(database, SqliteDatabase)
    counted = [0]

    def count() -> None:
        counted[0] += 1

    connections = (database._reader, database._write_connection())
    for connection in connections:
        connection.set_progress_handler(count, STEP)
    work()
    for connection in connections:
        connection.set_progress_handler(None, 0)
    return counted[0]


@pytest.fixture
def large(tmp_path: Path):
    """30,000 nodes, each standing on the one 100 before it."""
    with Store.open(tmp_path / ".replay", create=True) as store:
        nodes = [Node(kind=Kind.DATASET, identity={"test": str(n)}, name=f"n{n}") for n in range(30_000)]
        edges = [link(a, EdgeType.DERIVED_FROM, b) for a, b in zip(nodes[100:], nodes, strict=False)]
        store.load([(nodes, edges)])
        yield store


def test_a_record_does_not_look_through_the_store(large: Store) -> None:
    run, model = thing(Kind.RUN, "run"), data("model")
    large.append([run, model], used(run, model))
    more, other = thing(Kind.RUN, "more"), data("other")
    assert steps(large, lambda: large.append([more, other], [*used(more, model), *made(more, other)])) < 30
    said = Facet(node=other.uid, key="owner", value="risk")
    assert steps(large, lambda: large.append([], [], [said])) < 30
    assert steps(large, lambda: large.note("looked")) < 30


def test_a_question_costs_what_its_answer_is_long(large: Store) -> None:
    uid = Node(kind=Kind.DATASET, identity={"test": "29999"}).uid
    assert len(large.reach(uid)) == 300
    assert steps(large, lambda: large.closure(uid)) < 300
    assert steps(large, lambda: large.node(uid)) < 5
    assert steps(large, lambda: large.facets(uid)) < 5
    assert steps(large, lambda: large.find_prefix(uid[:9])) < 10
    assert steps(large, lambda: large.find_name("nothing of this name")) < 5
