"""What changed between two pipeline definitions."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from replay.plans import changes_between
from replay.record.pipeline import Plan, PlannedOutput, PlannedStep, definition_of


def definition(*steps: PlannedStep, model: str = "model.txt") -> dict[str, Any]:
    plan = Plan(steps=steps, model_name="demo", model=model, dvc=True)
    return msgspec.to_builtins(definition_of(plan))


def step(name: str = "fit", command: str = "python fit.py", **options: Any) -> PlannedStep:
    return PlannedStep(name=name, command=("/bin/sh", "-c", command), **options)


def said(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str, str | None, str | None]]:
    return [(one.step, one.what, one.before, one.after) for one in changes_between(before, after)]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (step(), step(), []),
        (step(), step(command="python fit.py -v"), [("fit", "command", "python fit.py", "python fit.py -v")]),
        (step(), step(directory="sub"), [("fit", "directory", "", "sub")]),
        (step(inputs=("a", "b")), step(inputs=("b", "c")), [("fit", "input", "a", None), ("fit", "input", None, "c")]),
        (step(parameters={"p.yaml:a": "1"}), step(parameters={"p.yaml:a": "2"}), []),
        (step(), step(parameters={"p.yaml:a": "2"}), [("fit", "parameter", None, "p.yaml:a")]),
        (
            step(outputs=(PlannedOutput(path="m.json", metric=True),)),
            step(outputs=(PlannedOutput(path="m.json", cache=True),)),
            [("fit", "output", "m.json (metric)", "m.json (cache)")],
        ),
        (step(), step("train"), [("fit", "step", "python fit.py", None), ("train", "step", None, "python fit.py")]),
    ],
)  # fmt: skip
def test_a_step_that_changed_says_what(before: PlannedStep, after: PlannedStep, expected: list[Any]) -> None:
    assert said(definition(before), definition(after)) == expected


def test_the_model_and_the_order_of_steps_count() -> None:
    one, other = step("a"), step("b")
    assert said(definition(one, other), definition(other, one, model="x.txt")) == [
        ("", "model", "model.txt", "x.txt"),
        ("", "order of steps", "a, b", "b, a"),
    ]
    assert said(definition(one), definition(other, one)) == [("b", "step", None, "python fit.py")]


@pytest.mark.parametrize(
    "strange", [{}, {"steps": []}, {"steps": ["x", 3]}, {"steps": [{"name": "fit", "command": "x", "outputs": ["y"]}]}]
)
def test_a_definition_of_another_program_is_compared_as_far_as_it_goes(strange: dict[str, Any]) -> None:
    assert changes_between(strange, strange) == ()
    assert changes_between(strange, definition(step()))
