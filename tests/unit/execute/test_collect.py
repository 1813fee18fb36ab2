from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from replay.execute.collect import Collected, collect
from replay.execute.interface import StepResult
from replay.outcome import Ending, Execution, Mode
from replay.recipe import PathKind

FILE, DIRECTORY = PathKind.FILE, PathKind.DIRECTORY


def take(tmp_path: Path, outputs: dict[str, PathKind | None], *, known: dict[str, frozenset[str]] | None = None,
         refused: dict[str, str] | None = None, directory: str = "", **limits: int) -> Collected:  # fmt: skip
    execution = Execution(step="s", mode=Mode.ISOLATED, ending=Ending.SUCCEEDED, exit_code=0, started="", seconds=0,
                          log="")  # fmt: skip
    (tmp_path / "evidence").mkdir(exist_ok=True)
    result = StepResult(execution=execution, tree=tmp_path / "tree", refused=refused or {})
    return collect(result, known or {".": frozenset()}, directory, outputs, tmp_path / "evidence", **limits)


@pytest.fixture(autouse=True)
def tree(tmp_path: Path) -> Path:
    (tmp_path / "tree" / "out" / "d").mkdir(parents=True)
    (tmp_path / "tree" / "out" / "d" / "x").write_text("x")
    (tmp_path / "tree" / "file").write_text("content")
    (tmp_path / "tree" / "file").chmod(0o4751)
    return tmp_path / "tree"


def test_files_and_directories_are_moved_without_their_permissions(tmp_path: Path, tree: Path) -> None:
    found = take(tmp_path, {"file": FILE, "out": DIRECTORY, "out/none": None})
    assert found.found["file"].read_text() == "content"
    assert stat.S_IMODE(found.found["file"].stat().st_mode) == 0o644
    assert (found.found["out"] / "d" / "x").read_text() == "x"
    assert found.problems == {"out/none": "the step did not write it"}
    assert not (tree / "file").exists()
    assert found.unexpected == ()


def test_hard_links_are_copied(tmp_path: Path, tree: Path) -> None:
    os.link(tree / "file", tree / "other")
    found = take(tmp_path, {"file": FILE})
    assert found.found["file"].read_text() == "content"
    assert found.found["file"].stat().st_nlink == 1
    assert found.unexpected == ("other", "out/d/x")


def test_what_is_no_plain_file_or_directory(tmp_path: Path, tree: Path) -> None:
    (tree / "link").symlink_to("file")
    (tree / "dirlink").symlink_to("out")
    os.mkfifo(tree / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(tree)
        server.bind("sock")
    wanted = {"link": FILE, "fifo": FILE, "sock": None, "dirlink/d": DIRECTORY, "out": FILE, "file": DIRECTORY}
    found = take(tmp_path, wanted)
    assert found.found == {}
    assert found.problems == {
        "link": "got a symbolic link, expected a regular file",
        "fifo": "got a FIFO, expected a regular file",
        "sock": "got a socket, expected a file or a directory",
        "dirlink/d": "dirlink on the way to it is a symbolic link",
        "out": "got a directory, expected a regular file",
        "file": "got a regular file, expected a directory",
    }


@pytest.mark.parametrize("name", [b"\xff", b"a\x1b[2J", b"new\nline"])
def test_names_that_a_report_could_not_show(tmp_path: Path, tree: Path, name: bytes) -> None:
    (tree / "out" / os.fsdecode(name)).touch()
    found = take(tmp_path, {"out": DIRECTORY})
    assert found.found == {}
    assert "the name" in found.problems["out"]
    (tree / os.fsdecode(b"stray" + name)).touch()
    shown = "\n".join(take(tmp_path, {"file": FILE}).unexpected)
    assert "stray" in shown
    assert "\x1b" not in shown
    assert shown.encode()


def test_budgets(tmp_path: Path, tree: Path) -> None:
    os.truncate(tree / "file", 1 << 40)  # sparse: it costs nothing until somebody reads it
    assert take(tmp_path, {"file": FILE}).problems["file"].startswith("larger than the budget of")
    assert take(tmp_path, {"out": DIRECTORY}, max_files=0).problems["out"] == "more than 0 files in all outputs"
    assert not (tmp_path / "evidence" / "out").exists()


def test_a_very_deep_directory(tmp_path: Path, tree: Path) -> None:
    here = tree / "out"
    for _ in range(120):
        here /= "d2"
        here.mkdir()
    assert take(tmp_path, {"out": DIRECTORY}).problems["out"] == "deeper than 100 directories"


def test_refusals_of_the_archive_count(tmp_path: Path) -> None:
    refused = {"w/model": "a symbolic link", "w/out/bad": "a FIFO", "w/stray": "a hard link"}
    (tmp_path / "tree" / "w" / "out").mkdir(parents=True)
    found = take(tmp_path, {"model": FILE, "out": DIRECTORY}, refused=refused, directory="w", known={"w": frozenset()})
    assert found.problems == {
        "model": "got a symbolic link, expected a file or a directory",
        "out": "bad in it is a FIFO, expected regular files only",
    }
    assert found.unexpected == ("stray",)


def test_unexpected_files_are_counted_not_listed_without_end(tmp_path: Path, tree: Path) -> None:
    for number in range(1100):
        (tree / f"n{number:04}").touch()
    found = take(tmp_path, {"file": FILE}, known={".": frozenset({"out"})})
    assert len(found.unexpected) == 1001
    assert found.unexpected[-1] == "… and 100 more"
