"""A new project from a template, with real Git and DVC."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests_support.small_gallery import small_gallery

from replay.errors import RecordError, UsageError
from replay.record.project import decode
from replay.templates import Gallery, new_project


@pytest.fixture
def small(tmp_path: Path) -> Gallery:
    return small_gallery(tmp_path / "gallery")


def git(place: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=place, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("there", [False, True])
def test_a_project_is_a_committed_repository_that_names_its_template(
    there: bool, small: Gallery, tmp_path: Path
) -> None:
    place = tmp_path / "project"
    if there:
        place.mkdir()
    laid = new_project("small@1", place, small)
    assert (laid.template, laid.version, laid.digest) == ("small", 1, small.template("small").digest(1))
    assert git(place, "log", "--format=%H %an %s") == f"{laid.commit} Test Lay out small@1: Short"
    assert git(place, "status", "--porcelain") == ""
    tracked = git(place, "ls-files").splitlines()
    assert {"dvc.yaml", "replay.yaml", "data/prices.csv.dvc", ".dvc/config", "src/fit.py"} <= set(tracked)
    assert not {path for path in tracked if path.endswith((".pyc", "prices.csv"))}
    rule = decode((place / "replay.yaml").read_bytes()).template
    assert rule is not None
    assert rule.digest == laid.digest
    assert (place / "data/prices.csv").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gallery", "project"]


def test_a_folder_with_something_in_it_stays_as_it_is(small: Gallery, tmp_path: Path) -> None:
    place = tmp_path / "project"
    place.mkdir()
    (place / "thesis.tex").write_text("x")
    with pytest.raises(UsageError, match="a folder with files in it"):
        new_project("small", place, small)
    assert [path.name for path in place.iterdir()] == ["thesis.tex"]
    with pytest.raises(UsageError, match="is a file"):
        new_project("small", place / "thesis.tex", small)


def test_without_an_identity_nothing_is_laid_out(
    small: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{role}_NAME")
        monkeypatch.delenv(f"GIT_{role}_EMAIL")
    monkeypatch.delenv("EMAIL", raising=False)
    with pytest.raises(UsageError, match="Git does not know who you are") as caught:
        new_project("small", tmp_path / "project", small)
    assert "user.name" in (caught.value.hint or "")
    assert [path.name for path in tmp_path.iterdir()] == ["gallery"]


def test_a_commit_that_a_hook_refuses_leaves_nothing(
    small: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    hook = hooks / "pre-commit"
    hook.write_text("#!/bin/sh\necho no commits on Fridays >&2\nexit 1\n")
    hook.chmod(0o755)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.hooksPath")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(hooks))
    place = tmp_path / "project"
    place.mkdir()
    with pytest.raises(RecordError, match="no commits on Fridays"):
        new_project("small", place, small)
    assert list(place.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gallery", "hooks", "project"]


def test_a_place_below_folders_that_are_not_there_yet(small: Gallery, tmp_path: Path) -> None:
    laid = new_project("small", tmp_path / "a" / "b" / "project", small)
    assert laid.version == 2
    assert (tmp_path / "a" / "b" / "project" / "conf/new.yaml").is_file()
