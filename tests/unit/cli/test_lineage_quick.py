"""The short way of ``replay lineage ID --json``: what it understands, and what it does without."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests_support.lineages import Endpoint

from replay.cli import quick
from replay.store.database import Store

TELL = """
import sys
sys.argv[1:] = sys.argv[2:]
from replay.cli import main, quick
def tell():
    open("modules", "w").write("\\n".join(sys.modules))
leave = quick.leave
quick.leave = lambda code: (tell(), leave(code))
try:
    main()
finally:
    tell()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a small lineage."""
    with Store.open(tmp_path / ".replay", create=True) as store:
        Endpoint.record(store)
    return tmp_path


def run(project: Path, *words: str) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """A command line's end, and the modules that it imported."""
    command = [sys.executable, "-c", TELL, "-", *words]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    return done, set((project / "modules").read_text().split("\n"))


@pytest.mark.parametrize(
    "words",
    [
        ["lineage", "x", "--json"],
        ["lineage", "--json", "x", "--down", "--edges"],
        ["lineage", "--connected", "x", "--json"],
    ],
)
def test_it_understands_the_plainest_questions(words: list[str]) -> None:
    assert quick.understands(words)


@pytest.mark.parametrize(
    "words",
    [
        ["lineage", "x"],
        ["lineage", "--json"],
        ["lineage", "", "--json"],
        ["lineage", "x", "y", "--json"],
        ["lineage", "x", "--json", "--up", "--down"],
        ["lineage", "x", "--json", "--kind", "run"],
        ["lineage", "x", "--json", "--kind=run"],
        ["lineage", "--json", "--", "-x"],
        ["lineage", "x", "--json", "--help"],
    ],
)
def test_everything_else_goes_the_long_way(words: list[str]) -> None:
    assert not quick.understands(words)


def test_it_imports_neither_click_nor_what_shows_answers(project: Path) -> None:
    run(project, "lineage", Endpoint.package.uid, "--json")  # composes the settings once, with Hydra
    done, modules = run(project, "lineage", Endpoint.package.uid, "--json", "--edges")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["found"]) == 11
    assert "replay.ask" in modules
    heavy = {"click", "rich", "jinja2", "sqlalchemy", "psycopg", "hydra", "replay.report", "replay.report.lineage"}
    heavy |= {"typing_extensions", "inspect", "ast", "hashlib", "json"}
    assert heavy & modules == set()


def test_the_long_way_shows_json_without_what_draws(project: Path) -> None:
    done, modules = run(project, "lineage", Endpoint.package.uid, "--json", "--kind", "dataset")
    assert done.returncode == 0, done.stderr
    assert not {"replay.report.lineage", "rich", "jinja2"} & modules


def test_a_tree_needs_no_templates(project: Path) -> None:
    run(project, "lineage", Endpoint.package.uid, "--json")
    done, modules = run(project, "lineage", Endpoint.package.uid, "--tree")
    assert "✓ complete  11 nodes found" in done.stdout
    assert not {"jinja2", "sqlalchemy", "hydra"} & modules


@pytest.mark.parametrize("form", ["--json", "--tree"])
def test_a_closed_output_is_nobody_who_reads(project: Path, form: str) -> None:
    command = f'exec "$0" -m replay lineage "$1" {form} >&- 2>&-'
    done = subprocess.run(["sh", "-c", command, sys.executable, Endpoint.package.uid], cwd=project, check=False)
    assert done.returncode == 0


def test_its_errors_are_told_like_all_others(project: Path) -> None:
    short, _ = run(project, "lineage", "nowhere", "--json")
    long, _ = run(project, "lineage", "nowhere", "--tree")
    assert (short.returncode, short.stderr) == (long.returncode, long.stderr)
    assert "nothing is recorded as 'nowhere'" in short.stderr
