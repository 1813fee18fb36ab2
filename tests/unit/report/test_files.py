from __future__ import annotations

import os
from pathlib import Path

import msgspec
from unit.report.sample import scenario

from replay.report.files import read_bounded, read_pair


def test_regular_files_within_the_bound_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bounded(tmp_path / "a", 5) == (b"12345", "")
    too_large = read_bounded(tmp_path / "a", 4)
    assert too_large.data is None
    assert "larger than 4 B" in too_large.why


def test_links_fifos_directories_and_nothing_are_answers_not_errors(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for name, word in (
        ("link", "symbolic link"),
        ("fifo", "FIFO"),
        ("folder", "directory"),
        ("none", "does not exist"),
    ):
        content = read_bounded(tmp_path / name, 100)
        assert content.data is None
        assert word in content.why


def test_relative_paths_lie_in_the_workspace_and_missing_sides_are_named(tmp_path: Path) -> None:
    result, _ = scenario("diverged", tmp_path)
    comparison = next(c for c in result.comparisons if c.path == "out/metrics.json")
    relative = msgspec.structs.replace(comparison, recorded_path="recorded/out/metrics.json", replayed_path=None)
    pair = read_pair(result, relative, 10_000)
    assert pair.recorded.data == (tmp_path / "recorded/out/metrics.json").read_bytes()
    assert pair.why == "the replayed bytes were not kept"
