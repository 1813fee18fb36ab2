from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.execute.logs import LogSink, escape
from replay.progress import Silent


class Listener(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def advanced(self, task: str, note: str = "", amount: int = 0) -> None:
        self.notes.append(f"{task}: {note}")


def log(path: Path, *chunks: bytes, limit: int = 1 << 20) -> tuple[str, str, list[str]]:
    listener = Listener()
    sink = LogSink(path, listener, "train", limit=limit)
    for chunk in chunks:
        sink.feed(chunk)
    sink.close()
    sink.feed(b"after the end")
    sink.close()
    return path.read_text(), sink.tail(), listener.notes


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\tb\n", "a\tb\n"), ("\x1b[31m", "\\x1b[31m"), ("\u202e", "\\u202e"), ("\x9b", "\\x9b"), ("\udcff", "\\xff"),
     ("é∑", "é∑"), ("\ud800", "\\ud800"), ("\x7f\x00", "\\x7f\\x00")],
)  # fmt: skip
def test_escape(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_characters_and_lines_may_be_cut_anywhere(tmp_path: Path) -> None:
    kept, tail, notes = log(tmp_path / "log", b"caf\xc3", b"\xa9\r", b"\nnext\xff", b"\rlast")
    assert kept == tail == "café\nnext\\xff\nlast\n"
    assert notes == ["train: café", "train: next\\xff", "train: last"]


@given(data=st.binary(max_size=200), cuts=st.lists(st.integers(0, 200), max_size=5))
def test_cutting_changes_nothing(tmp_path_factory: pytest.TempPathFactory, data: bytes, cuts: list[int]) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    edges = [0, *sorted(min(c, len(data)) for c in cuts), len(data)]
    parts = [data[a:b] for a, b in itertools.pairwise(edges)]
    whole = log(path, data)[0]
    assert log(path, *parts)[0] == whole
    assert all(character == "\n" or character == "\t" or character >= " " for character in whole)


def test_size_is_bounded_and_the_end_is_kept(tmp_path: Path) -> None:
    kept, tail, _ = log(tmp_path / "log", *(b"line %d\n" % n for n in range(100_000)), limit=1000)
    assert len(kept) < 1000 + 40_000
    assert kept.startswith("line 0\n")
    assert "bytes of the log were dropped; its last lines follow]\n" in kept
    assert kept.endswith(tail)
    assert tail.endswith("line 99999\n")


def test_a_line_without_end_is_cut(tmp_path: Path) -> None:
    kept, tail, _ = log(tmp_path / "log", b"x" * 1_000_000, limit=10_000)
    assert len(kept) < 60_000
    assert len(tail) <= 32_768
