"""The questions that lineage is asked in practice, each with its whole answer, on both databases."""

from __future__ import annotations

import pytest
from tests_support.lineages import Endpoint, chain, data, link, made, names, thing, used

from replay.ask import Ground, ask
from replay.lineage import Edge, EdgeType, Kind, Node
from replay.query import Answer, Query
from replay.store.database import Store


@pytest.fixture
def recorded(store: Store) -> Store:
    Endpoint.record(store)
    return store


def found(store: Store, start: Node, direction: str, *kinds: Kind, types: tuple[str, ...] = ()) -> set[str]:
    return names(answer(store, start, direction, *kinds, types=types).found, store)


def answer(store: Store, start: Node, direction: str, *kinds: Kind, types: tuple[str, ...] = ()) -> Answer:
    query = Query(start=(start.uid,), direction=direction, kinds=kinds, types=types, include_edges=False)
    told = ask(query, Ground.of(store))
    assert told.complete
    assert told.truncated_by == ()
    return told


def test_1_which_endpoints_does_a_bad_dataset_touch(recorded: Store) -> None:
    assert found(recorded, Endpoint.train, "down", Kind.DEPLOYMENT) == {"ep1"}
    assert found(recorded, Endpoint.newer, "down", Kind.DEPLOYMENT) == set(), "the newer version is used by nothing"
    assert found(recorded, Endpoint.place, "down", Kind.DEPLOYMENT) == {"ep1"}, "some version of that place is"


def test_2_which_datasets_stand_behind_an_endpoint(recorded: Store) -> None:
    assert found(recorded, Endpoint.endpoint, "up", Kind.DATASET) == {"train.csv v1", "val.csv", "raw"}


def test_3_which_models_stand_behind_an_endpoint(recorded: Store) -> None:
    assert found(recorded, Endpoint.endpoint, "up", Kind.MODEL, Kind.MODEL_VERSION) == {"g:1", "model.tar.gz"}


def test_4_which_jobs_stand_behind_an_endpoint(recorded: Store) -> None:
    assert found(recorded, Endpoint.endpoint, "up", Kind.RUN, types=("training",)) == {"tj"}
    assert found(recorded, Endpoint.endpoint, "up", Kind.RUN, types=("processing",)) == {"pj"}
    assert found(recorded, Endpoint.endpoint, "up", Kind.RUN) == {"tj", "pj"}


def test_5_the_focal_point_can_be_anywhere(recorded: Store) -> None:
    assert found(recorded, Endpoint.package, "up", Kind.DATASET) == {"train.csv v1", "val.csv", "raw"}
    assert found(recorded, Endpoint.package, "down", Kind.DEPLOYMENT, types=("endpoint",)) == {"ep1"}
    trap = answer(recorded, Endpoint.package, "down", Kind.DATASET, Kind.MODEL, types=("endpoint",))
    assert trap.found == ()
    assert trap.findings == (
        "nothing can match: endpoint is a type of deployment or locator, asked for among dataset or model",
    )


def test_6_up_is_not_down_and_the_start_is_not_told(recorded: Store) -> None:
    wanted = (Kind.MODEL, Kind.DATASET, Kind.MODEL_VERSION)
    up = found(recorded, Endpoint.package, "up", *wanted)
    assert up == {"train.csv v1", "val.csv", "raw", "model.tar.gz"}
    assert found(recorded, Endpoint.package, "down", *wanted) == set()


def test_7_connected_expands_from_every_node_and_updown_does_not(recorded: Store) -> None:
    run, model, package = thing(Kind.RUN, "tj2", "training"), data("other model", Kind.MODEL), data("own data")
    deploying, endpoint = thing(Kind.ACTION, "d2", "deploy"), thing(Kind.DEPLOYMENT, "ep2", "endpoint")
    recorded.append(
        [run, model, package, deploying, endpoint],
        [
            *used(run, Endpoint.image, package),
            *made(run, model),
            *used(deploying, model=model),
            *made(deploying, endpoint),
        ],
    )
    assert found(recorded, Endpoint.model, "connected", Kind.DEPLOYMENT) == {"ep1", "ep2"}, "by the image they share"
    assert found(recorded, Endpoint.model, "updown", Kind.DEPLOYMENT) == {"ep1"}
    assert found(recorded, Endpoint.image, "updown", Kind.DEPLOYMENT) == {"ep1", "ep2"}


def test_8_what_was_made_from_this_commit(recorded: Store) -> None:
    touched = found(recorded, Endpoint.code, "down", Kind.MODEL, Kind.MODEL_VERSION, Kind.DEPLOYMENT)
    assert touched == {"model.tar.gz", "g:1", "ep1"}


def test_9_which_data_was_used_with_this_image(recorded: Store) -> None:
    assert found(recorded, Endpoint.image, "down", Kind.DATASET) == set(), "no data was made by it"
    assert found(recorded, Endpoint.image, "connected", Kind.DATASET) >= {"train.csv v1", "val.csv", "raw"}


@pytest.mark.parametrize("start", ["endpoint", "model", "package", "training"])
def test_10_which_pipeline_execution_made_it(recorded: Store, start: str) -> None:
    assert found(recorded, getattr(Endpoint, start), "up", Kind.COLLECTION, types=("pipeline",)) == {"pe"}


def test_10_a_cached_step_leads_to_the_execution_that_really_ran(recorded: Store) -> None:
    later, cached = thing(Kind.COLLECTION, "pe2", "pipeline"), thing(Kind.RUN, "cached", "training")
    recorded.append(
        [later, cached],
        [
            link(cached, EdgeType.PART_OF, later),
            link(cached, EdgeType.DERIVED_FROM, Endpoint.training, "cache"),
        ],
    )
    assert found(recorded, cached, "up", Kind.COLLECTION, types=("pipeline",)) == {"pe", "pe2"}
    assert found(recorded, cached, "up", Kind.DATASET) == {"train.csv v1", "val.csv", "raw"}


def test_11_what_does_an_approval_stand_on_and_what_stands_on_it(recorded: Store) -> None:
    assert found(recorded, Endpoint.approval, "up", Kind.DATASET) == {"train.csv v1", "val.csv", "raw"}
    assert found(recorded, Endpoint.approval, "up", Kind.MODEL_VERSION) == {"g:1"}
    assert found(recorded, Endpoint.approval, "down", Kind.DEPLOYMENT) == {"ep1"}
    rejected, version = thing(Kind.ACTION, "no", "reject"), thing(Kind.MODEL_VERSION, "g:2")
    recorded.append([rejected, version], [*used(rejected, subject=version)])
    assert found(recorded, rejected, "down", Kind.DEPLOYMENT) == set()
    assert found(recorded, version, "down", Kind.DEPLOYMENT) == set()


def test_12_many_children_come_in_pages_or_all_at_once(store: Store) -> None:
    parent, children = data("parent"), [data(f"child {number:03}") for number in range(125)]
    store.append([parent, *children], [link(child, EdgeType.DERIVED_FROM, parent) for child in children])
    everything = answer(store, parent, "down").found
    assert names(everything, store) == {child.name for child in children}
    pages, cursor = [], None
    while True:
        query = Query(start=(parent.uid,), direction="down", include_edges=False, limit=50, cursor=cursor)
        page = ask(query, Ground.of(store))
        pages.append(page.found)
        cursor = page.next
        if cursor is None:
            break
        assert (page.complete, page.truncated_by, page.frontier) == (False, ("limit",), (parent.uid,))
        newcomer = data(f"newcomer {len(pages)}")
        store.append([newcomer], [Edge(source=newcomer.uid, type=EdgeType.DERIVED_FROM, target=parent.uid)])
    assert [len(page) for page in pages] == [50, 50, 25]
    assert sum(pages, ()) == everything, "what came in between belongs to a later answer"
    assert len(answer(store, parent, "down").found) == 127


def test_12_a_chain_is_walked_to_its_end_or_the_answer_says_where_it_stopped(store: Store) -> None:
    nodes, edges = chain(15)
    store.append(nodes, edges)
    assert [store.node(uid).name for uid in answer(store, nodes[0], "up").found] == [n.name for n in nodes[1:]]
    cut = ask(Query(start=(nodes[0].uid,), max_depth=10), Ground.of(store))
    assert [cut.nodes[uid].name for uid in cut.found] == [node.name for node in nodes[1:11]]
    assert (cut.complete, cut.truncated_by, cut.frontier) == (False, ("depth",), (nodes[10].uid,))
    exact = ask(Query(start=(nodes[0].uid,), max_depth=15), Ground.of(store))
    assert (exact.complete, exact.truncated_by, exact.frontier) == (True, (), ())
