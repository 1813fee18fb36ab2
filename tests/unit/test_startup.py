"""What starting the command line imports. Each heavy library costs more than all the rest of a start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"docker", "git", "sqlalchemy", "hydra", "omegaconf", "numpy", "pyarrow", "boto3", "PIL", "jinja2", "dvc"}
VALUES = {"msgspec", "rich", "replay.recipe"}
PLAN = (
    "cli.run",
    "inspecting",
    "freeze",
    "resolve",
    "fetch.dvc",
    "fetch.git_source",
    "fetch.store",
    "rebuild.glance",
    "execute.determinism",
    "report.text_recipe",
)
TELL = """
import sys
try:
    {code}
except SystemExit:
    pass
open("modules", "w").write("\\n".join(sys.modules))
"""


def imported(code: str, folder: Path) -> set[str]:
    """The modules that a fresh interpreter has after ``code``."""
    command = [sys.executable, "-c", TELL.format(code=code)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set((folder / "modules").read_text().split("\n"))


def run(*words: str) -> str:
    return f"sys.argv[1:] = {list(words)}; from replay.cli import main; main()"


@pytest.mark.parametrize("words", [("--help",), ("--version",), ("run", "--help"), ("no-such-verb",), ("verify",)])
def test_commands_that_run_nothing_import_nothing_heavy(words: tuple[str, ...], tmp_path: Path) -> None:
    modules = imported(run(*words), tmp_path)
    assert "replay.cli" in modules
    assert not HEAVY & modules


def test_help_needs_none_of_our_values(tmp_path: Path) -> None:
    assert not VALUES & imported(run("--help"), tmp_path)


def test_what_a_plan_needs_is_light(tmp_path: Path) -> None:
    modules = imported("import " + ", ".join(f"replay.{part}" for part in PLAN), tmp_path)
    assert "replay.rebuild.glance" in modules
    assert not HEAVY & modules
    assert "importlib.metadata" not in modules
