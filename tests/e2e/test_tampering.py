"""One bit of the record is changed behind the tool's back: it is always noticed, and never repaired by a read."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests_support.project import Project, copy_of, flip

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
      - mkdir out/parts && cp out/clean.csv out/parts/a.csv
      - wc -l < out/clean.csv > out/model.txt
      - wc -c < out/clean.csv > out/metrics.json
    deps: [out/clean.csv]
    outs: [out/model.txt, out/parts]
    metrics:
      - out/metrics.json:
          cache: false
artifacts:
  demo:
    path: out/model.txt
    type: model
""",
    "data/prices.csv": "3,99\n1,100\n2,101\n",
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A recorded pipeline; tests work on copies of it."""
    root = tmp_path_factory.mktemp("recorded")
    made = Project(root / "project")
    made.write(PIPELINE)
    made.init_dvc(["data/prices.csv"])
    made.commit("A pipeline")
    made.record("--model", "demo")
    made.commit("Record demo:1")
    yield root / "project"
    shutil.rmtree(root)


@pytest.fixture
def copy(recorded: Path, tmp_path: Path) -> Iterator[Project]:
    with copy_of(recorded, tmp_path / "copy") as project:
        yield project


def the_only_blob(project: Project) -> Path:
    """DVC's run cache has what its stages do not cache, too: a second copy that would be used."""
    md5 = next(o.artifact.digests.md5 for o in project.recipe("demo:1").step("fit").outputs if o.role == "metrics")
    (project.root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]).unlink()
    return project.blob("out/metrics.json")


PLACES: dict[str, Callable[[Project], Path]] = {
    "input in DVC's cache": lambda project: project.cached("data/prices.csv"),
    "intermediate in DVC's cache": lambda project: project.cached("out/clean.csv"),
    "model in DVC's cache": lambda project: project.cached("out/model.txt"),
    "listing of a directory in DVC's cache": lambda project: project.cached("out/parts"),
    "metric among the blobs": the_only_blob,
}


def test_the_copy_itself_reproduces(copy: Project) -> None:
    code, result = copy.judge("demo:1")
    assert (code, result["verdict"]) == (0, "reproduced"), result["reason"]


@pytest.mark.parametrize("place", PLACES)
def test_a_flipped_bit_makes_the_recipe_not_replayable(place: str, copy: Project) -> None:
    path = PLACES[place](copy)
    flip(path)
    damaged = path.read_bytes()
    code, result = copy.judge("demo:1")
    assert (code, result["verdict"]) == (3, "not-replayable"), (result["reason"], result["notes"])
    assert path.read_bytes() == damaged


def test_a_flipped_bit_in_the_frozen_recipe_is_refused(copy: Project) -> None:
    path = copy.root / "recipes" / "demo" / "1.json"
    flip(path)
    done = copy.replay("run", "--recipe", str(path))
    assert done.code in {2, 3}, "2 when it is no recipe any more, else 3"
    assert "1.json" in done.stderr
    assert done.stdout == ""


def test_every_bit_of_a_digest_in_the_frozen_recipe_counts(copy: Project) -> None:
    path = copy.root / "recipes" / "demo" / "1.json"
    sha256 = copy.recipe("demo:1").step("fit").outputs[0].artifact.digests.sha256
    text = path.read_text()
    path.write_text(text.replace(sha256, ("0" if sha256[0] != "0" else "1") + sha256[1:]))
    done = copy.replay("run", "--recipe", str(path))
    assert done.code == 3
    assert "changed after it was frozen" in done.stderr


def test_a_damaged_copy_is_left_aside_where_a_good_one_is_left(copy: Project, tmp_path: Path) -> None:
    copy.dvc("remote", "add", "-d", "storage", str(tmp_path / "remote"))
    copy.dvc("push", "-q")
    path = copy.cached("data/prices.csv")
    flip(path)
    damaged = path.read_bytes()
    code, result = copy.judge("demo:1")
    assert (code, result["verdict"]) == (0, "reproduced"), result["reason"]
    told = [note for note in result["notes"] if "damaged" in note and "data/prices.csv from the DVC cache" in note]
    assert told, result["notes"]
    assert path.read_bytes() == damaged, "evidence is never repaired in place"


def test_the_store_notices_a_flipped_blob_and_a_rewritten_journal(copy: Project) -> None:
    assert copy.replay("verify").code == 0
    flip(copy.blob("out/metrics.json"))
    done = copy.replay("verify")
    assert done.code == 3
    assert copy.blob("out/metrics.json").name[:12] in done.stdout
    flip(copy.root / ".replay" / "journal.jsonl")
    assert "journal" in copy.replay("verify").stdout


def test_a_changed_row_of_the_database_is_noticed(copy: Project) -> None:
    database = copy.root / ".replay" / "lineage.db"
    data = database.read_bytes()
    digest = copy.recipe("demo:1").step("fit").outputs[0].artifact.digests.blake3.encode()
    assert digest in data
    database.write_bytes(data.replace(digest, digest[::-1]))
    assert copy.replay("verify").code == 3
    done = copy.replay("run", "--json", "demo:1")
    assert done.code != 0, "a replay must not rest on a rewritten record"


def test_data_that_is_gone_is_named(copy: Project) -> None:
    copy.cached("data/prices.csv").unlink()
    code, result = copy.judge("demo:1")
    assert (code, result["verdict"]) == (3, "not-replayable")
    assert "data/prices.csv" in result["reason"]


def test_an_intermediate_that_is_gone_is_replayed_instead(copy: Project) -> None:
    copy.cached("out/clean.csv").unlink()
    code, result = copy.judge("demo:1")
    assert (code, result["verdict"]) == (0, "reproduced"), result["reason"]
    assert any("out/clean.csv" in note for note in result["notes"])
