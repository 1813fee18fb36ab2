"""What a recording says beyond the recipe: its experiment, its template, its grade."""

from __future__ import annotations

from typing import Any

import pytest
from tests_support.recipes import a_recipe
from tests_support.recordings import METRICS, recorded

from replay.errors import ConfigError, UsageError
from replay.lineage import Edge, EdgeType, Kind, Node, experiment_node, trial_node
from replay.record.graph import to_lineage
from replay.record.project import decode
from replay.recording import RecordRequest, experiment_of

DIGEST = "d" * 64


def graph(**changes: Any) -> tuple[dict[str, Node], list[Edge], Node]:
    nodes, edges, focal = to_lineage(recorded(a_recipe(), **changes), 3)
    by_uid = {node.uid: node for node in nodes}
    return by_uid, edges, by_uid[focal]


def above(nodes: dict[str, Node], edges: list[Edge], source: str, type_: EdgeType) -> list[Node]:
    return [nodes[e.target] for e in edges if e.source == source and e.type is type_]


def execution_of(nodes: dict[str, Node]) -> str:
    return next(uid for uid, node in nodes.items() if node.type == "execution")


def test_an_execution_is_part_of_its_trial_and_that_of_its_experiment() -> None:
    nodes, edges, _ = graph(experiment="horizons", trial="long", store="S")
    (trial,) = above(nodes, edges, execution_of(nodes), EdgeType.PART_OF)
    assert trial == trial_node("long", "horizons", "S")
    assert above(nodes, edges, trial.uid, EdgeType.PART_OF) == [experiment_node("horizons", "S")]


def test_a_trial_without_a_name_is_called_after_the_model_version() -> None:
    nodes, edges, _ = graph(experiment="horizons", store="S")
    assert [node.name for node in above(nodes, edges, execution_of(nodes), EdgeType.PART_OF)] == ["momentum:3"]


def test_without_an_experiment_there_is_no_trial() -> None:
    nodes, _, _ = graph()
    assert not {node.type for node in nodes.values()} & {"experiment", "trial"}


def test_the_same_name_in_another_store_is_another_experiment() -> None:
    assert experiment_node("horizons", "S").uid == experiment_node("horizons", "S").uid
    assert experiment_node("horizons", "S").uid != experiment_node("horizons", "T").uid


def test_an_execution_follows_the_template_of_its_project_too() -> None:
    nodes, edges, _ = graph(template=("momentum", "2", DIGEST))
    plans = above(nodes, edges, execution_of(nodes), EdgeType.FOLLOWS_PLAN)
    assert [plan.type for plan in plans] == ["pipeline", "template"]
    assert plans[1].identity == {"template": "momentum", "version": "2", "digest": DIGEST}
    (locator,) = above(nodes, edges, plans[1].uid, EdgeType.SPECIALIZES)
    assert (locator.kind, locator.type, locator.identity) == (Kind.LOCATOR, "template", {"template": "momentum"})


def test_a_model_version_says_its_commit_and_grade_by_itself() -> None:
    _, _, focal = graph()
    assert focal.attrs == {"commit": "0" * 40, "grade": "A"}
    _, _, floating = graph(image_archived=False)
    assert floating.attrs["grade"] == "C"


def test_metrics_are_said_of_the_run_too_for_bytes_that_were_known_before() -> None:
    _, edges, _ = graph(metrics={METRICS: {"sharpe": "1.25"}})
    said = {e.role: e.attrs.get("values") for e in edges if e.type is EdgeType.GENERATED}
    assert said == {"output:out/clean.csv": None, "output:out/model.txt": None, f"output:{METRICS}": {"sharpe": "1.25"}}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (RecordRequest(), ("", "")),
        (RecordRequest(experiment="x"), ("x", "")),
        (RecordRequest(experiment="x y", trial="1"), ("x y", "1")),
    ],
)
def test_which_experiment_was_asked_for(request_: RecordRequest, expected: tuple[str, str]) -> None:
    assert experiment_of(request_) == expected


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (RecordRequest(trial="y"), "the trial 'y' and no experiment"),
        (RecordRequest(experiment=""), "experiment: got the name ''"),
        (RecordRequest(experiment="x", trial=" y"), "trial: got the name ' y'"),
        (RecordRequest(experiment="x\x1b[31m"), "control character"),
    ],
)
def test_wrong_names_are_refused(request_: RecordRequest, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        experiment_of(request_)
    assert says in str(caught.value)


def test_a_project_says_its_template() -> None:
    rule = decode(f"template: {{name: momentum, version: 2, digest: {DIGEST}}}".encode()).template
    assert rule is not None
    assert (rule.name, rule.version, rule.digest) == ("momentum", 2, DIGEST)
    assert decode(None).template is None


@pytest.mark.parametrize(
    "text",
    [
        "template: momentum",
        "template: {name: momentum, version: 2}",
        "template: {name: momentum, version: 0, digest: " + DIGEST + "}",
        "template: {name: momentum, version: 2, digest: abc}",
        "template: {name: '../x', version: 2, digest: " + DIGEST + "}",
        "template: {name: momentum, version: 2, digest: " + DIGEST + ", by: me}",
    ],
)
def test_a_template_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"replay\.yaml"):
        decode(text.encode())
