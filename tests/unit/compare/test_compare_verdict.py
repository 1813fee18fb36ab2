from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from tests_support.recipes import a_recipe, a_step, artifact, output

from replay.compare.chain import steps_to_chain
from replay.compare.verdict import judge
from replay.outcome import Comparison, Ending, Execution, Finding, Match, Mode, Verdict
from replay.recipe import OutputRole, Recipe

CLEAN, METRICS, MODEL = ("prepare", "out/clean.csv"), ("train", "out/metrics.json"), ("train", "out/model.txt")
ISO, CHAIN = Mode.ISOLATED, Mode.CHAINED
S, E, D, M, U = Match.IDENTICAL, Match.EQUIVALENT, Match.DIFFERENT, Match.MISSING, Match.UNCOMPARED


def comparison(place: tuple[str, str], match: Match, mode: Mode = ISO, *, volatile: bool = False) -> Comparison:
    finding = Finding(match=match, comparator="bytes", summary=f"says {match}")
    return Comparison(step=place[0], path=place[1], mode=mode, finding=finding, volatile=volatile)


def execution(step: str = "train", ending: Ending = Ending.SUCCEEDED, mode: Mode = ISO) -> Execution:
    return Execution(step=step, mode=mode, ending=ending, exit_code=0, started="", seconds=1.0, log="", reason="why")


RAN = [execution("prepare"), execution("train")]


def isolated(clean: Match | None, metrics: Match | None, model: Match | None) -> list[Comparison]:
    pairs = ((CLEAN, clean), (METRICS, metrics), (MODEL, model))
    return [comparison(place, match) for place, match in pairs if match]


def chained(metrics: Match, model: Match) -> list[Comparison]:
    return [comparison(METRICS, metrics, CHAIN), comparison(MODEL, model, CHAIN)]


TABLE: list[tuple[str, list[Comparison], list[Comparison] | None, Verdict, str, tuple[str, str] | None]] = [
    ("all identical", isolated(S, S, S), None, Verdict.REPRODUCED, "3 outputs compared, all identical", None),
    ("equivalent last", isolated(S, E, S), None, Verdict.REPRODUCED, "2 identical, 1 equivalent", None),
    ("equivalent model", isolated(S, S, E), None, Verdict.REPRODUCED, "2 identical, 1 equivalent", None),
    ("nothing", [], None, Verdict.INCONCLUSIVE, "nothing could be compared; 3 of 3 outputs not compared", None),
    ("all uncompared", isolated(U, U, U), None, Verdict.INCONCLUSIVE, "3 × says uncompared", None),
    ("model uncompared", isolated(S, S, U), None, Verdict.INCONCLUSIVE, "model out/model.txt was not compared", None),
    ("model not run", isolated(S, S, None), None, Verdict.INCONCLUSIVE, "model out/model.txt was not compared", None),
    ("metrics uncompared", isolated(S, U, S), None, Verdict.REPRODUCED, "1 of 3 outputs not compared (1 × says", None),
    ("metrics not run", isolated(S, None, S), None, Verdict.REPRODUCED, "(1 × its step was not replayed)", None),
    ("different", isolated(S, S, D), None, Verdict.DIVERGED, "was not tested", MODEL),
    ("missing", isolated(S, M, S), None, Verdict.DIVERGED, "1 of 3 outputs diverged, first step 'train'", METRICS),
    ("first in order", list(reversed(isolated(D, D, D))), None, Verdict.DIVERGED, "3 of 3 outputs", CLEAN),
    ("upstream equivalent", isolated(E, S, S), None, Verdict.INCONCLUSIVE, "recorded out/clean.csv", None),
    ("upstream uncompared", isolated(U, S, S), None, Verdict.INCONCLUSIVE, "recorded out/clean.csv", None),
    ("upstream not run", isolated(None, S, S), None, Verdict.INCONCLUSIVE, "recorded out/clean.csv", None),
    (
        "chain good",
        isolated(E, S, S) + chained(S, E),
        None,
        Verdict.REPRODUCED,
        "1 identical, 2 equivalent, end to",
        None,
    ),
    (
        "chain bad",
        isolated(E, S, S) + chained(S, D),
        None,
        Verdict.DIVERGED,
        "out/model.txt (chained): different",
        MODEL,
    ),
    (
        "chain uncompared",
        isolated(U, S, S) + chained(S, S),
        None,
        Verdict.REPRODUCED,
        "1 of 3 outputs not compared",
        None,
    ),
    (
        "intermediate",
        isolated(D, S, S) + chained(S, S),
        [],
        Verdict.DIVERGED,
        "the model itself is identical (ch",
        CLEAN,
    ),
    ("no claim", isolated(D, S, S), None, Verdict.DIVERGED, "first step 'prepare'", CLEAN),
    ("chained only", [comparison(CLEAN, S, CHAIN), *chained(S, S)], None, Verdict.REPRODUCED, ", end to end", None),
    ("chained from a step", chained(S, S), None, Verdict.INCONCLUSIVE, "recorded out/clean.csv", None),
    ("aa agrees", isolated(S, S, D), isolated(S, S, S), Verdict.DIVERGED, "agrees with the first", MODEL),
    ("aa within", isolated(S, S, D), isolated(S, S, E), Verdict.DIVERGED, "agrees with the first", MODEL),
    (
        "aa differs",
        isolated(S, S, D),
        isolated(S, S, D),
        Verdict.NOT_SELF_REPRODUCIBLE,
        "differ from each other",
        MODEL,
    ),
    ("aa elsewhere", isolated(S, S, D), isolated(S, D, S), Verdict.NOT_SELF_REPRODUCIBLE, "metrics.json", MODEL),
    ("aa lost", isolated(S, S, D), isolated(S, S, M), Verdict.NOT_SELF_REPRODUCIBLE, "model.txt", MODEL),
    ("aa though equal", isolated(S, S, S), isolated(S, S, D), Verdict.NOT_SELF_REPRODUCIBLE, "two unchanged", None),
]


@pytest.mark.parametrize("case", TABLE, ids=[case[0] for case in TABLE])
def test_table(case: Any) -> None:
    _, comparisons, aa, verdict, text, first = case
    found = judge(RAN, comparisons, aa, a_recipe())
    assert (
        found.verdict,
        (found.first_divergence.step, found.first_divergence.path) if found.first_divergence else None,
    ) == (
        verdict,
        first,
    ), found
    assert text in found.reason


def test_the_model_is_not_called_equal_when_it_rests_on_recorded_bytes() -> None:
    assert "the model itself" not in judge(RAN, isolated(D, S, S), None, a_recipe()).reason


@pytest.mark.parametrize("ending", [e for e in Ending if e is not Ending.SUCCEEDED])
def test_a_step_that_did_not_succeed(ending: Ending) -> None:
    found = judge([execution("prepare"), execution("train", ending)], isolated(D, None, None), None, a_recipe())
    interrupted = ending is Ending.INTERRUPTED
    assert found.verdict is (Verdict.INCONCLUSIVE if interrupted else Verdict.FAILED)
    assert found.reason.startswith(
        f"step 'train' (isolated) did not succeed: {ending}, why; before that, step 'prepare'"
    )


def test_the_first_failed_step_is_named() -> None:
    ran = [execution("train", Ending.TIMED_OUT), execution("prepare", Ending.EXITED)]
    assert judge(ran, [], None, a_recipe()).reason.startswith("step 'prepare'")


def test_volatile_outputs_decide_nothing() -> None:
    recipe = _with_volatile(a_recipe(), "out/metrics.json")
    for match in Match:
        found = judge(RAN, [comparison(CLEAN, S), comparison(METRICS, match, volatile=True), comparison(MODEL, S)],
                      [comparison(METRICS, D, volatile=True)], recipe)  # fmt: skip
        assert found.verdict is Verdict.REPRODUCED
        assert "1 output sealed as volatile and left out" in found.reason
        assert "2 outputs compared" in found.reason
    only = judge(RAN, [comparison(METRICS, S, volatile=True)], None, recipe)
    assert only.verdict is Verdict.INCONCLUSIVE


def test_a_volatile_model_is_never_reproduced() -> None:
    found = judge(RAN, isolated(S, S, S), None, _with_volatile(a_recipe(), "out/model.txt"))
    assert found.verdict is Verdict.INCONCLUSIVE


def test_a_volatile_output_upstream_needs_the_chain() -> None:
    recipe = _with_volatile(a_recipe(), "out/clean.csv")
    moved = [comparison(CLEAN, D, volatile=True), comparison(METRICS, S), comparison(MODEL, S)]
    assert judge(RAN, moved, None, recipe).verdict is Verdict.INCONCLUSIVE
    assert judge(RAN, moved + chained(S, S), None, recipe).verdict is Verdict.REPRODUCED


def test_undeclared_files_are_counted_only() -> None:
    extra = comparison(("train", "core.1"), Match.UNEXPECTED)
    found = judge(RAN, [*isolated(S, S, S), extra], None, a_recipe())
    assert found.verdict is Verdict.REPRODUCED
    assert found.reason.endswith("; 1 undeclared files written")
    assert judge(RAN, [extra], None, a_recipe()).verdict is Verdict.INCONCLUSIVE


def _with_volatile(recipe: Recipe, path: str) -> Recipe:
    replace = msgspec.structs.replace

    def marked(o: Any) -> Any:
        return replace(o, judgement=replace(o.judgement, volatile=True)) if o.artifact.path == path else o

    steps = tuple(replace(step, outputs=tuple(map(marked, step.outputs))) for step in recipe.steps)
    return replace(recipe, steps=steps)


def test_every_combination_keeps_the_promises() -> None:
    """All isolated and chained matches of a two-step recipe: what each verdict promises holds for each of them."""
    options = [None, S, E, D, M, U]
    for clean, metrics, model, end in itertools.product(options, options, options, options):
        comparisons = isolated(clean, metrics, model) + ([comparison(MODEL, end, CHAIN)] if end else [])
        found = judge(RAN, comparisons, None, a_recipe())
        matches = {c.match for c in comparisons}
        assert (found.verdict is Verdict.DIVERGED) == bool(matches & {D, M}) == bool(found.first_divergence)
        if found.verdict is Verdict.REPRODUCED:
            assert S in (model, end) or E in (model, end)
            assert clean is S or (end in (S, E) and clean in (E, U))
            assert ("not compared" in found.reason) == any(
                all(m in (None, U) for m in ms) for ms in ((clean,), (metrics,), (model, end))
            )


def test_chain_steps() -> None:
    recipe = a_recipe()
    assert steps_to_chain(recipe, isolated(S, D, D)) == ()
    assert steps_to_chain(recipe, isolated(E, S, S)) == ("train",)
    assert steps_to_chain(recipe, isolated(None, S, S)) == ("train",)


def test_chain_goes_through_directories_and_many_steps() -> None:
    base = a_recipe()
    one = a_step("one", (), (output("d", "a"),))
    two = a_step("two", (artifact("d/x", "b"),), (output("e/y", "c"),))
    three = a_step("three", (artifact("e", "d"),), (output("f", "e"),))
    four = a_step("four", (artifact("g", "d"),), (output("out/model.txt", "e", OutputRole.MODEL),))
    recipe = msgspec.structs.replace(base, steps=(one, two, three, four))
    moved = [comparison(("one", "d"), E), comparison(("two", "e/y"), S), comparison(("three", "f"), S)]
    assert steps_to_chain(recipe, moved) == ("two", "three")
    found = judge(RAN, [*moved, comparison(("four", "out/model.txt"), S)], None, recipe)
    assert found.verdict is Verdict.REPRODUCED  # the model does not stand on them
