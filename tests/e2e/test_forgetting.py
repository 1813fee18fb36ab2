"""A recorded project pays its bill, forgets, and is replayed all the same where that can be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests_support.project import Project, Ran, copy_of

pytestmark = pytest.mark.docker

PIPELINE = {
    "dvc.yaml": """
stages:
  clean:
    cmd: sort data/prices.csv > out/clean.csv
    deps: [data/prices.csv]
    outs: [out/clean.csv]
  widen:
    cmd: mkdir out/wide && sed 's/,/;/' out/clean.csv > out/wide/a.csv && wc -c < out/clean.csv > out/wide/b.txt
    deps: [out/clean.csv, data/names.csv]
    outs: [out/wide]
  fit:
    cmd: cat out/wide/a.csv out/wide/b.txt > out/model.txt && wc -l < out/wide/a.csv > out/metrics.json
    deps: [out/wide]
    outs: [out/model.txt]
    metrics:
      - out/metrics.json:
          cache: false
artifacts:
  demo:
    path: out/model.txt
    type: model
""",
    "data/prices.csv": "3,99\n1,100\n2,101\n",
    "data/names.csv": "the same names in both versions\n",
    "out/.gitignore": "/clean.csv\n/wide\n/model.txt\n",
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """``demo:1``, replayed and reproduced, and ``demo:2`` from other prices; tests work on copies of it."""
    root = tmp_path_factory.mktemp("recorded")
    made = Project(root / "project")
    made.write(PIPELINE)
    made.init_dvc(["data/prices.csv", "data/names.csv"])
    made.commit("A pipeline")
    made.record("--model", "demo", "--certify")
    made.commit("Record demo:1")
    made.write({"data/prices.csv": "3,99\n1,100\n2,101\n4,102\n"})
    made.dvc("add", "-q", "data/prices.csv")
    made.commit("More prices")
    made.record("--model", "demo")
    made.commit("Record demo:2")
    yield root / "project"
    shutil.rmtree(root)


@pytest.fixture
def copy(recorded: Path, tmp_path: Path) -> Iterator[Project]:
    with copy_of(recorded, tmp_path / "copy") as project:
        yield project


def told(ran: Ran) -> Any:
    assert ran.code == 0, ran.stderr
    return ran.json()


def objects(project: Project) -> dict[str, int]:
    """Every blob and every object of DVC's cache with its size."""
    places = (project.root / ".replay" / "blobs" / "sha256", project.root / ".dvc" / "cache" / "files")
    return {str(p.relative_to(project.root)): p.stat().st_size for at in places for p in at.rglob("*") if p.is_file()}


def test_a_model_is_forgotten_as_announced_and_a_replay_says_so(copy: Project) -> None:
    before = objects(copy)
    bill = told(copy.replay("costs", "demo:1", "--json"))
    announced = told(copy.replay("forget", "demo:1", "--reason", "request 17", "--json"))
    assert objects(copy) == before, "a dry run deletes nothing"
    assert not announced["really"]
    done = told(copy.replay("forget", "demo:1", "--reason", "request 17", "--yes", "--json"))
    assert done["dropped"] == announced["dropped"]
    lost = {path: size for path, size in before.items() if path not in objects(copy)}
    assert sum(lost.values()) == done["frees"] == bill["models"][0]["frees"] > 0
    assert {kept["what"]: kept["why"] for kept in done["kept"]}["data/names.csv"].startswith("demo:2 needs it")
    verified = copy.replay("verify")
    assert (verified.code, "the record is intact" in verified.stdout) == (0, True), verified.stdout
    code, result = copy.judge("demo:1")
    assert (code, result["verdict"]) == (3, "not-replayable")
    assert result["reason"].startswith("data/prices.csv was forgotten by "), result["reason"]
    assert ": request 17" in result["reason"]
    assert not any("dvc push" in note for note in result["notes"]), "it was done on purpose"
    shown = copy.replay("run", "demo:1", "--plan").stdout
    assert "was forgotten by" in shown
    code, result = copy.judge("demo:2")
    assert (code, result["verdict"]) == (0, "reproduced"), result["reason"]
    assert copy.replay("show", "demo:1").code == 0
    assert copy.replay("diff", "demo:1", "demo:2").code == 1
    again = copy.replay("forget", "demo:1", "--reason", "once more", "--yes")
    assert again.code == 0
    assert "was forgotten by" in again.stdout
    assert "request 17" in again.stdout


def test_a_copy_in_a_remote_is_named_and_still_replayed(copy: Project, tmp_path: Path) -> None:
    copy.dvc("remote", "add", "-d", "storage", str(tmp_path / "remote"))
    shutil.copytree(copy.root / ".dvc" / "cache" / "files", tmp_path / "remote" / "files")
    done = told(copy.replay("forget", "demo:1", "--reason", "request 17", "--yes", "--json"))
    still = {(one["what"], one["where"]) for one in done["still"]}
    assert ("data/prices.csv", f"remote storage ({tmp_path / 'remote'})") in still
    code, result = copy.judge("demo:1")
    assert (code, result["verdict"]) == (0, "reproduced"), result["reason"]
    note = next(note for note in result["notes"] if note.startswith("data/prices.csv was forgotten"))
    assert "a copy was still to be had" in note
    shutil.rmtree(tmp_path / "remote")
    (tmp_path / "remote").mkdir()
    assert copy.judge("demo:1")[1]["verdict"] == "not-replayable"


def test_the_dividend_is_paid_and_recomputed(copy: Project) -> None:
    gain = told(copy.replay("costs", "--dividend", "--json"))
    assert [(one["model"], one["what"], one["step"]) for one in gain["recomputable"]] == [
        ("demo:1", "out/clean.csv", "clean"),
        ("demo:1", "out/wide", "widen"),
    ]
    assert gain["seconds"] > 0
    kept = {one["what"]: one["why"] for one in gain["kept"]}
    assert "no replay on record" in kept["out/clean.csv of demo:2"]
    before = objects(copy)
    done = told(copy.replay("forget", "--recomputable", "demo:1", "--yes", "--json"))
    lost = {path: size for path, size in before.items() if path not in objects(copy)}
    assert sum(lost.values()) == gain["frees"] == done["frees"] > 0
    plan = json.loads(copy.replay("run", "demo:1", "--plan", "--json").stdout)
    assert {item["what"] for item in plan["items"] if item["available"] == "rebuild"} == {"out/clean.csv", "out/wide"}
    for arguments in ((), ("--chained",), ("--from-step", "fit")):
        code, result = copy.judge("demo:1", *arguments)
        assert (code, result["verdict"]) == (0, "reproduced"), (arguments, result["reason"])
        assert {c["finding"]["match"] for c in result["comparisons"]} == {"identical"}
        notes = [note for note in result["notes"] if "dropped on purpose" in note]
        assert len(notes) == 2, result["notes"]
        assert all("it was recomputed, and its digests are the recorded ones" in note for note in notes)
        assert all("(it can be recomputed; proven by rp_" in note for note in notes)
    assert copy.replay("verify").code == 0
    assert told(copy.replay("costs", "--dividend", "demo:1", "--json"))["recomputable"] == []


def test_what_was_recomputed_otherwise_is_told(copy: Project) -> None:
    """The promise is broken: a variant of the recipe makes something else in the place of what was dropped."""
    assert copy.replay("forget", "--recomputable", "demo:1", "--yes").code == 0
    copy.variant("demo:1", "variant.json", commands={"clean": "sort -r data/prices.csv > out/clean.csv"})
    recipe = json.loads((copy.root / "variant.json").read_text())
    assert recipe, "it is a recipe of its own"
    code, result = copy.judge("--recipe", "variant.json")
    assert (code, result["verdict"]) == (1, "diverged"), result["reason"]
    assert result["first_divergence"]["path"] == "out/clean.csv"
    note = next(note for note in result["notes"] if note.startswith("out/clean.csv was dropped on purpose"))
    assert "is not what was recorded: different" in note


def test_a_source_that_was_lost_is_not_excused_by_a_dividend(copy: Project) -> None:
    assert copy.replay("forget", "--recomputable", "demo:1", "--yes").code == 0
    copy.dvc("remote", "add", "-d", "far", "s3://nowhere/desk")
    copy.dvc("remote", "modify", "far", "endpointurl", "http://127.0.0.1:9")
    for name in ("access_key_id", "secret_access_key"):
        copy.dvc("remote", "modify", "--local", "far", name, "x")
    code, result = copy.judge("demo:1")
    assert (code, result["verdict"]) == (0, "reproduced"), "no remote need answer for what was dropped on purpose"


HOLD = "retention.holds=[{model:demo,reason:case 17}]"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("demo:1",), 2, "no reason is given"),
        ((), 2, "no model version is named"),
        (("demo", "--reason", "x"), 2, "expected exactly one model version"),
        (("demo:9", "--reason", "x"), 2, "no such model version"),
        (("Demo:1", "--reason", "x"), 2, "is not a model id"),
        (("demo:1", "--reason", "  "), 2, "reason"),
        (("demo:1", "--reason", "api_key=0123456789abcdef"), 6, "looks like"),
        (("demo:1", "--reason", "x", "--dvc-cache", "some"), 2, "--dvc-cache"),
        (("demo:1", "--finish"), 2, "--finish goes with no MODEL-ID"),
        (("demo:1", "--reason", "x", "-o", HOLD), 6, "it is under legal hold: case 17"),
        (("demo:1", "--reason", "x", "--yes", "-o", HOLD), 6, "it is under legal hold: case 17"),
        (("demo:1", "--reason", "x", "-o", "retention.rules=[{class:nope,model:x}]"), 2, "got the class 'nope'"),
        (("demo:1", "--reason", "x", "-o", "retention.holds=[{model:x}]"), 2, "reason"),
        (("demo:1", "--reason", "x", "-o", "retention.default=regulated"), 6, "keeps it until"),
    ],
)
def test_wrong_or_forbidden_words_change_nothing(
    arguments: tuple[str, ...], code: int, says: str, recorded: Path
) -> None:
    project = Project.at(recorded)
    before = objects(project)
    done = project.replay("forget", *arguments)
    assert done.code == code, (done.stdout, done.stderr)
    assert says in done.stderr
    assert done.stdout == ""
    assert objects(project) == before


def test_costs_on_a_terminal(recorded: Path) -> None:
    shown = Project.at(recorded).replay("costs").stdout
    for words in ("By model version", "demo:1", "By kind", "dataset", "By newest record", "Shared", "demo:1, demo:2"):
        assert words in shown, shown
    only = Project.at(recorded).replay("costs", "--by", "kind").stdout
    assert "dataset" in only
    assert "By model version" not in only


def test_wrong_words_for_costs(recorded: Path, tmp_path: Path) -> None:
    project = Project.at(recorded)
    assert project.replay("costs", "demo:9").code == 2
    assert project.replay("costs", "--dividend", "--by", "kind").code == 2
    assert project.replay("costs", "--by", "colour").code == 2
    empty = Project(tmp_path / "empty").replay("costs")
    assert (empty.code, "no .replay store" in empty.stderr) == (2, True)


def test_a_kill_is_finished_by_the_next_command(copy: Project) -> None:
    """Soon after its tombstone is recorded."""
    forget = ("forget", "demo:1", "--reason", "request 17")
    assert copy.replay(*forget).code == 0, "the settings are cached from here on: fewer steps are written"
    verified = copy.replay("verify")
    for step in range(1, 20):
        killed = copy.replay(*forget, "--yes", variables={"REPLAY_CRASH_AT": str(step)})
        assert killed.code == 137
        verified = copy.replay("verify")
        if verified.code == 3:
            break
    before = objects(copy)
    assert "although it was forgotten by" in verified.stdout
    assert "`replay forget --finish` deletes it" in verified.stdout
    listed = copy.replay("forget", "--finish")
    assert "was forgotten, and is still here: out/model.txt" in listed.stdout
    assert objects(copy) == before, "that was a dry run"
    assert "deleted: out/model.txt" in copy.replay("forget", "--finish", "--yes").stdout
    assert copy.replay("verify").code == 0
    assert "nothing that was forgotten is here" in copy.replay("forget", "--finish", "--yes").stdout
    assert copy.judge("demo:1")[0] == 3


def test_an_uncommitted_diff_is_forgotten_too(project: Project) -> None:
    project.write({"fit.sh": "echo 1 > model.txt\n"})
    project.commit("A command")
    project.write({"fit.sh": "echo 2 > model.txt\n"})
    project.record("--model", "demo", "--dirty", "-i", "fit.sh", "-o", "model.txt", "--", "sh", "fit.sh")
    assert project.judge("demo:1")[1]["verdict"] == "reproduced"
    done = told(project.replay("forget", "demo:1", "--reason", "request 17", "--yes", "--json"))
    assert "patch" in {one["kind"] for one in done["dropped"]}
    code, result = project.judge("demo:1")
    assert (code, result["verdict"]) == (3, "not-replayable")
    assert result["reason"].startswith("the uncommitted diff was forgotten by"), result["reason"]
    plan = project.replay("run", "demo:1", "--plan")
    assert plan.code == 3
    assert "the uncommitted diff was forgotten by" in plan.stderr
    assert project.replay("verify").code == 0
