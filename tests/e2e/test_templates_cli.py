"""``replay new`` on the real command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from replay.record.project import decode
from replay.templates import gallery


def new(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "replay", "new", *words],
        cwd=cwd,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_templates_are_listed_with_their_versions(tmp_path: Path) -> None:
    done = new("--list", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith("momentum@3  ")
    rows = msgspec.json.decode(new("--list", "--json", cwd=tmp_path).stdout)["templates"]
    assert [(row["name"], row["version"]) for row in rows] == [("momentum", version) for version in (1, 2, 3)]


def test_a_project_is_laid_out_where_one_stands(tmp_path: Path) -> None:
    done = new("--template", "momentum@2", ".", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    laid = msgspec.json.decode(done.stdout)
    template = gallery().template("momentum")
    assert (laid["template"], laid["version"], laid["digest"]) == ("momentum", 2, template.digest(2))
    rule = decode((tmp_path / "replay.yaml").read_bytes()).template
    assert rule is not None
    assert rule.digest == laid["digest"]
    assert (tmp_path / "conf/seed/default.yaml").read_text() == "value: 8\n"
    status = subprocess.run(["git", "status", "--porcelain"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert status.stdout == ""
    again = new("--template", "momentum@2", ".", cwd=tmp_path)
    assert again.returncode == 2
    assert "a folder with files in it" in again.stderr


def test_wrong_words_are_refused(tmp_path: Path) -> None:
    for words, says in (
        (["--template", "momentom", "x"], "did you mean momentum?"),
        (["--template", "momentum@4", "x"], "versions: momentum@1, momentum@2, momentum@3"),
        (["--template", "momentum"], "expected --template NAME[@VERSION] and DIR"),
        (["x"], "expected --template NAME[@VERSION] and DIR"),
        (["--list", "x"], "--list takes neither DIR nor --template"),
    ):
        done = new(*words, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, ""), words
        assert says in done.stderr, words
    assert list(tmp_path.iterdir()) == []
