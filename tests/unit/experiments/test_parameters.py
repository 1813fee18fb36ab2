"""What counts as a parameter, and what it is called."""

from __future__ import annotations

from replay.experiments.parameters import Leaf, chosen, metric_names, named


def test_what_follows_another_leaf_is_no_parameter_of_its_own() -> None:
    unresolved = """
rate: 0.1
copy: ${rate}
text: "rate ${rate}"
model: ${defaults.model}
defaults: {model: {depth: 3, sizes: [1, 2]}}
list: [1, "${rate}"]
at: ${now:%Y}
"""
    resolved = """
rate: 0.1
copy: 0.1
text: rate 0.1
model: {depth: 3, sizes: [1, 2]}
defaults: {model: {depth: 3, sizes: [1, 2]}}
list: [1, 0.1]
at: "2026"
"""
    assert chosen(resolved, unresolved) == {
        "rate": "0.1",
        "defaults.model.depth": "3",
        "defaults.model.sizes[0]": "1",
        "defaults.model.sizes[1]": "2",
        "list[0]": "1",
    }


def test_what_comes_from_the_environment_was_chosen_there() -> None:
    assert chosen("desk: rates\nn: 3\n", "desk: ${oc.env:DESK}\nn: ${ oc.env:N,3}\n") == {"desk": '"rates"', "n": "3"}


def test_a_name_that_begins_like_a_derived_one_stays() -> None:
    assert chosen("a: 1\nab: 2\na_b: {c: 3}\n", "a: ${ab}\nab: 2\na_b: {c: 3}\n") == {"ab": "2", "a_b.c": "3"}


def test_what_is_no_yaml_has_no_parameters() -> None:
    assert chosen("{", "{") == {}


def test_steps_that_agree_share_the_name() -> None:
    rows = [[Leaf("fit", "config", "seed", value), Leaf("test", "config", "seed", value)] for value in ("7", "8")]
    assert named(rows) == [{"seed": "7"}, {"seed": "8"}]


def test_where_one_execution_disagrees_the_step_is_named_in_all() -> None:
    rows = [
        [Leaf("fit", "config", "rows", "10"), Leaf("test", "config", "rows", "20")],
        [Leaf("fit", "config", "rows", "10"), Leaf("test", "config", "rows", "10")],
    ]
    assert named(rows) == [{"fit/rows": "10", "test/rows": "20"}, {"fit/rows": "10", "test/rows": "10"}]


def test_two_configurations_of_one_step_that_disagree_are_told_apart() -> None:
    rows = [
        [
            Leaf("fit", "data", "rows", "10"),
            Leaf("fit", "model", "rows", "20"),
            Leaf("fit", "", "params.yaml:rate", "1"),
            Leaf("fit", "model", "seed", "7"),
        ]
    ]
    assert named(rows) == [{"fit/data:rows": "10", "fit/model:rows": "20", "params.yaml:rate": "1", "seed": "7"}]


def test_nothing_has_no_names() -> None:
    assert named([]) == []
    assert named([[], []]) == [{}, {}]


def test_metrics_of_two_files_are_told_apart() -> None:
    rows = [{("a.json", "sharpe"): "1", ("b.json", "sharpe"): "2", ("b.json", "n"): "3"}, {("a.json", "sharpe"): "4"}]
    assert metric_names(rows) == [{"a.json:sharpe": "1", "b.json:sharpe": "2", "n": "3"}, {"a.json:sharpe": "4"}]
    assert metric_names(rows[1:]) == [{"sharpe": "4"}]
