"""The command line as a user meets it, as far as nothing has to run."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from replay.cli.verbs import COMMANDS


def replay(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "replay", *words],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_verb_has_help_that_begins_like_the_list(name):
    command = importlib.import_module(f"replay.cli.{name}").command
    assert isinstance(command, click.Command)
    assert command.help


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_verb_exits_with_0(name, tmp_path):
    done = replay(name, "--help", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: replay")


def test_the_help_names_every_verb_and_every_exit_code(tmp_path):
    text = replay("--help", cwd=tmp_path).stdout
    assert all(f"\n  {name}" in text for name in COMMANDS)
    assert all(f" {code} " in text for code in range(7))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["momentum:1"], "no .replay store"),
        (["run"], "expected a MODEL-ID or --recipe FILE"),
        (["run", "a:1", "--recipe", "x.json"], "and not both"),
        (["difff"], "did you mean `replay diff`"),
        (["run", "a:1", "--repeat", "0"], "--repeat"),
        (["record", "-i", "x"], "describe a command"),
        (["schema", "nothing"], "is not one of"),
        (["-C", "/no/such/folder", "models"], "does not exist"),
        (["run", "a:1", "-o", "nonsense"], "nonsense"),
        (["run", "a:1", "-o", "executor.jobs=many"], "executor.jobs"),
        (["record"], "not a git repository"),
    ],
)
def test_wrong_words_exit_with_2_and_say_what_was_expected(words, message, tmp_path):
    done = replay(*words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_nothing_is_left_behind_by_a_refused_command(tmp_path):
    replay("momentum:1", cwd=tmp_path)
    replay("record", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["recipe", "result", "plan", "diff", "decision", "experiment", "impact", "page"])
def test_schemas_are_json_schemas(name, tmp_path):
    done = replay("schema", name, cwd=tmp_path)
    assert json.loads(done.stdout)["$schema"].startswith("https://json-schema.org/")


def test_a_recipe_file_that_is_none_exits_with_2(tmp_path):
    (tmp_path / "recipe.json").write_text('{"recipe_id": "x", "recipe": {"surprise": 1}}')
    done = replay("--recipe", "recipe.json", cwd=tmp_path)
    assert done.returncode == 2
    assert "no recipe" in done.stderr


def test_version(tmp_path):
    assert replay("--version", cwd=tmp_path).stdout.startswith("replay 0")
