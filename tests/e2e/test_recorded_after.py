"""Runs that were made already are recorded as what they are: asserted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests_support.project import NO_ARCHIVE, Project, copy_of

pytestmark = pytest.mark.docker

PIPELINE = {
    "dvc.yaml": """
stages:
  clean:
    cmd: sort data/prices.csv > out/clean.csv
    deps: [data/prices.csv]
    outs: [out/clean.csv]
  fit:
    cmd:
      - sh fit.sh
      - wc -l < out/clean.csv > out/metrics.json
    deps: [out/clean.csv, fit.sh]
    params: [train.seed]
    outs: [out/model.txt]
    metrics:
      - out/metrics.json:
          cache: false
artifacts:
  demo:
    path: out/model.txt
    type: model
""",
    "fit.sh": "cat out/clean.csv > out/model.txt\n",
    "params.yaml": "train:\n  seed: 7\n",
    "data/prices.csv": "3,99\n1,100\n2,101\n",
    "out/.gitignore": "/clean.csv\n/model.txt\n",
}
UNWATCHED = {"run", "time", "machine", "environment", "config"}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project whose pipeline DVC has run, without anybody watching; tests work on copies of it."""
    root = tmp_path_factory.mktemp("ran")
    made = Project(root / "project")
    made.write(PIPELINE)
    made.init_dvc(["data/prices.csv"])
    made.commit("A pipeline")
    made.dvc("repro", "-q")
    made.commit("Run it")
    yield root / "project"
    shutil.rmtree(root)


@pytest.fixture
def pipeline(ran: Path, tmp_path: Path) -> Iterator[Project]:
    with copy_of(ran, tmp_path / "copy") as project:
        yield project


def after(project: Project, *arguments: str, archive: bool = False) -> Any:
    return project.record("--after", "--model", "demo", *arguments, archive=archive).json()


def lineage(project: Project) -> Any:
    return json.loads(project.replay("lineage", "demo:1", "--json", "--edges").stdout)


def test_a_pipeline_that_dvc_ran_is_asserted_and_replayed(pipeline: Project) -> None:
    before = {path: path.stat().st_mtime_ns for path in pipeline.root.glob("out/*")}
    made = after(pipeline, archive=True)
    assert made["grade"] == "C", "although the image is archived"
    assert {gap["item"] for gap in made["gaps"]} >= UNWATCHED
    assert {path: path.stat().st_mtime_ns for path in pipeline.root.glob("out/*")} == before, "nothing was executed"
    recipe = pipeline.recipe("demo:1")
    assert [step.name for step in recipe.steps] == ["clean", "fit"]
    assert {(seed.name, seed.value) for seed in recipe.step("fit").seeds} == {("train.seed", "7")}
    assert recipe.machine.cpus == 0
    assert all(step.configs == () for step in recipe.steps)
    nodes = lineage(pipeline)["nodes"].values()
    asserted = {node["kind"] for node in nodes if node.get("evidence") == "asserted"}
    assert {"run", "model_version"} <= asserted
    assert "dataset" not in asserted, "the bytes themselves were hashed"
    run = next(node for node in nodes if node["kind"] == "run" and node["name"] == "fit")
    assert run["basis"], "by whom"
    assert (run["attrs"]["facts"]["started"], run["attrs"]["facts"]["exit_code"]) == ("", None)
    edges = {edge["role"]: edge.get("evidence") for edge in lineage(pipeline)["edges"]}
    assert edges["output:out/model.txt"] == edges["input:fit.sh"] == "asserted"
    code, result = pipeline.judge("demo:1")
    assert (code, result["verdict"]) == (0, "reproduced"), result["reason"]
    assert {c["finding"]["match"] for c in result["comparisons"]} == {"identical"}
    (deviation,) = result["deviations"]
    assert deviation["recorded"] == "unknown: nobody watched the run"
    assert pipeline.replay("verify").code == 0
    assert pipeline.replay("show", "demo:1").code == 0
    assert pipeline.replay("show", "out/model.txt").code == 0
    assert pipeline.replay("models").code == 0


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"out/clean.csv": "9\n"}, "out/clean.csv: got md5"),
        ({"out/metrics.json": "9\n"}, "out/metrics.json: got md5"),
        ({"data/prices.csv": "9\n"}, "data/prices.csv"),
        ({"fit.sh": "true\n"}, "fit.sh: got md5"),
        ({"params.yaml": "train:\n  seed: 8\n"}, "params.yaml:train.seed: got 8, it names 7"),
        ({"dvc.yaml": PIPELINE["dvc.yaml"].replace("wc -l", "wc -c")}, "stage fit was run with another command"),
        ({"dvc.yaml": PIPELINE["dvc.yaml"].replace("  clean:", "  tidy:")}, "it has no stage tidy"),
    ],
)
def test_dvc_lock_must_name_exactly_what_lies_here(files: dict[str, str], says: str, pipeline: Project) -> None:
    for path in files:
        (pipeline.root / path).unlink()
    pipeline.write(files)
    pipeline.commit("Change something")
    done = pipeline.replay("record", "--after", "--model", "demo", *NO_ARCHIVE)
    assert done.code == 2, done.stderr
    assert says in done.stderr
    assert not (pipeline.root / "recipes").exists()


def test_what_dvc_never_ran_cannot_be_asserted(project: Project) -> None:
    project.write(PIPELINE)
    project.init_dvc(["data/prices.csv"])
    project.commit("A pipeline")
    done = project.replay("record", "--after", "--model", "demo", *NO_ARCHIVE)
    assert done.code == 2
    assert "is not there" in done.stderr
    project.write(dict.fromkeys(("out/clean.csv", "out/model.txt", "out/metrics.json"), "1\n"))
    project.commit("Outputs from nowhere")
    done = project.replay("record", "--after", "--model", "demo", *NO_ARCHIVE)
    assert done.code == 2
    assert "DVC has run nothing here" in done.stderr


def test_a_command_is_asserted_and_judged(project: Project) -> None:
    project.write({"fit.sh": "sort data.csv > model.txt\n", ".gitignore": "/data.csv\n/model.txt\n/wrong.txt\n"})
    project.commit("A command")
    project.write({"data.csv": "3\n1\n", "model.txt": "1\n3\n"})
    command = ("-i", "fit.sh", "-i", "data.csv", "-o", "model.txt", "--", "sh", "fit.sh")
    made = after(project, *command)
    assert (made["model_id"], made["grade"]) == ("demo:1", "C")
    assert project.judge("demo:1")[1]["verdict"] == "reproduced"
    project.write({"model.txt": "3\n1\n"})
    assert after(project, *command)["model_id"] == "demo:2"
    code, result = project.judge("demo:2")
    assert (code, result["verdict"]) == (1, "diverged"), "an assertion is not believed"
    done = project.replay("record", "--after", "--model", "demo", "-o", "none.txt", *NO_ARCHIVE, "--", "true")
    assert (done.code, "'none.txt' is not there" in done.stderr) == (2, True)


def test_metadata_alone_and_a_certificate_at_once(project: Project) -> None:
    project.write({".gitignore": "/model.txt\n"})
    project.commit("Nothing but a command")
    (project.root / "model.txt").write_text("x" * (2 << 20))
    shell = "i=0; while [ $i -lt 2048 ]; do printf '%1024s' '' | tr ' ' x; i=$((i+1)); done > model.txt"
    made = after(project, "--metadata-only", "--certify", "-o", "model.txt", "--", "sh", "-c", shell)
    assert made["certificate"] == "reproduced"
    assert "model.txt" in {gap["item"] for gap in made["gaps"]}, "only its digests were kept"
    stored = [path.stat().st_size for path in project.root.glob(".replay/blobs/sha256/*/*")]
    assert max(stored, default=0) < 1 << 20
