from __future__ import annotations

from pathlib import Path

from unit.report.sample import scenario

from replay.outcome import Match, Mode
from replay.recipe import Tolerance
from replay.report import standing


def test_steps_stand_as_badly_as_their_worst_output_and_volatile_ones_do_not_count(tmp_path: Path) -> None:
    result, recipe = scenario("reproduced", tmp_path)
    assert [s.badge.word for s in standing.standings(result, recipe, Mode.ISOLATED)] == ["identical"] * 4
    result, recipe = scenario("diverged", tmp_path)
    found = standing.standings(result, recipe, Mode.ISOLATED)
    assert [s.badge.word for s in found] == ["identical", "equivalent", "different", "different"]
    assert found[3].detail == "3 different, 1 volatile"


def test_a_failed_step_and_what_was_never_reached(tmp_path: Path) -> None:
    result, recipe = scenario("failed", tmp_path)
    found = standing.standings(result, recipe, Mode.ISOLATED)
    assert [s.badge.word for s in found] == ["identical", "identical", "exited", "not run"]
    assert found[2].detail == "exit code 1"


def test_each_output_is_counted_once_with_its_worst_match(tmp_path: Path) -> None:
    result, _ = scenario("diverged", tmp_path)
    assert len(result.comparisons) == 14
    assert standing.tally(result.comparisons) == "4 different, 1 equivalent, 2 identical, 1 volatile"
    assert standing.tally(()) == "nothing compared"


def test_comparisons_follow_the_recipe_and_put_isolated_first(tmp_path: Path) -> None:
    result, recipe = scenario("diverged", tmp_path)
    found = [(c.step, c.mode) for c in standing.ordered(result, recipe)]
    assert found[0] == ("preprocess", Mode.ISOLATED)
    assert found[2:6] == [("train", Mode.ISOLATED)] * 2 + [("train", Mode.CHAINED)] * 2
    assert standing.modes(result) == [Mode.ISOLATED, Mode.CHAINED]


def test_worst() -> None:
    assert standing.worst([Match.IDENTICAL, Match.UNCOMPARED, Match.EQUIVALENT]) is Match.UNCOMPARED
    assert standing.worst([Match.DIFFERENT, Match.MISSING]) is Match.MISSING
    assert standing.worst([]) is None


def test_tolerances_are_shown_as_decimals(tmp_path: Path) -> None:
    result, recipe = scenario("diverged", tmp_path)
    texts = {c.path: standing.tolerance_text(standing.recorded_output(recipe, c)) for c in result.comparisons}
    assert texts["out/features.parquet"] == "absolute ≤ 1e-12, relative ≤ 1e-09"
    assert texts["out/model.txt"] == "none (exact)"
    assert texts["out/pnl.parquet"] == "rows matched by date"
    assert standing.tolerance_text(None) == "none"
    assert standing._bounds(Tolerance(absolute="nonsense", ulp=4)) == "absolute ≤ nonsense, ≤ 4 ULP"


def test_the_first_divergence_names_step_output_inputs_size_and_place(tmp_path: Path) -> None:
    result, _ = scenario("diverged", tmp_path)
    assert result.first_divergence
    assert standing.divergence(result.first_divergence) == (
        "step train, run from its recorded inputs, made out/model.txt different: "
        "212 of 3,406 lines differ; first at line 17"
    )
