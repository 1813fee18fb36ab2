"""The record is replayed where it was not made: another clone, an S3 remote, an engine without the image."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests_support.project import Project

pytestmark = pytest.mark.docker

PIPELINE = {
    "dvc.yaml": """
stages:
  clean:
    cmd: sort data/prices.csv > out/clean.csv
    deps: [data/prices.csv]
    outs: [out/clean.csv]
  fit:
    cmd: mkdir out/parts && wc -l < out/clean.csv > out/model.txt && cp out/clean.csv out/parts/a.csv
    deps: [out/clean.csv]
    outs: [out/model.txt, out/parts]
artifacts:
  demo:
    path: out/model.txt
    type: model
""",
    "data/prices.csv": "3,99\n1,100\n2,101\n",
}


def clear_cache(project: Project) -> None:
    shutil.rmtree(project.directory / ".dvc" / "cache")
    assert not (project.directory / ".dvc" / "cache").exists()


def test_another_clone_needs_only_the_remote_and_a_copy_of_the_store(project: Project, tmp_path: Path) -> None:
    project.write(PIPELINE)
    project.init_dvc(["data/prices.csv"])
    project.dvc("remote", "add", "-d", "storage", str(tmp_path / "remote"))
    project.commit("A pipeline")
    project.record("--model", "demo")
    project.commit("Record demo:1")
    project.dvc("push", "-q")
    other = tmp_path / "other"
    subprocess.run(["git", "clone", "-q", project.root, other], check=True)
    shutil.copytree(project.root / ".replay", other / ".replay")
    shutil.rmtree(other / ".replay" / "mirrors")
    moved = project.root.rename(tmp_path / "gone")
    clone = Project.at(other)
    code, result = clone.judge("demo:1")
    assert (code, result["verdict"]) == (0, "reproduced"), result["reason"]
    assert {c["finding"]["match"] for c in result["comparisons"]} == {"identical"}
    assert clone.replay("verify").code == 0
    assert clone.run("git", "status", "--porcelain") == "", "a replay leaves the work tree as it was"
    assert clone.leftovers() == []
    (tmp_path / "remote").rename(tmp_path / "unmounted")
    assert clone.replay("run", "demo:1").code == 4, "out of reach is not gone"
    (tmp_path / "remote").mkdir()
    code, result = clone.judge("demo:1")
    assert (code, result["verdict"]) == (3, "not-replayable"), result["reason"]
    shutil.rmtree(other)
    moved.rename(project.root)


@pytest.fixture
def endpoint() -> Iterator[str]:
    """An S3 server over HTTP on the loopback, with a bucket."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=url, aws_access_key_id="testing", aws_secret_access_key="testing", region_name="us-east-1"
    )
    client.create_bucket(Bucket="models")
    client.close()
    yield url
    server.stop()


def test_data_and_outputs_come_from_an_s3_remote_over_http(project: Project, endpoint: str) -> None:
    project.write(PIPELINE)
    project.init_dvc(["data/prices.csv"])
    project.dvc("remote", "add", "-d", "storage", "s3://models/desk")
    project.dvc("remote", "modify", "storage", "endpointurl", endpoint)
    for name, value in (("access_key_id", "testing"), ("secret_access_key", "testing"), ("region", "us-east-1")):
        project.dvc("remote", "modify", "--local", "storage", name, value)
    project.commit("A pipeline")
    project.record("--model", "demo")
    project.commit("Record demo:1")
    project.dvc("push", "-q")
    clear_cache(project)
    shutil.rmtree(project.root / "data")
    code, result = project.judge("demo:1")
    assert (code, result["verdict"]) == (0, "reproduced"), result["reason"]
    assert {c["finding"]["match"] for c in result["comparisons"]} == {"identical"}
    assert not (project.root / "data").exists(), "the workspace stays as it was"
    record = (project.root / "recipes" / "demo" / "1.json").read_bytes()
    assert b"secret" not in record, "a secret in DVC's local configuration is no part of the recipe"
    plan = project.replay("run", "demo:1", "--plan", "--json")
    assert plan.code == 0
    assert "s3://models/desk" in plan.stdout or "storage" in plan.stdout
    code, result = project.judge("demo:1", "--offline")
    assert (code, result["verdict"]) == (3, "not-replayable")
    project.dvc("remote", "modify", "storage", "endpointurl", "http://127.0.0.1:9")
    done = project.replay("run", "demo:1")
    assert done.code == 4, f"out of reach is not gone: {done.stdout}{done.stderr}"


def remove_image(image: str) -> None:
    subprocess.run(["docker", "image", "rm", "-f", image], capture_output=True, check=True)
    gone = subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False)
    assert gone.returncode != 0


@pytest.mark.parametrize("archive", [True, False], ids=["from the archive", "rebuilt from the lock"])
def test_an_image_that_is_gone_comes_back_with_the_same_id(archive: bool, project: Project) -> None:
    lock = (Path(__file__).parent / "cases" / "diverged-by-library" / "workflow" / "requirements.lock").read_text()
    # An environment that no other test uses: a lock is told apart by its bytes.
    project.write({"requirements.lock": f"# {uuid.uuid4()}\n{lock}", "fit.py": FIT})
    project.commit("A locked environment")
    project.record("--model", "demo", "-i", "fit.py", "-o", "model.txt", "--", "python3", "fit.py", archive=archive)
    image = project.recipe("demo:1").environment.image.config
    remove_image(image)
    code, result = project.judge("demo:1")
    assert (code, result["verdict"]) == (0, "reproduced"), result["reason"]
    assert result["image"].startswith(image), "the same id as recorded"
    assert ("archive" in result["image"]) is archive, result["image"]
    assert result["deviations"] == []
    remove_image(image)


FIT = """
from pathlib import Path

from more_itertools import chunked

Path("model.txt").write_text(repr(list(chunked(range(10), 3))))
"""


def test_a_store_above_the_repository_belongs_to_another_project(project: Project, tmp_path: Path) -> None:
    above = tmp_path / ".replay"
    above.mkdir()
    project.commit("An inner repository")
    project.record("--model", "demo", "-o", "model.txt", "--", "sh", "-c", "echo 1 > model.txt")
    assert (project.root / ".replay" / "lineage.db").exists()
    assert list(above.iterdir()) == []
    assert project.judge("demo:1")[1]["verdict"] == "reproduced"
