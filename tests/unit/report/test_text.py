from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console
from unit.report.sample import GAPS, HOSTILE, SCENARIOS, hostile, poison, recipe, scenario

from replay.outcome import Deviation, ReplayResult, Verdict
from replay.recipe import Grade, Recipe
from replay.report.junit import CheckRow
from replay.report.plan import Availability, Plan, PlanItem, PlanStep
from replay.report.text import check_line, check_summary, render_result
from replay.report.text_recipe import ModelRow, render_models, render_plan, render_recipe
from replay.report.words import command_text


class Screen:
    """A console that writes into memory."""

    def __init__(self, width: int = 100, encoding: str = "utf-8", color: bool = False) -> None:
        self.bytes = io.BytesIO()
        file = io.TextIOWrapper(self.bytes, encoding=encoding, write_through=True)
        system = "truecolor" if color else None
        self.console = Console(file=file, width=width, force_terminal=color, color_system=system)  # type: ignore[arg-type]

    @property
    def text(self) -> str:
        return self.bytes.getvalue().decode()


def shown(result: ReplayResult, of: Recipe, **screen: object) -> str:
    view = Screen(**screen)  # type: ignore[arg-type]
    render_result(result, of, view.console)
    return view.text


def plan(of: Recipe) -> Plan:
    return Plan(
        model_id=of.model_id,
        recipe_id=of.recipe_id,
        grade=of.grade,
        profile=of.profile,
        image=of.environment.image.config,
        image_how="rebuilt from base and lock: the image is gone",
        items=(
            PlanItem(what="code", source="mirror of https://git.example.org/x.git", available=Availability.HERE),
            PlanItem(what="data/stocks.csv", source="s3://bucket/dvc", available=Availability.REMOTE, bytes=2048),
            PlanItem(what="data/oil.csv", source="3 sources asked", available=Availability.MISSING, bytes=10),
        ),
        steps=(PlanStep(name="train", command=("/bin/sh", "-c", "python src/train.py"), inputs=2, outputs=2),),
        gaps=GAPS,
        cannot_restore=(Deviation(facet="CPU", recorded="AVX-512", actual="AVX2", consequence="bits may differ"),),
    )


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_verdict_comes_first_in_words_and_with_a_mark(name: str, tmp_path: Path) -> None:
    result, of = scenario(name, tmp_path)
    text = shown(result, of)
    marks = {
        "reproduced": "✓ reproduced",
        "diverged": "✗ diverged",
        "failed": "! failed",
        "not-replayable": "∅ not replayable",
        "not-self-reproducible": "↯ not self-reproducible",
        "inconclusive": "? inconclusive",
    }
    assert text.split("\n")[0].rstrip() == f"momentum:1  {marks[name]}"
    assert "not claimed" in text
    assert "\x1b" not in text


def test_a_divergence_is_named_with_its_size_and_the_way_on(tmp_path: Path) -> None:
    result, of = scenario("diverged", tmp_path)
    text = shown(result, of, width=200)
    assert "First divergence" in text
    assert "made out/model.txt different: 212 of 3,406 lines differ; first at line 17" in text
    assert "≈ equivalent" in text
    assert "3,970 of 13,076 cells differ, all within the tolerance (largest absolute difference 8.9e-16)" in text
    assert "CPU model: recorded Intel(R) Xeon(R) Platinum 8488C, here AMD EPYC 7R13; " in text
    assert "base image has no registry digest; the environment must be rebuilt" in text
    assert "The chain from train on was replayed end to end" in text
    assert f"report:    {tmp_path}/report.html" in text
    assert f"workspace: {tmp_path}\n" in text
    assert "next:      replay momentum:1 --from-step train --keep" in text


def test_a_failure_shows_the_end_of_the_log_and_the_steps_never_run(tmp_path: Path) -> None:
    result, of = scenario("failed", tmp_path)
    text = shown(result, of, width=140)
    assert "exit code 1: It reads out/holidays.parquet, which is no declared input" in text
    assert "    FileNotFoundError: out/holidays.parquet\n" in text
    assert "backtest     none judged            · not run" in text


def test_paths_and_commands_are_never_wrapped(tmp_path: Path) -> None:
    result, of = scenario("diverged", tmp_path)
    lines = shown(result, of, width=40).split("\n")
    assert f"report:    {tmp_path}/report.html" in lines


@pytest.mark.parametrize("width", [40, 80, 200])
def test_nothing_hostile_reaches_the_terminal(width: int, tmp_path: Path) -> None:
    result, of = hostile(tmp_path)
    text = shown(result, of, width=width)
    assert not set(text) & set("\x1b\x07\x9b\u202e\u200b")
    assert "[bold red]loud[/]" in text.replace("\n", "") or width == 40
    assert "\\x1b[31mred" in text or width == 40


def test_colour_only_repeats_what_words_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result, of = scenario("diverged", tmp_path)
    plain = shown(result, of)
    coloured = Screen(color=True)
    render_result(result, of, coloured.console)
    assert "\x1b[1;31m✗ diverged" in coloured.text
    monkeypatch.setenv("NO_COLOR", "1")
    quiet = Screen(color=True)
    render_result(result, of, quiet.console)
    assert "\x1b[1;31m" not in quiet.text
    assert "31m" not in quiet.text
    assert "≠ different" in plain


def test_an_ascii_terminal_gets_ascii(tmp_path: Path) -> None:
    result, of = hostile(tmp_path)
    text = shown(result, of, encoding="ascii")
    assert text.isascii()
    assert "[x] diverged" in text
    assert "!= different" in text


def test_a_plan_names_sources_sizes_gaps_and_what_cannot_be_restored() -> None:
    view = Screen(width=140)
    render_plan(plan(recipe(gaps=GAPS)), view.console)
    for part in (
        "grade B: the environment must be rebuilt",
        "rebuilt from base and lock: the image is gone",
        "2.0 KiB; 1 thing missing",
        "∅ missing",
        "↓ to fetch",
        "unknown",
        "s3://bucket/dvc",
        "train  2 inputs, 2 outputs",
        "    python src/train.py",
        "CPU: recorded AVX-512, here AVX2; bits may differ",
        "Nothing was fetched, built or run.",
    ):
        assert part in view.text, part


def test_a_hostile_plan_recipe_and_list_are_harmless() -> None:
    of = poison(recipe(gaps=GAPS), {"model"})
    view = Screen(width=120)
    render_plan(poison(plan(of), set()), view.console)
    render_recipe(of, view.console)
    render_models([ModelRow(model_id=HOSTILE, recorded=HOSTILE, commit=HOSTILE, aliases=(HOSTILE,))], view.console)
    check_line(CheckRow(recipe=HOSTILE, reason=HOSTILE, hint=HOSTILE), view.console)
    assert not set(view.text) & set("\x1b\x07\x9b\u202e")
    assert view.text.count("[bold red]") > 20


def test_a_recipe_shows_what_is_pinned_and_what_is_not() -> None:
    of = recipe(gaps=GAPS)
    view = Screen(width=160)
    render_recipe(of, view.console)
    for part in (
        of.recipe_id,
        of.code.commit,
        of.environment.image.config,
        "seed = 7 (config: seed)",
        "torch.manual_seed",
        "seed=7 model=lightgbm",
        "volatile, not judged (holds times of day)",
        "openblas 0.3.30 Haswell x 2",
        "features: ${oc.env:WINDOW_END} has only a default",
    ):
        assert part in view.text, part


def test_models_that_were_never_replayed_are_called_so() -> None:
    view = Screen(width=140)
    rows = [
        ModelRow(
            model_id="momentum:1",
            recorded="2026-03-01T10:20:30Z",
            commit="a" * 40,
            grade=Grade.A,
            verdict=Verdict.DIVERGED,
            replayed="2026-03-02T00:00:00Z",
            aliases=("prod",),
            status="rejected",
            stage="production",
            deployed=("exchange", "prod"),
        ),
        ModelRow(model_id="momentum:2", recorded="", commit=""),
    ]
    render_models(rows, view.console)
    assert "✗ rejected" in view.text
    assert "exchange, prod" in view.text
    assert "undecided" in view.text
    assert "nowhere" in view.text
    assert "momentum:1 @prod" in view.text
    assert "✗ diverged" in view.text
    assert "2026-03-02 00:00:00 UTC" in view.text
    assert "never replayed" in view.text
    assert view.text.count("unknown") == 3
    empty = Screen()
    render_models([], empty.console)
    assert "no model is recorded yet" in empty.text


def test_a_check_is_one_line_whatever_happened() -> None:
    view = Screen(width=60)
    rows = [
        CheckRow(recipe="recipes/m/1.json", model_id="m:1", verdict=Verdict.REPRODUCED, reason="all", seconds=2.5),
        CheckRow(
            recipe="recipes/m/2.json",
            model_id="m:2",
            verdict=Verdict.DIVERGED,
            reason="1 of 7 differs " * 10,
            seconds=61,
        ),
        CheckRow(recipe="recipes/m/3.json", reason="no Docker Engine answers\nat all", hint="start it"),
    ]
    for row in rows:
        check_line(row, view.console)
    check_summary(rows, view.console)
    lines = view.text.rstrip("\n").split("\n")
    assert lines[0] == "✓ reproduced            m:1  2.50 s"
    assert lines[1].startswith("✗ diverged              m:2  1 min 1 s  1 of 7 differs")
    assert lines[2] == "! error                 recipes/m/3.json  0.00 s  no Docker Engine answers\\nat all (start it)"
    assert lines[3] == "3 recipes: 1 reproduced, 1 diverged, 1 errors"


def test_the_shell_around_a_stage_is_taken_off() -> None:
    assert command_text(("/bin/sh", "-c", "python a.py > b")) == "python a.py > b"
    assert command_text(("python", "a b.py")) == "python 'a b.py'"
