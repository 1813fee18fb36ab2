"""The registry, experiments, plans and the blast radius on the real command line, in one recorded project."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from tests_support.project import Project, Ran, copy_of

pytestmark = pytest.mark.docker

DIGEST = "d" * 64
FILES = {
    "dvc.yaml": """
stages:
  fit:
    cmd: cat rate.txt data/prices.csv > model.txt && echo "{\\"rate\\":$(cat rate.txt)}" > metrics.json
    deps: [data/prices.csv, rate.txt]
    params: [rate]
    outs: [model.txt]
    metrics:
      - metrics.json:
          cache: false
artifacts:
  demo:
    path: model.txt
    type: model
""",
    "data/prices.csv": "3,99\n",
    "params.yaml": "rate: 1\n",
    "rate.txt": "1\n",
    "replay.yaml": f"template: {{name: small, version: 2, digest: {DIGEST}}}\n",
    "notes.txt": "nothing that is recorded\n",
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two trials, and a third version from another pipeline; tests work on copies."""
    root = tmp_path_factory.mktemp("recorded") / "project"
    made = Project(root)
    made.write(FILES)
    made.init_dvc(["data/prices.csv"])
    made.commit("A pipeline")
    made.record("--experiment", "rates", "--trial", "one")
    made.write({"params.yaml": "rate: 2\n", "rate.txt": "2\n"})
    made.commit("Another rate")
    made.record("--experiment", "rates")
    made.write({"dvc.yaml": FILES["dvc.yaml"].replace("cat rate.txt data", "sort rate.txt data")})
    made.commit("Another command")
    made.record("--model", "demo")
    made.commit("Record")
    yield root
    shutil.rmtree(root)


@pytest.fixture
def project(recorded: Path, tmp_path: Path) -> Iterator[Project]:
    with copy_of(recorded, tmp_path / "copy") as project:
        yield project


def good(project: Project, *words: str) -> Ran:
    done = project.replay(*words)
    assert done.code == 0, done.stderr
    return done


def test_decisions_are_told_listed_and_shown(project: Project) -> None:
    told = good(project, "approve", "demo:1", "--reason", "back-tested", "--by", "Model risk", "--stage", "production")
    assert told.stdout.startswith("demo:1 is approved, stage production (by Model risk, written down by ")
    assert good(project, "deploy", "demo", "--to", "prod").stdout.startswith("demo:3 is deployed to prod (by ")
    moved = good(project, "deploy", "demo:1", "--to", "prod", "--reason", "release 7")
    assert moved.stderr == "! it takes the place of demo:3\n"
    assert "demo@champion means demo:1" in good(project, "alias", "demo:1", "champion").stdout
    good(project, "annotate", "demo@champion", "--tag", "desk=rates", "--owner", "Rates desk", "--property", "ticket=7")
    rows = good(project, "models", "--json").json()["models"]
    assert [(row["model_id"], row["status"], row["deployed"], row["aliases"]) for row in rows] == [
        ("demo:1", "approved", ["prod"], ["champion"]),
        ("demo:2", "", [], []),
        ("demo:3", "", [], []),
    ]
    assert rows[0]["grade"] == project.recipe("demo:1").grade
    text = good(project, "show", "demo:1").stdout
    for part in ("✓ approved by Model risk", "back-tested", "prod  now: since", "rates / one", "small@2", "Step fit"):
        assert part in text, part
    page = good(project, "show", "demo:1", "--page", "--json").json()
    assert page["schema_version"] == "replay.page/1"
    assert page["facets"]["tag:desk"] == "rates"
    assert "✓ the record is intact" in good(project, "verify").stdout


def test_the_recipe_of_a_model_version_is_what_show_writes_as_json(project: Project) -> None:
    shown = good(project, "show", "demo:1", "--json").stdout
    assert shown.encode().rstrip() == project.recipe("demo:1").to_json()


def test_a_rejected_model_is_not_deployed_unless_that_is_recorded(project: Project) -> None:
    good(project, "deploy", "demo:2", "--to", "shadow")
    rejected = good(project, "reject", "demo:2", "--reason", "it leaks")
    assert "it is deployed to shadow" in rejected.stderr
    refused = project.replay("deploy", "demo:2", "--to", "prod")
    assert refused.code == 6
    assert "demo:2 is rejected (by " in refused.stderr
    assert "--force" in refused.stderr
    assert "although it is rejected" in good(project, "deploy", "demo:2", "--to", "prod", "--force").stdout
    report = project.replay("impact", "demo:2")
    assert report.stdout.startswith("1 model version, 1 rejected, 1 deployed to prod, 1 deployed to shadow\n")
    good(project, "deploy", "demo:2", "--to", "prod", "--withdraw", "--reason", "incident 12")
    assert "1 deployed to prod" not in good(project, "impact", "demo:2").stdout
    text = good(project, "show", "demo:2").stdout
    assert "although it was rejected" in text
    assert "prod  no longer" in text


def test_the_blast_radius_of_data_and_of_a_commit(project: Project) -> None:
    good(project, "approve", "demo:1", "--reason", "fine")
    good(project, "deploy", "demo:1", "--to", "prod")
    whole = good(project, "impact", "data/prices.csv", "--json").json()
    assert whole["schema_version"] == "replay.impact/1"
    assert whole["headline"] == "3 model versions, 1 approved, 1 deployed to prod"
    assert [one["model_id"] for one in whole["models"]] == ["demo:1", "demo:2", "demo:3"]
    assert (whole["complete"], whole["hidden"]) == (True, 0)
    commits = [one["commit"] for one in sorted(whole["models"], key=lambda one: one["model_id"])]
    for commit, model in zip(commits, ("demo:1", "demo:2", "demo:3"), strict=True):
        found = good(project, "impact", commit[:12], "--json").json()
        assert [one["model_id"] for one in found["models"]] == [model]
    assert good(project, "impact", "rates", "--json").json()["summary"]["versions"] == 2
    place = good(project, "show", "prod").stdout
    assert "demo:1  model version" in place


def test_trials_are_compared(project: Project) -> None:
    assert [row["name"] for row in good(project, "experiments", "--json").json()["experiments"]] == ["rates"]
    assert "rates" in good(project, "experiments").stdout
    found = good(project, "experiments", "show", "rates", "--sort", "rate", "--descending", "--json").json()
    assert (found["varied"], found["constant"]) == (["params.yaml:rate"], {})
    assert [(one["label"], one["models"], one["metrics"]) for one in found["trials"]] == [
        ("demo:2", ["demo:2"], {"rate": "2"}),
        ("one", ["demo:1"], {"rate": "1"}),
    ]
    (pair,) = found["pairs"]
    assert (pair["a"], pair["b"], pair["changes"][0]["change"], pair["also"]) == (
        "one",
        "demo:2",
        1.0,
        ["input rate.txt"],
    )
    text = good(project, "experiments", "show", "rates").stdout
    for part in (
        "vary: params.yaml:rate",
        "one → demo:2: params.yaml:rate 1 → 2",
        "(+1)",
        "! also different: input rate.txt",
    ):
        assert part in text, part


def test_an_execution_follows_the_definition_it_was_run_from(project: Project) -> None:
    text = good(project, "show", "dvc.yaml").stdout
    assert "fit: command cat rate.txt" in text
    found = good(project, "show", "dvc.yaml", "--page", "--json").json()["plan_versions"]
    assert [version["models"] for version in found] == [["demo:1", "demo:2"], ["demo:3"]]
    plans = {
        model: [one["uid"] for one in good(project, "show", model, "--page", "--json").json()["plans"]]
        for model in ("demo:1", "demo:3")
    }
    assert plans["demo:1"][0] == found[0]["uid"]
    assert plans["demo:3"][0] == found[1]["uid"]
    assert plans["demo:1"][1] == plans["demo:3"][1], "both name the template of the project"
    template = good(project, "show", plans["demo:1"][1], "--json").json()
    assert template["identity"] == {"template": "small", "version": "2", "digest": DIGEST}


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["approve", "demo:9", "--reason", "x"], 2, "recorded of demo: 1, 2, 3"),
        (["approve", "demo:1"], 2, "Missing option '--reason'"),
        (["approve", "demo:1", "--reason", ""], 2, "reason: got an empty text"),
        (["approve", "data/prices.csv", "--reason", "x"], 2, "is a dataset, expected a model version"),
        (["reject", "nothing", "--reason", "x"], 2, "nothing is recorded as 'nothing'"),
        (["deploy", "demo:1"], 2, "Missing option '--to'"),
        (["deploy", "demo:1", "--to", " prod"], 2, "the place to deploy to: got the name"),
        (["deploy", "demo:1", "--to", "prod", "--withdraw"], 2, "--withdraw needs its reason"),
        (["deploy", "demo:1", "--to", "prod", "--withdraw", "--force", "--reason", "x"], 2, "expected one of them"),
        (["deploy", "demo:1", "--to", "prod", "--withdraw", "--reason", "x"], 2, "not deployed to 'prod'"),
        (["alias", "demo:1", "Prod"], 2, "got the alias 'Prod'"),
        (["alias", "demo", "prod", "--remove"], 2, "demo has no alias 'prod'"),
        (["annotate", "demo:1"], 2, "nothing is said"),
        (["annotate", "demo:1", "--tag", "desk"], 2, "expected KEY=VALUE"),
        (["annotate", "demo:1", "--status", "approved"], 2, "replay approve demo:1 --reason"),
        (["annotate", "demo:1", "--property", "login=password=hunter2hunter2"], 6, "looks like a password"),
        (["link", "demo:1", "demo:2"], 2, "Missing option '--same-as'"),
        (["link", "demo:1", "demo:1", "--same-as"], 2, "got the same node twice"),
        (["impact"], 2, "Missing argument"),
        (["impact", "notes.txt"], 2, "nothing is recorded as 'notes.txt'"),
        (["impact", "demo:1", "--as-of", "yesterday"], 2, "expected ISO 8601"),
        (["show", "notes.txt"], 2, "no recorded run made or used these bytes"),
        (["show", "demo:7"], 2, "recorded of demo: 1, 2, 3"),
        (["experiments", "show", "rats"], 2, "did you mean rates?"),
        (["experiments", "show", "rates", "--sort", "sharpe"], 2, "it can be sorted by rate"),
        (["experiments", "show", "rates", "--descending"], 2, "--descending needs --sort"),
        (["experiments", "show", "demo:1"], 2, "demo:1 is no experiment"),
        (["record", "--trial", "x"], 2, "the trial 'x' and no experiment"),
        (["record", "--experiment", ""], 2, "experiment: got the name ''"),
    ],
)  # fmt: skip
def test_wrong_words_are_refused(words: list[str], code: int, says: str, recorded: Path) -> None:
    done = Project.at(recorded).replay(*words)
    assert (done.code, done.stdout) == (code, ""), done.stderr
    assert says in done.stderr


def test_what_is_written_as_json_fits_its_schema(project: Project) -> None:
    for name, words in {
        "decision": ("approve", "demo:1", "--reason", "fine", "--by", "Risk", "--json"),
        "impact": ("impact", "data/prices.csv", "--json"),
        "experiment": ("experiments", "show", "rates", "--json"),
        "page": ("show", "demo:1", "--page", "--json"),
    }.items():
        document = good(project, *words).json()
        jsonschema.validate(document, good(project, "schema", name).json())
        assert document["schema_version"].startswith("replay."), name


def test_a_record_without_an_experiment_is_in_none(project: Project) -> None:
    found = good(project, "show", "demo:3", "--page", "--json").json()
    assert found["standing"]["experiments"] == []
