from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from replay.execute import configs
from replay.execute.configs import read_configs
from replay.recipe import ConfigSnapshot


def write(path: Path, name: str, snapshot: ConfigSnapshot) -> None:
    (path / name).write_bytes(msgspec.json.encode(snapshot))


def test_equal_snapshots_once_and_in_an_order_of_their_own(tmp_path: Path) -> None:
    a, b = (ConfigSnapshot(name=name, unresolved="", resolved="") for name in "ab")
    for name, snapshot in (("config-9-1.json", a), ("config-1-1.json", b), ("config-1-2.json", a)):
        write(tmp_path, name, snapshot)
    assert read_configs(tmp_path) == ((a, b), ())


def test_forgeries_become_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configs, "MAX_BYTES", 100_000)
    (tmp_path / "1.json").write_text('{"name": "x"}')
    (tmp_path / "2.json").write_text("[" * 90_000)
    (tmp_path / "3.json").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "4.json")
    (tmp_path / "5.json").mkdir()
    (tmp_path / "6.json").write_bytes(b"x" * 100_001)
    (tmp_path / "7.json").write_text('{"name":"","unresolved":"","resolved":"","evil":1}')
    (tmp_path / "hook-1.txt").write_bytes(b"ValueError: \x1b[2J\xff")
    found, notes = read_configs(tmp_path)
    assert found == ()
    assert len(notes) == 8
    assert "missing required field" in notes[0]
    assert "a symbolic link" in notes[2]
    assert "a FIFO" in notes[3]
    assert "larger than 100000 bytes" in notes[5]
    assert "unknown field `evil`" in notes[6]
    assert notes[7] == "the configuration hook: ValueError: \\x1b[2J\\xff"


def test_too_many_and_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        write(tmp_path, f"{number}.json", ConfigSnapshot(name=str(number), unresolved="", resolved=""))
    monkeypatch.setattr(configs, "MAX_FILES", 3)
    found, notes = read_configs(tmp_path)
    assert (len(found), notes) == (3, ("got 5 configurations, expected at most 3; the rest was ignored",))
    monkeypatch.setattr(configs, "MAX_TOTAL", 10)
    assert "larger than 10 bytes" in read_configs(tmp_path)[1][0]
