from pathlib import Path

import pytest

from replay.errors import UsageError
from replay.record.pipeline import command_plan, dvc_plan


def test_a_command_with_one_output_makes_that_its_model():
    plan = command_plan(["python3", "t.py"], inputs=["b", "a", "a"], outputs=["m.txt"], name="m", artifact=None)
    assert plan.model == "m.txt"
    assert plan.steps[0].inputs == ("a", "b")
    assert plan.steps[0].command == ("python3", "t.py")


@pytest.mark.parametrize(
    ("outputs", "artifact", "message"),
    [
        ([], None, "no output is declared"),
        (["a", "b"], None, "which one is the model"),
        (["a"], "c", "not among the outputs"),
    ],
)
def test_an_unclear_model_is_a_usage_error(outputs, artifact, message):
    with pytest.raises(UsageError, match=message) as caught:
        command_plan(["x"], inputs=[], outputs=outputs, name="m", artifact=artifact)
    assert caught.value.hint


def test_no_command_and_no_pipeline_is_a_usage_error(tmp_path: Path):
    with pytest.raises(UsageError, match=r"no dvc\.yaml"):
        dvc_plan(tmp_path, name=None, artifact=None)
