from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.compare import comparator
from replay.compare.reading import BLOCK, Side, first_difference, opened, shown
from replay.errors import CompareError
from replay.outcome import Finding, Match
from replay.recipe import Judgement, Tolerance


def run(folder: Path, one: bytes, two: bytes, name: str = "text", **tolerance: object) -> Finding:
    (folder / "one").write_bytes(one)
    (folder / "two").write_bytes(two)
    sealed = Tolerance(**tolerance) if tolerance else None  # type: ignore[arg-type]
    return comparator(name).compare(folder / "one", folder / "two", Judgement(comparator=name, tolerance=sealed))


def measures(finding: Finding) -> dict[str, str]:
    return {m.name: m.value for m in finding.measures}


@pytest.mark.parametrize("name", ["bytes", "text", "metrics", "table", "array", "image"])
def test_equal_bytes_are_identical_before_any_parser_sees_them(tmp_path: Path, name: str) -> None:
    assert run(tmp_path, b"\0no such format", b"\0no such format", name).match is Match.IDENTICAL


@pytest.mark.parametrize("name", ["metrics", "table", "array", "image"])
def test_an_unreadable_record_is_an_error_an_unreadable_replay_a_difference(tmp_path: Path, name: str) -> None:
    with pytest.raises(CompareError, match="recorded"):
        run(tmp_path, b"\0no such format\n\xff", b"\0nor this\n\xff", name)


@pytest.mark.parametrize("position", [0, 1, BLOCK - 1, BLOCK, 3 * BLOCK + 17])
def test_first_differing_byte(tmp_path: Path, position: int) -> None:
    one = os.urandom(3 * BLOCK + 18)
    two = bytearray(one)
    two[position] ^= 1
    finding = run(tmp_path, one, bytes(two), "bytes")
    assert finding.match is Match.DIFFERENT
    assert measures(finding)["first differing byte"] == str(position)
    assert measures(finding)["differing"] == "1"


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_first_difference_is_the_common_beginning(
    tmp_path_factory: pytest.TempPathFactory, one: bytes, two: bytes
) -> None:
    folder = tmp_path_factory.mktemp("pair")
    (folder / "one").write_bytes(one)
    (folder / "two").write_bytes(two)
    with opened(folder / "one", Side.RECORDED) as a, opened(folder / "two", Side.REPLAYED) as b:
        found = first_difference(a, b)
    assert found == (
        None
        if one == two
        else next((i for i, (x, y) in enumerate(zip(one, two, strict=False)) if x != y), min(len(one), len(two)))
    )


def test_one_file_is_the_beginning_of_the_other(tmp_path: Path) -> None:
    finding = run(tmp_path, b"abcd", b"ab", "bytes")
    assert finding.match is Match.DIFFERENT
    assert "first 2 bytes are equal; got 2 bytes, recorded 4" in finding.summary


@pytest.mark.parametrize("make", ["missing", "link", "fifo", "directory"])
def test_a_replay_that_is_no_regular_file_is_different_and_never_opened(tmp_path: Path, make: str) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"same")
    if make == "link":
        two.symlink_to(one)
    elif make == "fifo":
        os.mkfifo(two)
    elif make == "directory":
        two.mkdir()
    judgement = Judgement(comparator="bytes")
    assert comparator("bytes").compare(one, two, judgement).match is Match.DIFFERENT
    with pytest.raises(CompareError):
        comparator("bytes").compare(two, one, judgement)


def test_unknown_comparator() -> None:
    with pytest.raises(CompareError, match="expected one of bytes"):
        comparator("auto")


def test_numbers_in_lines(tmp_path: Path) -> None:
    one, two = b"leaf=0.1 0.25 0.3\nname=x\n", b"leaf=0.1 0.250000001 0.3\nname=x\n"
    strict = run(tmp_path, one, two)
    assert strict.match is Match.DIFFERENT
    assert strict.first.startswith("line 1:")
    assert "1 of 2 lines differ" in strict.summary
    assert "1 of 3 numbers in them differ, largest absolute 1e-09" in strict.summary
    assert run(tmp_path, one, two, absolute=(2e-9).hex()).match is Match.EQUIVALENT
    assert run(tmp_path, one, two, absolute=(5e-10).hex()).match is Match.DIFFERENT


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (b"leaf_count=10\n", b"leaf_count=11\n"),
        (b"id a1b2\n", b"id a1b3\n"),
        (b"v1.2.3\n", b"v1.2.4\n"),
        (b"x=nan\n", b"x=1.0\n"),
        (b"x=1.0\n", b"x=1.0\ny=2.0\n"),
        (b"x=1.0\ny=2.0\n", b"x=1.0\n"),
        (b"x=1.0 2.0\n", b"x=1.0\n"),
        (b"x=1.0\n", b"z=1.0\n"),
    ],
)
def test_a_tolerance_covers_measurements_only(tmp_path: Path, one: bytes, two: bytes) -> None:
    assert run(tmp_path, one, two, absolute=(1e6).hex(), relative=(1e6).hex()).match is Match.DIFFERENT


def test_line_ends_and_notation_are_format(tmp_path: Path) -> None:
    finding = run(tmp_path, b"a=1.0\nb=2.50\n", b"a=1.0\r\nb=2.50")
    assert (finding.match, finding.summary) == (Match.EQUIVALENT, "contents equal, only line ends differ")
    assert run(tmp_path, b"b=2.50\n", b"b=2.5\n").match is Match.EQUIVALENT
    assert run(tmp_path, b"b=2.50\n", b"b=2.51\n").match is Match.DIFFERENT


def test_lightgbm_sizes_follow_from_other_differences_only(tmp_path: Path) -> None:
    one = b"tree\ntree_sizes=30 31\nleaf_value=0.5\n"
    moved = b"tree\ntree_sizes=30 33\nleaf_value=0.50000000001\n"
    assert run(tmp_path, one, moved, relative=(1e-9).hex()).match is Match.EQUIVALENT
    assert run(tmp_path, one, moved).match is Match.DIFFERENT
    alone = one.replace(b"31", b"33")
    assert run(tmp_path, one, alone, relative=(1e-9).hex()).match is Match.DIFFERENT
    assert run(tmp_path, one[5:], moved[5:], relative=(1e-9).hex()).match is Match.DIFFERENT


def test_a_line_without_end_is_read_in_bounded_pieces(tmp_path: Path) -> None:
    one = b"1.5 " * (6 << 20)
    finding = run(tmp_path, one, one[:-2] + b"6 ", absolute=(1.0).hex())
    assert finding.match is Match.DIFFERENT
    assert finding.first.startswith("line 3")


def test_hostile_text_is_escaped() -> None:
    assert shown("\x1b[31mred\n" + "x" * 500, 20) == "\\x1b[31mred\\nxxxxxx…"
    assert shown(b"\xff\xfe", 20) == "\\xff\\xfe"


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_are_text(tmp_path_factory: pytest.TempPathFactory, one: bytes, two: bytes) -> None:
    finding = run(tmp_path_factory.mktemp("pair"), one, two)
    assert finding.match is not Match.IDENTICAL or one == two
    if [line.rstrip(b"\r\n") for line in one.split(b"\n")] == [line.rstrip(b"\r\n") for line in two.split(b"\n")]:
        assert finding.match is not Match.DIFFERENT
