"""Trials side by side: what varies, what is constant, pairs, order."""

from __future__ import annotations

import io
import itertools

import pytest
from rich.console import Console

from replay.errors import UsageError
from replay.experiments import table as tables
from replay.experiments.table import Table, Trial, labelled, number_of, order_of, sorted_by, table
from replay.experiments.text import render_list, render_table

_COUNT = itertools.count(1)


def trial(name: str, parameters: dict[str, str], **metrics: str) -> Trial:
    number = next(_COUNT)
    return Trial(
        label=name,
        trial=name,
        models=(f"momentum:{number}",),
        execution=f"execution:{number}",
        recorded="2026-01-01",
        parameters=parameters,
        metrics=metrics,
    )


def of(*trials: Trial) -> Table:
    return table("horizons", "id:1", trials)


def shown(found: Table) -> str:
    console = Console(file=io.StringIO(), width=160)
    render_table(found, console)
    return console.file.getvalue()


GRID = (
    trial("a", {"rate": "0.1", "depth": "3", "seed": "7"}, sharpe="1.0", n="5"),
    trial("b", {"rate": "0.2", "depth": "3", "seed": "7"}, sharpe="1.5", n="5"),
    trial("c", {"rate": "0.2", "depth": "4", "seed": "7"}, sharpe="1.25", n="5"),
)


def test_it_says_what_varies_and_what_is_held_constant() -> None:
    found = of(*GRID)
    assert found.varied == ("depth", "rate")
    assert found.constant == {"seed": "7"}
    assert found.metrics == ("n", "sharpe")


def test_two_trials_are_compared_when_they_differ_in_exactly_one_parameter() -> None:
    found = of(*GRID)
    assert [(p.a, p.b, p.parameter, p.before, p.after) for p in found.pairs] == [
        ("b", "c", "depth", "3", "4"),
        ("a", "b", "rate", "0.1", "0.2"),
    ]
    assert [(c.metric, c.change) for c in found.pairs[1].changes] == [("n", 0.0), ("sharpe", 0.5)]


def test_every_pair_of_a_sweep_is_told_the_smaller_value_first() -> None:
    found = of(*(trial(value, {"n": value}) for value in ("10", "9", "100")))
    assert [(pair.before, pair.after) for pair in found.pairs] == [("9", "10"), ("9", "100"), ("10", "100")]


def test_a_parameter_that_only_one_trial_has_varies() -> None:
    found = of(trial("a", {"x": "1"}), trial("b", {"x": "1", "y": "2"}))
    assert (found.varied, found.constant) == (("y",), {"x": "1"})
    assert [(pair.before, pair.after) for pair in found.pairs] == [("2", None)]


def test_trials_that_are_equal_or_differ_in_two_are_no_pair() -> None:
    assert of(trial("a", {"x": "1"}), trial("b", {"x": "1"})).pairs == ()
    assert of(trial("a", {"x": "1", "y": "1"}), trial("b", {"x": "2", "y": "2"})).pairs == ()


def test_what_else_differs_is_said_of_the_pair() -> None:
    found = table("x", "id:1", GRID[:2], also=lambda a, b: [f"input {a.label}{b.label}.csv"])
    assert found.pairs[0].also == ("input ab.csv",)
    assert "! also different: input ab.csv" in shown(found)


@pytest.mark.parametrize(
    ("text", "number"),
    [("1", 1.0), ("-2.5e3", -2500.0), ('"1"', None), ("true", None), ("NaN", None), ("1e999", None), (None, None),
     ("[1]", None), ("nonsense", None), ("1" + "0" * 400, None)],
)  # fmt: skip
def test_only_finite_numbers_have_a_difference(text: str | None, number: float | None) -> None:
    assert number_of(text) == number


def test_values_are_ordered_as_people_would() -> None:
    values = [None, '"b"', "10", "9", '"a"', "1.5"]
    assert sorted(values, key=order_of) == ["1.5", "9", "10", '"a"', '"b"', None]


def test_a_change_without_numbers_has_none() -> None:
    found = of(trial("a", {"x": "1"}, best='"lgbm"', only="1"), trial("b", {"x": "2"}, best='"ridge"'))
    assert [(c.metric, c.before, c.after, c.change) for c in found.pairs[0].changes] == [
        ("best", '"lgbm"', '"ridge"', None),
        ("only", "1", None, None),
    ]


def test_trials_are_sorted_by_a_metric_or_a_parameter_and_those_without_it_come_last() -> None:
    found = of(*GRID, trial("d", {"rate": "9"}))
    assert [one.label for one in sorted_by(found, "sharpe", descending=True).trials] == ["b", "c", "a", "d"]
    assert [one.label for one in sorted_by(found, "sharpe", descending=False).trials] == ["a", "c", "b", "d"]
    assert next(one.label for one in sorted_by(found, "rate", descending=True).trials) == "d"
    with pytest.raises(UsageError, match="no trial of horizons has the metric 'sharp'") as caught:
        sorted_by(found, "sharp", descending=True)
    assert "sharpe" in (caught.value.hint or "")


def test_executions_of_one_trial_are_told_apart() -> None:
    one, other, third = trial("a", {}), trial("a", {}), trial("b", {})
    assert [t.label for t in labelled([one, other, third])] == [
        f"a ({one.models[0]})",
        f"a ({other.models[0]})",
        "b",
    ]
    same = [trial("a", {}), trial("a", {})]
    labels = [t.label for t in labelled([tables._with_label(t, "a") for t in same])]
    assert len(set(labels)) == 2


def test_pairs_beyond_the_bound_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_PAIRS", 4)
    found = of(*(trial(str(n), {"n": str(n)}) for n in range(5)))
    assert (len(found.pairs), found.pairs_left_out) == (4, 6)
    assert "and 6 more pairs; --json has 4" in shown(found)


def test_the_whole_is_told_in_words() -> None:
    text = shown(of(*GRID))
    for part in (
        "horizons  3 trials",
        "vary: depth, rate",
        "held constant: seed = 7",
        "a → b: rate 0.1 → 0.2",
        "sharpe 1.0 → 1.5  (+0.5)",
        "b → c: depth 3 → 4",
        "(-0.25)",
    ):
        assert part in text, part
    assert "n 5" not in text


def test_an_empty_experiment_and_an_empty_list_say_so() -> None:
    text = shown(table("x", "id:1", (), hidden=2))
    assert "0 trials" in text
    assert "vary: none" in text
    assert "! not complete: 2 nodes may not be seen" in text
    console = Console(file=io.StringIO(), width=100)
    render_list([], console)
    assert "no experiment is recorded yet" in console.file.getvalue()
