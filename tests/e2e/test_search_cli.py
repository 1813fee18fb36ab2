"""``replay search`` in a recorded project: what is found, every form of an answer, and every wrong question."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests_support.project import Project, Ran

pytestmark = pytest.mark.docker

PIPELINE = """
stages:
  clean:
    cmd: sort data/prices.csv > out/clean.csv
    deps: [data/prices.csv]
    outs: [out/clean.csv]
  fit:
    cmd: >-
      cat out/clean.csv params.yaml > out/model.txt &&
      echo "{\\"sharpe\\":$(cat sharpe.txt),\\"days\\":7}" > out/metrics.json
    deps: [out/clean.csv, sharpe.txt]
    params: [lr, model.name]
    outs: [out/model.txt]
    metrics:
      - out/metrics.json:
          cache: false
artifacts:
  demo:
    path: out/model.txt
    type: model
"""
THREE_FIELDS = "params.lr>0.1 and metrics.sharpe>=1 and tag:desk=rates"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Three versions of a model, of which the second and the third have a tag."""
    root = tmp_path_factory.mktemp("search")
    made = Project(root / "project")
    made.write({"dvc.yaml": PIPELINE, "data/prices.csv": "3,99\n1,100\n"})
    for version, (lr, sharpe) in enumerate([("0.2", "1.5"), ("0.3", "1.0"), ("0.05", "2.5")], start=1):
        name = "[lasso, ridge]" if version == 3 else "lasso"
        made.write({"params.yaml": f"lr: {lr}\nmodel:\n  name: {name}\n", "sharpe.txt": sharpe})
        if version == 1:
            made.init_dvc(["data/prices.csv"])
        made.commit(f"Try {lr}")
        made.record("--experiment", "rates", "--trial", f"t{version}")
        made.commit(f"Record demo:{version}")
    for version in (2, 3):
        says = ("--tag", "desk=rates", "--property", "reviewed by=second line", "--owner", "model risk")
        assert made.replay("annotate", f"demo:{version}", *says).code == 0
    assert made.replay("approve", "demo:2", "--reason", "stable over two years").code == 0
    yield made
    shutil.rmtree(root)


def found(project: Project, *words: str, code: int = 0) -> Any:
    """The answer as JSON."""
    done = project.replay("search", *words, "--json")
    assert done.code == code, done.stderr
    return done.json()


def names(project: Project, *words: str) -> list[str]:
    return [hit["name"] for hit in found(project, *words)["hits"]]


def refused(project: Project, *words: str, code: int = 2) -> str:
    done: Ran = project.replay("search", *words)
    assert done.code == code, done.stdout + done.stderr
    assert done.stdout == ""
    return done.stderr


# -- what is found ----------------------------------------------------------------------------------------------------


def test_the_models_with_these_parameters_metrics_and_tags(recorded: Project) -> None:
    answer = found(recorded, THREE_FIELDS)
    assert [hit["name"] for hit in answer["hits"]] == ["demo:2"]
    assert answer["hits"][0]["values"] == {"params.lr": [0.3], "metrics.sharpe": [1.0], "tag:desk": ["rates"]}
    assert (answer["total"], answer["complete"], answer["hidden"], answer["next"]) == (1, True, 0, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("params.lr>0.1 kind=model_version", ["demo:2", "demo:1"]),
        ("params.params.yaml:lr=0.05 kind=model_version", ["demo:3"]),
        ("params.model.name=ridge kind=model_version", ["demo:3"]),
        ("metrics.out/metrics.json:days=7 kind=model_version", ["demo:3", "demo:2", "demo:1"]),
        ("status=approved", ["demo:2"]),
        ('property:"reviewed by"="second line" version=3', ["demo:3"]),
        ("owner='model risk' not status exists", ["demo:3"]),
        ("kind=run trial=t2", ["fit", "clean"]),
        ("type=trial experiment=rates metrics.sharpe>2", ["t3"]),
        ("kind=model_version steps[name=fit and seconds>=0 and params.lr=0.2]", ["demo:1"]),
        ("kind=model_version outputs[role=metrics and size>10 and path~json] params.lr=0.2", ["demo:1"]),
        ("kind=model_version inputs[path=data/prices.csv and storage=dvc] version=1", ["demo:1"]),
        ("kind=dataset name=data/prices.csv", ["data/prices.csv"]),
        ('"second line" kind=model_version', ["demo:3", "demo:2"]),
        ("ridge kind=model_version", ["demo:3"]),
        ("stable years kind=action", ["approve demo:2"]),
        ("created<2020-01-01", []),
    ],
)  # fmt: skip
def test_everything_that_was_recorded_can_be_asked_for(recorded: Project, text: str, expected: list[str]) -> None:
    assert names(recorded, text) == expected


def test_an_id_a_commit_and_an_image_by_their_beginnings(recorded: Project) -> None:
    (run,) = found(recorded, "kind=run name=fit params.lr=0.3")["hits"]
    assert names(recorded, f"id={run['uid'][:20]}") == ["fit"]
    commit = recorded.run("git", "log", "--format=%H", "--grep=Try 0.3").strip()
    assert names(recorded, f"commit={commit[:12]} kind=model_version") == ["demo:2"]
    (image,) = found(recorded, "kind=image")["hits"]
    assert names(recorded, f"image={image['identity']['image'][:20]} kind=model_version") == [
        "demo:3",
        "demo:2",
        "demo:1",
    ]


def test_the_order_and_the_pages(recorded: Project) -> None:
    by = ("kind=model_version", "--sort", "metrics.sharpe")
    assert names(recorded, *by) == ["demo:2", "demo:1", "demo:3"]
    assert names(recorded, *by, "--desc") == ["demo:3", "demo:1", "demo:2"]
    assert names(recorded, "--kind", "model_version", "--kind", "image", "--sort", "kind")[1:] == [
        "demo:3",
        "demo:2",
        "demo:1",
    ]
    first = found(recorded, *by, "--limit", "2")
    second = found(recorded, *by, "--limit", "2", "--cursor", first["next"])
    assert [hit["name"] for page in (first, second) for hit in page["hits"]] == ["demo:2", "demo:1", "demo:3"]
    assert (first["total"], second["total"], second["next"]) == (3, 3, None)


def test_the_cache_may_be_deleted_at_any_time(recorded: Project) -> None:
    before = found(recorded, THREE_FIELDS)
    shutil.rmtree(recorded.root / ".replay" / "cache")
    done = recorded.replay("search", THREE_FIELDS, "--json")
    assert done.json() == before
    assert "search index" in done.stderr
    assert "search index" not in recorded.replay("search", THREE_FIELDS, "--json").stderr
    shutil.rmtree(recorded.root / ".replay" / "cache")
    assert recorded.replay("search", THREE_FIELDS, "--json", "-q").stderr == ""
    assert recorded.replay("verify").code == 0


# -- forms ------------------------------------------------------------------------------------------------------------


def test_a_table_shows_the_fields_that_were_asked_for(recorded: Project) -> None:
    done = recorded.replay("search", "kind=model_version and params.lr>0.1", "--sort", "metrics.sharpe", "--table")
    assert done.code == 0
    head, _, *rows = [line.split() for line in done.stdout.splitlines() if line.strip()]
    assert head == ["kind", "name", "id", "params.lr", "metrics.sharpe", "recorded"]
    assert [(row[1], row[3], row[4]) for row in rows[:2]] == [("demo:2", "0.3", "1"), ("demo:1", "0.2", "1.5")]
    assert "found 2 hits" in done.stdout


def test_the_next_page_is_a_command_line(recorded: Project) -> None:
    words = ("kind=model_version and name ~ 'demo'", "--table", "--limit", "2")
    done = recorded.replay("search", *words)
    assert "found 3 hits; 2 of them here" in done.stdout
    command = next(line for line in done.stdout.splitlines() if "--cursor" in line).strip()
    after = recorded.run("/bin/sh", "-c", f"{command} --json")
    assert [hit["name"] for hit in json.loads(after)["hits"]] == ["demo:1"]


def test_a_count_is_a_number(recorded: Project) -> None:
    done = recorded.replay("search", "kind=run", "--count")
    assert done.stdout == "6\n"
    assert found(recorded, "kind=run", "--count")["total"] == 6
    nothing = recorded.replay("search", "params.lrr=3", "--count")
    assert nothing.stdout == "0\n"
    assert "nothing has params.lrr; did you mean params.lr?" in nothing.stderr


def test_a_search_in_json_means_the_same(recorded: Project) -> None:
    asked = found(
        recorded, THREE_FIELDS, "--kind", "model_version", "--sort", "metrics.sharpe", "--desc", "--limit", "7"
    )
    recorded.write({"search.json": json.dumps(asked["search"])})
    assert found(recorded, "--query", "search.json") == asked
    for name, value in (("search", asked["search"]), ("found", asked)):
        jsonschema.validate(value, recorded.replay("schema", name).json())
    (recorded.directory / "search.json").unlink()


def test_words_of_an_expression_need_no_quotes_of_the_shell(recorded: Project) -> None:
    assert names(recorded, "kind=model_version", "status", "=", "approved") == ["demo:2"]
    assert names(recorded, "second", "line", "--kind", "model_version") == ["demo:3", "demo:2"]


def test_everything_is_found_without_an_expression(recorded: Project) -> None:
    assert names(recorded, "--kind", "model_version") == ["demo:3", "demo:2", "demo:1"]
    assert found(recorded, "--count")["total"] > 30


# -- wrong questions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("parms.lr>0.1",), ["unknown field 'parms.lr'", "^^^^^^^^^^^^", "did you mean params.lr"]),
        (("params.lr>0.1 and",), ["got the end, expected a word"]),
        (("kind=modle",), ["unknown kind 'modle'", "valid: dataset"]),
        (("kind>run",), ["kind has no operator '>'"]),
        (("outpts[a]",), ["unknown list 'outpts'", "did you mean outputs?"]),
        (("created>soon",), ["got the time 'soon', expected ISO 8601"]),
        (("tag:desk",), ["without a comparison", "`tag:desk exists`"]),
        (("--kind", "modle"), ["unknown kind 'modle'", "valid: dataset"]),
        (("kind=run", "--sort", "speed"), ["unknown field 'speed'"]),
        (("kind=run", "--sort", "id"), ["nothing can be sorted by id"]),
        (("kind=run", "--limit", "0"), ["--limit"]),
        (("kind=run", "--cursor", "nonsense"), ["got the cursor 'nonsense', which is none"]),
        (("kind=run", "--table", "--json"), ["expected one of them"]),
        (("",), ["got an empty expression"]),
        (("  ",), ["got an empty expression"]),
        (("kind=run", "--query", "wrong.json"), ["expected the whole search in the file"]),
        (("--query", "wrong.json"), ["--query", "`replay schema search` has every field"]),
        (("--query", "missing.json"), ["missing.json"]),
        (("name=" + os.fsdecode(b"\xff"),), ["expected text in UTF-8"]),
    ],
)  # fmt: skip
def test_a_wrong_question_is_answered_with_what_is_right(
    recorded: Project, words: tuple[str, ...], says: list[str]
) -> None:
    recorded.write({"wrong.json": '{"where": {"is": "compare", "field": "name"}}'})
    told = refused(recorded, *words)
    for text in says:
        assert text in told
    (recorded.directory / "wrong.json").unlink()


def test_a_wrong_field_in_json_is_told_as_well(recorded: Project) -> None:
    wrong = {"where": {"is": "compare", "field": "lr", "op": ">", "value": 1}}
    recorded.write({"wrong.json": json.dumps(wrong)})
    assert "unknown field 'lr'" in refused(recorded, "--query", "wrong.json")
    for depth in (300, 3000):
        recorded.write({"wrong.json": nested(depth)})
        refused(recorded, "--query", "wrong.json")
    (recorded.directory / "wrong.json").unlink()


def nested(depth: int) -> str:
    return '{"where": ' + '{"is": "not", "of": ' * depth + '{"is": "exists", "field": "name"}' + "}" * (depth + 1)


def test_outside_of_a_project(tmp_path: Path) -> None:
    alone = Project(tmp_path / "alone")
    assert "no .replay store" in refused(alone, "kind=run")
