"""``replay features`` as a user meets it: rows written once, read as of a time, used by a recorded model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests_support.features import parquet, rows_of
from tests_support.project import Project, Ran, flip

SCHEMA = "symbol: string\nat: timestamp[us, UTC]\nclose: float64\n"
MONDAY = "symbol,at,close\nA,2026-03-02T21:00:00Z,10\nB,2026-03-02T21:00:00Z,20\n"
TUESDAY = "symbol,at,close\nA,2026-03-03T21:00:00Z,11\n"
LATE = "symbol,at,close\nB,2026-03-02T21:00:00Z,21\nC,2026-03-02T20:00:00Z,30\n"
"""Comes after Tuesday's rows, and is about Monday."""


def features(project: Project, *words: str, code: int = 0) -> Ran:
    done = project.replay("features", *words)
    assert done.code == code, f"got exit code {done.code}, expected {code}:\n{done.stdout}\n{done.stderr}"
    return done


def register(project: Project) -> None:
    project.write({"schema.yaml": SCHEMA, "about.yaml": "description: Daily closes\nowner: market data\n"})
    keys = ["--record-id", "symbol", "--event-time", "at"]
    features(project, "register", "prices", *keys, "--schema", "schema.yaml", "--definition", "about.yaml")


def write(project: Project, text: str, name: str = "rows.csv") -> Any:
    project.write({name: text})
    return features(project, "write", "prices", name, "--json").json()


def read(project: Project, *words: str) -> Any:
    return features(project, "read", "prices", "--json", *words).json()


def symbols(path: Path) -> list[tuple[str, float]]:
    return [(row[0], row[2]) for row in rows_of(path)]


def test_rows_come_back_as_they_were_known(project: Project) -> None:
    register(project)
    assert write(project, MONDAY)["batch"]["rows"] == 2
    view = project.directory / "view.parquet"
    first = read(project, "--as-of", "2026-03-03", "-o", "view.parquet")
    assert symbols(view) == [("A", 10.0), ("B", 20.0)]
    kept = view.read_bytes()
    write(project, TUESDAY)
    write(project, LATE)
    read(project, "--as-of", "2026-03-03", "-o", "view.parquet")
    assert symbols(view) == [("A", 10.0), ("B", 21.0), ("C", 30.0)]
    again = first["again"].split()
    assert again[:3] == ["replay", "features", "read"]
    done = project.replay(*again[1:], "--json")
    assert done.code == 0, done.stderr
    assert view.read_bytes() == kept
    assert done.json()["view"] == first["view"]
    assert project.replay("verify").code == 0


def test_words_for_people_go_where_they_belong(project: Project) -> None:
    register(project)
    write(project, MONDAY)
    done = features(project, "read", "prices", "--as-of", "2999-01-01", "-o", "v.parquet")
    assert "2 rows from 1 batch, sha256:" in done.stdout
    assert "the same rows again: replay features read prices --as-of 2999-01-01T00:00:00Z --written " in done.stdout
    assert "warning: the event time 2999-01-01T00:00:00Z is yet to come" in done.stderr
    twice = features(project, "write", "prices", "rows.csv")
    assert "rows.csv was written to prices already, as rows.csv: nothing was added" in twice.stderr
    assert "prices" in features(project, "list").stdout
    shown = features(project, "show", "prices").stdout
    for text in (
        "description: Daily closes",
        "close",
        "float64",
        "rows.csv",
        "as of 2999-01-01T00:00:00Z",
        "no recorded",
    ):
        assert text in shown
    told = features(project, "show", "prices", "--json").json()
    assert told["schema_version"] == "replay.features.show/1"
    assert (len(told["batches"]), len(told["views"]), told["group"]["definitions"][0]["document"].split(":")[0]) == (
        1,
        1,
        "description",
    )
    assert features(project, "list", "--json").json()["groups"][0]["rows"] == 2


NEW = "register new --record-id a --event-time b"


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        ("read prcies --as-of 2026-03-03 -o v", ["no feature group 'prcies'", "did you mean prices?"]),
        ("read prices --as-of tomorrow -o v", ["got the time 'tomorrow'", "2026-11-24"]),
        ("read prices -o v", ["Missing option '--as-of'"]),
        ("read prices --as-of 2026-03-03 -o no/such/v", ["no/such/v"]),
        ("read prices --as-of 2026-03-03 --written 2999-01-01 -o v", ["yet to come", "--written"]),
        ("read prices --as-of 2026-03-03 --written 2001-01-01 -o v", ["was not registered at 2001"]),
        ("write prices gone.csv", ["gone.csv: does not exist"]),
        ("write prices schema.yaml", ["schema.yaml", "the column 'close' is missing"]),
        ("write nothing rows.csv", ["no feature group 'nothing'"]),
        ("register Bad --record-id a --event-time b", ["got the feature group 'Bad'"]),
        ("register prices --record-id close --event-time at", ["prices has rows", "register another group"]),
        ("register new --record-id a", ["Missing option '--event-time'"]),
        (f"{NEW} --schema rows.csv", ["expected .yaml or .json"]),
        (f"{NEW} --schema bad.yaml", ["got the column type 'money'", "valid: bool"]),
        (f"{NEW} --definition list.json", ["got no mapping"]),
        (f"{NEW} --definition broken.json", ["broken.json: cannot be read"]),
        ("show nothing", ["`replay features list`"]),
        ("frobnicate", ["No such command 'frobnicate'"]),
    ],
)
def test_wrong_use_is_explained(words: str, texts: list[str], project: Project) -> None:
    register(project)
    write(project, MONDAY)
    project.write({"bad.yaml": "a: money\n", "list.json": "[1]", "broken.json": "{"})
    done = features(project, *words.split(), code=2)
    assert done.stdout == ""
    for text in texts:
        assert text in done.stderr


def test_rows_that_do_not_fit_are_explained(project: Project) -> None:
    register(project)
    other = (("symbol", "string"), ("at", "timestamp[ns]"), ("close", "float64"))
    parquet(project.directory / "other.parquet", [("A", 1, 1.0)], other)
    done = features(project, "write", "prices", "other.parquet", code=2)
    assert "other.parquet: column 'at': got timestamp[ns], expected timestamp[us, UTC]" in done.stderr
    project.write({"null.csv": "symbol,at,close\nA,2026-03-02T21:00:00Z,1\n,2026-03-02T21:00:00Z,1\n"})
    done = features(project, "write", "prices", "null.csv", code=2)
    assert "null.csv: column 'symbol': row 2 is null" in done.stderr
    assert features(project, "list", "--json").json()["groups"][0]["batches"] == 0


def test_a_damaged_batch_is_missing_evidence(project: Project) -> None:
    register(project)
    sha256 = write(project, MONDAY)["batch"]["sha256"]
    flip(project.root / ".replay" / "blobs" / "sha256" / sha256[:2] / sha256[2:])
    done = features(project, "read", "prices", "--as-of", "2026-03-03", "-o", "v.parquet", code=3)
    assert f"batch {sha256}" in done.stderr
    assert not (project.directory / "v.parquet").exists()


def test_without_a_store_nothing_is_made(project: Project) -> None:
    features(project, "list", code=2)
    assert not (project.root / ".replay").exists()


FIT = "import hashlib\nopen('model.txt', 'w').write(hashlib.sha256(open('view.parquet', 'rb').read()).hexdigest())\n"


@pytest.mark.docker
def test_a_recorded_model_names_its_view_and_is_replayed_after_newer_rows(project: Project) -> None:
    project.write({"fit.py": FIT, ".gitignore": "*.parquet\n*.csv\n*.yaml\nmodel.txt\n"})
    project.commit("A model")
    register(project)
    batch = write(project, MONDAY)["batch"]["sha256"]
    made = read(project, "--as-of", "2026-03-03", "-o", "view.parquet")
    view = project.directory / "view.parquet"
    kept = view.read_bytes()
    inputs = ["-i", "fit.py", "-i", "view.parquet", "-o", "model.txt"]
    project.record("--model", "demo", *inputs, "--", "python3", "fit.py")
    project.commit("Record demo:1")

    late = [write(project, text)["batch"]["sha256"] for text in (TUESDAY, LATE)]
    down = project.replay("lineage", batch, "--down", "--kind", "model_version", "--json").json()
    assert [entry["name"] for uid, entry in down["nodes"].items() if uid in down["found"]] == ["demo:1"]
    assert "demo:1" in project.replay("impact", batch).stdout
    for other in late:
        assert project.replay("lineage", other, "--down", "--kind", "model_version", "--json").json()["found"] == []
        assert "demo:1" not in project.replay("impact", other).stdout
    up = project.replay("lineage", "demo:1", "--json", "--edges").json()
    used = [edge for edge in up["edges"] if edge.get("role") == "features:prices"]
    assert [(edge["type"], edge["target"], edge["attrs"]) for edge in used] == [
        (
            "used",
            made["view"]["uid"],
            {"path": "view.parquet", "as_of": "2026-03-03T00:00:00Z", "written": made["view"]["written"]},
        )
    ]
    told = features(project, "show", "prices", "--json").json()
    assert [view["models"] for view in told["views"]] == [["demo:1"]]
    assert len(told["views"][0]["runs"]) == 1

    view.unlink()
    code, result = project.judge("demo:1")
    assert (code, result["verdict"]) == (0, "reproduced"), result["reason"]
    assert project.replay(*made["again"].split()[1:]).code == 0
    assert view.read_bytes() == kept
    read(project, "--as-of", "2026-03-03", "-o", "view.parquet")
    assert view.read_bytes() != kept, "what is known now of that day is something else"
    assert project.replay("verify").code == 0
