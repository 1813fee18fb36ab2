"""``replay store`` and ``replay verify`` as a user meets them, with a server of its own."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from tests_support import version1
from tests_support.postgres import Server
from tests_support.project import NO_ARCHIVE, Project, Ran
from tests_support.stores import build, set_alias

from replay.store.database import Store


class Team:
    """A repository, and an empty database on a server."""

    def __init__(self, root: Path, url: str) -> None:
        self.project = Project(root)
        parts = urlsplit(url)
        self.url = parts._replace(netloc=f"{parts.username}@{parts.hostname}:{parts.port}").geturl()
        self.variables = {"PGPASSWORD": parts.password} if parts.password else {}

    def replay(self, *words: str, code: int = 0, variables: Mapping[str, str] | None = None) -> Ran:
        done = self.project.replay(*words, variables=self.variables | dict(variables or {}))
        assert done.code == code, f"{words} ended with {done.code}, expected {code}:\n{done.stdout}\n{done.stderr}"
        return done

    def record(self) -> None:
        """Something in every table, as a recorder writes it."""
        with Store.open(self.project.root / ".replay") as store:
            store.blobs.put_bytes(b"log of %d" % len(store.models()))
            version = store.register("momentum", build)
            set_alias(store, "momentum", "champion", version)
            store.note("record", version=version)


@pytest.fixture
def team(tmp_path: Path, postgres_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Team]:
    with postgres_server.database(tables=False) as url:
        made = Team(tmp_path / "project", url)
        for name, value in made.variables.items():
            monkeypatch.setenv(name, value)
        yield made


def told_root(text: str) -> str:
    """The line that `verify`, `status` and `copy` tell, as ``--root`` takes it."""
    found = re.search(r"\b(\d+:[0-9a-f]{64})\b", text)
    assert found, text
    return found[1]


def test_from_a_file_to_the_server_and_back(team: Team) -> None:
    assert "✓ made: " in team.replay("store", "init").stdout
    assert "✓ there already: " in team.replay("store", "init").stdout
    for _ in range(2):
        team.record()
    status = team.replay("store", "status").stdout
    assert "sqlite, " in status
    assert "4 transactions, " in status
    assert "2 model versions, 2 blobs" in status
    kept = told_root(team.replay("verify", "--root", told_root(status)).stdout)

    refused = team.replay("store", "init", team.url, code=2)
    assert f"replay store copy {team.project.root / '.replay'} {team.url}" in refused.stderr
    copied = team.replay("store", "copy", ".replay", team.url)
    assert told_root(copied.stdout) == kept
    assert "blobs and journal were not copied" in copied.stdout
    assert "has its lineage there from now on" in team.replay("store", "init", team.url).stdout
    status = team.replay("store", "status").stdout
    assert "postgresql, postgresql://127.0.0.1:" in status
    assert "named by .replay/store.json" in status
    assert "unused " in status
    team.record()
    assert "3 model versions" in team.replay("verify", "--root", kept).stdout
    assert len(team.replay("models", "--json").json()["models"]) == 3

    team.replay("store", "init", "--embedded", code=2)
    again = team.replay("store", "copy", team.url, ".replay/lineage.db")
    assert "2 transactions, " in again.stdout
    team.replay("store", "init", "--embedded")
    assert "sqlite, " in team.replay("store", "status").stdout
    assert "✓ 1 root kept elsewhere fits" in team.replay("verify", "--root", kept).stdout
    assert "✓ nothing to copy" in team.replay("store", "copy", ".replay", team.url).stdout


def test_every_command_answers_in_json(team: Team) -> None:
    made = team.replay("store", "init", "--json").json()
    assert (made["schema_version"], made["made"], made["transactions"]) == ("replay.store.init/1", True, 0)
    team.record()
    status = team.replay("store", "status", "--json").json()
    assert status["schema_version"] == "replay.store.status/1"
    assert status["rows"]["model_versions"] == 1
    assert status["kinds"]["run"] == 1
    assert (status["store"], status["named_by"], status["attached"]) == (made["store"], "lineage.db", {})
    assert status["bytes"]["blobs"] == len(b"log of 0")
    assert (status["journal_lines"], status["transaction"]["number"]) == (2, 2)
    copied = team.replay("store", "copy", ".", "../copy/.replay", "--blobs", "--json").json()
    assert (copied["schema_version"], copied["size"]) == ("replay.store.copy/1", 2)
    assert copied["root"] == status["checkpoint"]["digest"]
    assert (copied["files"]["linked"], copied["files"]["lines"]) == (1, 2)
    done = team.replay("store", "migrate", "--json").json()
    assert (done["schema_version"], done["changed"], done["found"]) == (
        "replay.store.migrate/1",
        False,
        "revision 0001",
    )
    checked = team.replay("verify", "--json").json()
    assert checked == {
        "schema_version": "replay.verify/1",
        "findings": [],
        "checked": {
            "nodes": 6, "edges": 5, "facets": 1, "model_versions": 1, "blobs": 1, "transactions": 2,
            "checkpoints": 1, "journal": 2,
        },
        "size": 2,
        "root": copied["root"],
    }  # fmt: skip


def test_a_root_kept_elsewhere(team: Team) -> None:
    team.replay("store", "init")
    team.record()
    good = told_root(team.replay("verify").stdout)
    team.record()
    newest = told_root(team.replay("verify").stdout)
    assert newest != good
    assert "✓ 2 roots kept elsewhere fit" in team.replay("verify", "--root", good, "--root", newest).stdout
    size, _, digest = good.partition(":")
    wrong = team.replay("verify", "--root", f"{size}:{digest[:-1]}{'0' if digest[-1] != '0' else '1'}", code=3)
    assert "something before it was changed" in wrong.stdout
    ahead = team.replay("verify", "--root", f"99:{digest}", "--json", code=3).json()
    assert [finding["place"] for finding in ahead["findings"]] == ["root of 99 transactions, kept elsewhere"]
    for text in ("nonsense", "4", f"{size}:abc", f"-1:{digest}", digest):
        assert "expected SIZE:HEX" in team.replay("verify", f"--root={text}", code=2).stderr


def test_a_store_set_back_together_with_its_journal_is_told_by_a_root(team: Team) -> None:
    """What nothing inside the store can tell."""
    team.replay("store", "init")
    team.record()
    before = {path.name: path.read_bytes() for path in (team.project.root / ".replay").iterdir() if path.is_file()}
    team.record()
    kept = told_root(team.replay("verify").stdout)
    for name, content in before.items():
        (team.project.root / ".replay" / name).write_bytes(content)
    for blob in (team.project.root / ".replay" / "blobs" / "sha256").glob("*/*"):
        if blob.read_bytes() == b"log of 1":
            blob.unlink()
    assert "intact" in team.replay("verify").stdout
    told = team.replay("verify", "--root", kept, code=3).stdout
    assert "the store has only 2 transactions" in told


def test_the_store_of_release_0_1(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    version1.lay_out(project.root / ".replay")
    refused = project.replay("models")
    assert (refused.code, "replay store migrate" in refused.stderr) == (4, True)
    asked = project.replay("store", "migrate", "--dry-run")
    assert "would be brought from release 0.1 to revision 0001" in asked.stdout
    assert "27 nodes, 55 edges, 3 model versions, 3 alias moves" in asked.stdout
    done = project.replay("store", "migrate")
    assert done.code == 0
    assert "lineage.v1.db, sha256 " in done.stdout
    assert "is of revision 0001 already" in project.replay("store", "migrate").stdout
    models = project.replay("models").stdout
    assert re.search(r"trend:2 @challenger @champion +.* C ", models)
    assert "✓ reproduced" in models
    for model_id, recipe in version1.RECIPES.items():
        assert recipe in project.replay("show", model_id).stdout
    verified = project.replay("verify")
    assert (verified.code, "✓ the record is intact" in verified.stdout) == (0, True)


def test_a_damaged_store_of_release_0_1(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    version1.lay_out(project.root / ".replay")
    (project.root / ".replay" / "journal.jsonl").unlink()
    refused = project.replay("store", "migrate")
    assert refused.code == 3
    assert "is not as release 0.1 wrote it: transaction 1: got digest" in refused.stderr


def test_a_setting_works_for_every_verb(team: Team) -> None:
    chosen = ("-o", f"store.url={team.url}")
    assert "is it the right database? `replay store init`" in team.replay("models", *chosen, code=3).stderr
    assert "✓ made: postgresql://" in team.replay("store", "init", *chosen).stdout
    assert not (team.project.root / ".replay" / "store.json").exists()
    with contextlib.closing(psycopg.connect(team.url, **_password(team))):
        pass
    for words in (["models"], ["verify"], ["store", "status"], ["store", "migrate"], ["lineage", "x"], ["show", "x:1"]):
        done = team.project.replay(*words, *chosen, variables=team.variables)
        assert "no store here" not in done.stderr, words
        assert "No such option" not in done.stderr, words
    assert not (team.project.root / ".replay" / "lineage.db").exists()


def _password(team: Team) -> dict[str, Any]:
    return {"password": team.variables["PGPASSWORD"]} if team.variables else {}


@pytest.mark.docker
def test_a_model_recorded_on_the_server_is_replayed_from_it(team: Team) -> None:
    project = team.project
    project.write({"fit.sh": "sort -n data.txt > model.txt\n", "data.txt": "3\n1\n2\n"})
    project.commit("A model")
    team.replay("store", "init", team.url)
    words = ("-i", "fit.sh", "-i", "data.txt", "-o", "model.txt", "--", "sh", "fit.sh")
    team.replay("record", *NO_ARCHIVE, "--model", "sorted", *words)
    assert not (project.root / ".replay" / "lineage.db").exists()
    done = team.replay("sorted:1", "--json").json()
    assert done["verdict"] == "reproduced"
    project.run("git", "clone", "-q", ".", "../clone")
    team.replay("store", "copy", ".", "../clone/.replay", "--blobs")
    clone = Project.at(project.root.parent / "clone")
    assert "✓ reproduced" in clone.replay("models").stdout
    assert clone.replay("verify").code == 0
    code, result = clone.judge("sorted:1")
    assert (code, result["verdict"]) == (0, "reproduced")
    assert project.leftovers() == []


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["init", "mysql://host/db"], 2, "scheme 'mysql'"),
        (["init", "postgresql://me:secret@host/db"], 2, "password in it"),
        (["init", "postgresql://me@127.0.0.1:1/db"], 4, "Connection refused"),
        (["init", "postgresql://me@host/db", "--embedded"], 2, "and not both"),
        (["init", "somewhere"], 2, "got no address"),
        (["status"], 2, "no .replay store"),
        (["migrate"], 2, "no store here"),
        (["copy", ".", "elsewhere"], 2, "no store here"),
        (["copy", "."], 2, "Missing argument 'TO'"),
        (["copi"], 2, "did you mean `replay store copy`"),
        (["nonsense"], 2, "expected one of init, status"),
        (["status", "-o", "store.url=postgresql://me:secret@host/db"], 2, "password in it"),
        (["status", "-o", "store.url=5"], 2, "store.url"),
    ],
)
def test_wrong_words(tmp_path: Path, words: list[str], code: int, message: str) -> None:
    project = Project(tmp_path / "project")
    done = project.replay("store", *words)
    assert (done.code, message in done.stderr) == (code, True), done.stderr
    assert "secret" not in done.stderr.replace("store.url=postgresql://me:secret", "")
    assert not (project.root / ".replay").exists()
    assert not (project.root / "elsewhere").exists()


def test_the_wrong_password_is_told_without_it(team: Team, postgres_server: Server) -> None:
    if os.environ.get("REPLAY_TEST_POSTGRES"):
        return  # that server's roles are not ours
    locked = team.url.replace(f"{urlsplit(team.url).username}@", "locked@")
    with psycopg.connect(team.url, autocommit=True) as other:
        exists = other.execute("SELECT 1 FROM pg_roles WHERE rolname = 'locked'").fetchone()
        if not exists:
            other.execute("CREATE ROLE locked LOGIN PASSWORD 'the s3cret'")
    try:
        refused = team.replay("store", "init", locked, code=4, variables={"PGPASSWORD": "wr0ng"})
        assert "password authentication failed" in refused.stderr
        assert "wr0ng" not in refused.stderr
    finally:
        if not exists:
            with psycopg.connect(team.url, autocommit=True) as other:
                other.execute("DROP ROLE locked")
