from __future__ import annotations

import stat
from pathlib import Path

import pytest

from replay.errors import ExecuteError
from replay.execute.interface import Staged
from replay.execute.staging import stage


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for path, text in {"src/a.py": "a", "data/old.csv": "old", "metrics.json": "{}", "models/.gitignore": "x"}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
        (root / path).chmod(0o444)
    (root / "latest").symlink_to("src")
    return root


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def make(tree: Path, tmp_path: Path, **changed: object) -> Staged:
    arguments: dict[str, object] = {"inputs": {}, "outputs": [], "directory": ""} | changed
    return stage(tree, dest=tmp_path / "stage", **arguments)  # type: ignore[arg-type]


def test_permissions_protect_all_but_the_outputs_directories(tree: Path, tmp_path: Path) -> None:
    staged = make(tree, tmp_path, outputs=["out/deep/x", "models/model.txt"])
    work = staged.work
    assert mode(work) == mode(work / "src") == mode(work / "out") == 0o555
    assert mode(work / "out" / "deep") == mode(work / "models") == mode(staged.out) == 0o1777
    assert mode(work / "src" / "a.py") == 0o444
    assert mode(staged.hook) == 0o555
    assert {p.name for p in staged.hook.iterdir()} == {"sitecustomize.py", "_replay_capture.py"}
    assert staged.known == {"out/deep": frozenset(), "models": frozenset({".gitignore"})}
    assert (work / "latest").readlink() == Path("src")


def test_outputs_and_what_is_excluded_are_hidden_unless_inputs(tree: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.csv"
    new.write_text("new")
    staged = make(tree, tmp_path, inputs={"data/old.csv": new}, outputs=["metrics.json"],
                  exclude=["data/old.csv", "models", "src/a.py"])  # fmt: skip
    assert (staged.work / "data" / "old.csv").read_text() == "new"
    assert not (staged.work / "metrics.json").exists()
    assert not (staged.work / "models").exists()
    assert not (staged.work / "src" / "a.py").exists()
    assert mode(staged.work) == 0o1777
    assert staged.inputs == ("data/old.csv",)
    assert (tree / "data" / "old.csv").read_text() == "old"


def test_paths_are_relative_to_the_workflow(tree: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    (source / "d").mkdir(parents=True)
    (source / "d" / "x").write_text("x")
    staged = make(tree, tmp_path, inputs={"raw": source}, outputs=["o/y"], directory="projects/one", cwd="scripts")
    assert (staged.work / "projects/one/raw/d/x").read_text() == "x"
    assert mode(staged.work / "projects/one/raw/d") == 0o555
    assert (staged.work / "projects/one/scripts").is_dir()
    assert (staged.inputs, staged.outputs) == (("projects/one/raw",), ("projects/one/o/y",))


def test_sources_are_linked_when_safe_and_never_changed(tree: Path, tmp_path: Path) -> None:
    safe, secret, shared = tmp_path / "safe", tmp_path / "secret", tmp_path / "shared"
    for path, permissions in ((safe, 0o644), (secret, 0o600), (shared, 0o666)):
        path.write_text("x")
        path.chmod(permissions)
    staged = make(tree, tmp_path, inputs={"a": safe, "b": secret, "c": shared})
    assert (staged.work / "a").samefile(safe)
    assert not (staged.work / "b").samefile(secret)
    assert mode(staged.work / "b") == mode(staged.work / "c") == 0o444
    assert (mode(safe), mode(secret), mode(shared)) == (0o644, 0o600, 0o666)


def test_links_lead_nowhere(tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tree / "data" / "away").symlink_to(outside)
    file = tmp_path / "f"
    file.write_text("x")
    with pytest.raises(ExecuteError, match="'away' is a symbolic link"):
        make(tree, tmp_path, inputs={"data/away/x": file})
    with pytest.raises(ExecuteError, match="'away' is a symbolic link"):
        stage(tree, {}, ["data/away/out"], "", tmp_path / "stage2")
    assert list(outside.iterdir()) == []
    (tmp_path / "link").symlink_to(file)
    with pytest.raises(ExecuteError, match="got a symbolic link, expected a file or a directory"):
        stage(tree, {"x": tmp_path / "link"}, [], "", tmp_path / "stage3")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "inner").symlink_to("/etc/passwd")
    with pytest.raises(ExecuteError, match="got a symbolic link, expected a regular file"):
        stage(tree, {"x": folder}, [], "", tmp_path / "stage4")


def test_a_declared_directory_is_left_for_the_command_to_make(tree: Path, tmp_path: Path) -> None:
    staged = make(tree, tmp_path, outputs=["out/folder"])
    assert not (staged.work / "out" / "folder").exists()
    assert mode(staged.work / "out") == 0o1777
