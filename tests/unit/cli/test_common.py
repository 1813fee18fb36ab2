import signal

import click
import pytest

from replay import errors
from replay.cli.common import (
    EXIT_OF_VERDICT,
    SEVERITY,
    Terminated,
    code_of,
    exit_code_of,
    expect_model_id,
    printable,
)
from replay.cli.verbs import COMMANDS
from replay.errors import ReplayError, UsageError
from replay.outcome import Verdict


def every_error(kind=ReplayError):
    yield kind
    for below in kind.__subclasses__():
        yield from every_error(below)


def test_no_error_ever_exits_like_a_verdict_of_success_or_difference():
    for kind in set(every_error()):
        instance = kind.__new__(kind)
        assert code_of(instance) in {2, 3, 4, 5, 6}, kind


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError("x"), 2),
        (errors.RecipeFormatError("x"), 2),
        (errors.ModelNotFoundError("x"), 2),
        (errors.DirtyTreeError("x"), 2),
        (errors.SourceNotFoundError("x"), 3),
        (errors.DigestMismatchError("x", expected="a", actual="b"), 3),
        (errors.StoreCorruptError("x"), 3),
        (errors.ImageUnavailableError("x"), 3),
        (errors.SourceUnreachableError("x"), 4),
        (errors.EngineUnavailableError("x"), 4),
        (errors.StoreError("disk full"), 4),
        (errors.WorkflowFailedError("x", log="last line"), 5),
        (errors.PolicyError("x"), 6),
        (errors.InterruptedReplayError("x", signum=signal.SIGINT), 130),
        (errors.InterruptedReplayError("x", signum=signal.SIGTERM), 143),
        (KeyboardInterrupt(), 130),
        (Terminated(), 143),
        (click.UsageError("x"), 2),
        (OSError(28, "No space left on device", "/x"), 4),
        (ValueError("a defect"), 4),
    ],
)
def test_exit_codes_are_those_of_the_design(error, code, capsys):
    assert exit_code_of(error) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err


def test_every_verdict_has_its_code():
    assert set(EXIT_OF_VERDICT) == {verdict.value for verdict in Verdict}
    assert [v for v, code in EXIT_OF_VERDICT.items() if code == 0] == [Verdict.REPRODUCED]


def test_the_gravest_code_wins():
    assert max([0, 1, 4, 5, 3, 6], key=SEVERITY.index) == 6
    assert max([0, 1], key=SEVERITY.index) == 1
    assert max([4, 3], key=SEVERITY.index) == 3


def test_the_hint_is_told_and_controls_are_escaped(capsys):
    exit_code_of(UsageError("got \x1b[31mred", hint="try \x07less"))
    said = capsys.readouterr().err
    assert "\\x1b[31mred" in said
    assert "hint: try \\x07less" in said
    assert "\x07" not in said


def test_the_log_of_a_failed_workflow_is_shown(capsys):
    exit_code_of(errors.WorkflowFailedError("step a exited", log="one\ntwo"))
    assert "  one\n  two" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["momentum:1", "a/b@prod", "--help"])
def test_a_model_id_or_an_option_is_no_typo(word, tmp_path):
    expect_model_id(word, COMMANDS, str(tmp_path))


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("recrod", "replay record"),
        ("difff", "replay diff"),
        ("nothing-like-it", "lists the commands"),
        ("No!", "name:version"),
    ],
)
def test_a_typo_is_answered_with_the_nearest_verb(word, hint, tmp_path):
    with pytest.raises(UsageError) as caught:
        expect_model_id(word, COMMANDS, str(tmp_path))
    assert hint in caught.value.hint


def test_printable_keeps_words_and_escapes_controls():
    assert printable("größe\t\x00\x9b") == "größe\t\\x00\\x9b"
