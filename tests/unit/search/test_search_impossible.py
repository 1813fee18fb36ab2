"""Why a search can match nothing, whatever is recorded; and what a search looks at."""

from __future__ import annotations

import pytest

from replay.search.fields import Flow
from replay.search.impossible import impossible
from replay.search.parse import parse
from replay.search.parts import fields_named, keys_named, reach_of


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("kind=run and kind=model", "several kinds"),
        ("kind in (run, code) kind=model", "several kinds"),
        ("(kind=run or kind=code) and kind=model", "several kinds"),
        ("kind=run and not kind=run", "several kinds"),
        ("kind=run and (a and kind=model)", "several kinds"),
        ("kind=dataset and params.lr>1", "only collection or config or model_version or run can have params.lr"),
        ("kind=dataset and (metrics.x exists and a)", "can have metrics.x, asked for among dataset"),
        ("kind=run and steps[name=x]", "only collection or model_version can have steps, asked for among run"),
        ("kind=run and deployments exists", "only model_version can have deployments"),
        ("kind=model and type=experiment", "only collection can have a type = experiment, asked for among model"),
        ("kind=model and type in (experiment, trial)", "only collection can have a type in (experiment, trial)"),
        ("a or (kind=run and kind=model)", "several kinds"),
        ("outputs[kind=run and kind=model]", "several kinds"),
        ("created>2026-02-01 and created<2026-02-01", "no time is asked for that created can be"),
        ("modified=2026-02-01 and modified=2026-02-02", "no time is asked for that modified can be"),
        ("ab12" * 16, "digests are not in the full text"),
    ],
)
def test_a_contradiction_is_told(text: str, why: str) -> None:
    told = list(impossible(parse(text)))
    assert len(told) == 1
    assert told[0].startswith("nothing can match")
    assert why in told[0]


@pytest.mark.parametrize(
    "text",
    [
        "kind=run and kind in (run, model)",
        "kind=run or kind=model",
        "not (kind=run and kind=model)",
        "kind=run and not params.lr exists",
        "kind=dataset and not params.lr>1",
        "kind=collection and type=experiment",
        "kind=run and type=whatever",
        "kind=run and (params.lr>1 or name=x)",
        "params.lr=1 and params.lr=2",  # an execution may have both
        "params.lr>3 and params.lr<1",
        "created>=2026-02-01 and created<=2026-02-01",
        "created>2026-02-01 or created<2026-02-01",
        "deadbeef",
    ],
)
def test_what_can_match_is_not_doubted(text: str) -> None:
    assert list(impossible(parse(text))) == []


def test_what_an_expression_names() -> None:
    expression = parse(
        "params.lr>1 and (not tag:desk=x or name=y) and outputs[size>1 and attrs.z=1] and inputs exists word"
    )
    assert fields_named(expression) == ["params.lr", "tag:desk", "name"]
    keys = {"params:lr", "facet:tag:desk", "name", "place", "attrs:size", "attrs:z"}
    assert keys_named(expression) == keys
    assert fields_named(None) == []


@pytest.mark.parametrize(
    ("text", "flows", "lists"),
    [
        ("name=x", {Flow.PLACE}, set()),
        ("params.lr>1", {Flow.VALUES}, set()),
        ("not experiment=x or model=y", {Flow.TRIAL, Flow.MODEL}, set()),
        ("tag:desk=x kind=run", set(), set()),
        ("outputs[name=x]", {Flow.PLACE}, {"outputs"}),
        ("inputs exists", set(), {"inputs"}),
        ("word", set(Flow) - {Flow.OWN}, set()),
    ],
)
def test_from_where_an_expression_takes_what_it_compares(text: str, flows: set[Flow], lists: set[str]) -> None:
    reach = reach_of(parse(text))
    assert reach.flows == flows
    assert reach.lists == lists


def test_the_order_looks_at_its_field_too() -> None:
    assert reach_of(parse("kind=run"), "metrics.x").flows == {Flow.VALUES}
