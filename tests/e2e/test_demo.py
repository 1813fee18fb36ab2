"""The example that a new user meets first, and the gallery's recipes, frozen on another machine on another day."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("demo")]
GALLERY = Path(__file__).parents[2] / "recipes" / "momentum"


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", *command] if command[0] in {"replay", "dvc"} else list(command)
    quiet = {"DVC_NO_ANALYTICS": "1", "NO_COLOR": "1"}
    return subprocess.run(words, cwd=cwd, env=os.environ | quiet, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("demo") / "momentum"
    done = run("replay", "demo", str(directory), cwd=directory.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    (directory.parent / "said").write_text(done.stdout)
    return directory


def test_the_demo_reproduces_its_first_model_and_says_what_changed(demo: Path) -> None:
    said = (demo.parent / "said").read_text()
    assert "momentum:1  ✓ reproduced" in said
    assert "changed: data only (data/stocks.csv, data/wti.csv)" in said
    assert "sharpe_ratio" in said
    assert "report.html" in said


def test_the_demo_shows_every_command_that_it_runs(demo: Path) -> None:
    said = (demo.parent / "said").read_text()
    for command in ("dvc add", "git commit", "replay record --model momentum", "replay momentum:1", "replay diff"):
        assert f"\n$ {command}" in said


def test_afterwards_the_work_tree_is_clean_for_dvc_and_git(demo: Path) -> None:
    assert "up to date" in run("dvc", "status", cwd=demo).stdout
    assert run("git", "status", "--porcelain", "--", ":!recipes", cwd=demo).stdout == ""
    assert run("dvc", "status", "--cloud", cwd=demo).stdout.strip().endswith("in sync.")


def test_a_second_demo_reuses_everything_and_says_so(demo: Path) -> None:
    before = run("git", "rev-parse", "HEAD", cwd=demo).stdout
    done = run("replay", "demo", str(demo), cwd=demo.parent)
    assert done.returncode == 0, done.stderr
    assert all(f"reusing momentum:{version}" in done.stdout for version in (1, 2, 3))
    assert "replay record" not in done.stdout
    assert run("git", "rev-parse", "HEAD", cwd=demo).stdout == before


def test_the_demo_refuses_a_folder_with_other_things_in_it(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    done = run("replay", "demo", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 2
    assert "holds no demo" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_the_frozen_recipes_of_the_gallery_reproduce_here(demo: Path, tmp_path: Path) -> None:
    frozen = sorted(GALLERY.glob("*.json"))
    assert [path.stem for path in frozen] == ["1", "2", "3"]
    junit = tmp_path / "replay.xml"
    done = run("replay", "check", *map(str, frozen), "--junit", str(junit), cwd=demo)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("reproduced") == 3
    suite = ElementTree.parse(junit).getroot()
    assert [case.get("name") for case in suite.iter("testcase")] == ["momentum:1", "momentum:2", "momentum:3"]
    assert not list(suite.iter("failure"))


def test_the_frozen_recipes_name_the_commits_that_every_demo_makes(demo: Path) -> None:
    commits = run("git", "log", "--format=%H", cwd=demo).stdout.split()
    for path in GALLERY.glob("*.json"):
        assert json.loads(path.read_text())["recipe"]["code"]["commit"] in commits
