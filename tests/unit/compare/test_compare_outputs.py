from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from replay.compare import compare_content, compare_output, compare_repeats, default_judgement, measure, unexpected
from replay.errors import CompareError, DigestMismatchError
from replay.outcome import Comparison, Match, Mode
from replay.recipe import Artifact, Judgement, Output, OutputRole, PathKind, Storage, Tolerance
from replay.store.hashing import describe


def output(path: str, recorded: Path, **judgement: object) -> Output:
    found = describe(recorded)
    artifact = Artifact(
        path=path, kind=found.kind, size=found.size, files=found.files, digests=found.digests, storage=Storage.DVC
    )
    judged = Judgement(**{"comparator": "bytes", **judgement})  # type: ignore[arg-type]
    return Output(artifact=artifact, role=OutputRole.DATA, judgement=judged)


def judge(path: str, one: Path, two: Path, *, kept: bool = True, **judgement: object) -> Comparison:
    sealed = output(path, one, **judgement)
    return compare_output("train", sealed, one if kept else None, two, describe(two), None, Mode.ISOLATED)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text(json.dumps({"sharpe": 1.5}))
    two.write_text(json.dumps({"sharpe": 1.5000001}))
    return one, two


def test_default_is_bitwise() -> None:
    for path in ("a.parquet", "a.json", "a"):
        assert default_judgement(path, OutputRole.DATA, PathKind.FILE) == Judgement(comparator="bytes")


def test_identical_by_digest(pair: tuple[Path, Path]) -> None:
    found = judge("m.json", pair[0], pair[0], kept=False)
    assert found.match is Match.IDENTICAL
    assert found.recorded == found.replayed


def test_bitwise_difference_is_sized(pair: tuple[Path, Path]) -> None:
    found = judge("m.json", *pair)
    assert (found.match, found.finding.comparator) == (Match.DIFFERENT, "bytes")
    assert "1 of 1 values differ, largest absolute 1e-07" in found.finding.summary
    assert found.finding.first.startswith("$.sharpe")
    assert judge("m", *pair).finding.first == "byte 14"
    assert found.recorded_path == str(pair[0])


def test_bitwise_says_plainly_when_only_the_encoding_differs(tmp_path: Path) -> None:
    table = pa.table({"x": [1.0, 2.0]})
    pq.write_table(table, tmp_path / "one")
    pq.write_table(table, tmp_path / "two", compression="gzip")
    found = judge("x.parquet", tmp_path / "one", tmp_path / "two")
    assert found.match is Match.DIFFERENT
    assert found.finding.summary.startswith("contents equal, only file metadata, layout or encoding differs")
    assert judge("x.parquet", tmp_path / "one", tmp_path / "two", comparator="table").match is Match.EQUIVALENT


def test_tolerance_decides(pair: tuple[Path, Path]) -> None:
    wide, narrow = Tolerance(absolute=(1e-6).hex()), Tolerance(absolute=(1e-8).hex())
    assert judge("m.json", *pair, comparator="metrics", tolerance=wide).match is Match.EQUIVALENT
    assert judge("m.json", *pair, comparator="metrics", tolerance=narrow).match is Match.DIFFERENT


def test_a_size_that_cannot_be_told_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"no array")
    (tmp_path / "two").write_bytes(b"nor this")
    assert measure(tmp_path / "one", tmp_path / "two", "x.npy") is None
    found = judge("x.npy", tmp_path / "one", tmp_path / "two")
    assert (found.match, found.finding.first) == (Match.DIFFERENT, "byte 2")


@pytest.mark.parametrize("problem", [None, "got a symbolic link, expected a regular file", "a FIFO\x1b[31m"])
def test_missing(pair: tuple[Path, Path], problem: str | None) -> None:
    found = compare_output("train", output("m.json", pair[0]), pair[0], None, None, problem, Mode.CHAINED)
    assert (found.match, found.finding.comparator, found.mode) == (Match.MISSING, "presence", Mode.CHAINED)
    assert "\x1b" not in found.finding.summary
    assert (problem or "nothing")[:6] in found.finding.summary


def test_another_kind(pair: tuple[Path, Path], tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "x").write_text("1")
    found = judge("m.json", pair[0], folder)
    assert (found.match, found.finding.summary) == (Match.DIFFERENT, "got a directory, recorded a file")
    assert judge("m", folder, pair[0]).finding.summary == "got a file, recorded a directory"


def test_content_not_kept(pair: tuple[Path, Path]) -> None:
    assert "size of the difference is unknown" in judge("m.json", *pair, kept=False).finding.summary
    assert judge("m.json", *pair, kept=False).match is Match.DIFFERENT
    found = judge("m.json", *pair, kept=False, comparator="metrics")
    assert found.match is Match.UNCOMPARED
    assert "'metrics' needs, was not kept" in found.finding.summary


def test_recorded_bytes_that_changed_are_noticed(pair: tuple[Path, Path]) -> None:
    sealed = output("m.json", pair[0])
    data = bytearray(pair[0].read_bytes())
    data[3] ^= 1
    pair[0].write_bytes(data)
    with pytest.raises(DigestMismatchError):
        compare_output("train", sealed, pair[0], pair[1], describe(pair[1]), None, Mode.ISOLATED)


def test_digests_that_contradict_the_bytes_are_an_error(pair: tuple[Path, Path]) -> None:
    wrong = msgspec.structs.replace(describe(pair[0]), digests=describe(pair[1]).digests)
    with pytest.raises(CompareError, match="digests"):
        compare_output("train", output("m.json", pair[0]), pair[0], pair[0], wrong, None, Mode.ISOLATED)
    with pytest.raises(CompareError, match="without digests"):
        compare_output("train", output("m.json", pair[0]), pair[0], pair[1], None, None, Mode.ISOLATED)


def test_unexpected(pair: tuple[Path, Path]) -> None:
    found = unexpected("train", "core.1234", describe(pair[0]), Mode.ISOLATED)
    assert (found.match, found.recorded) == (Match.UNEXPECTED, None)


def tree(root: Path, **files: bytes) -> Path:
    for name, data in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def test_directories(tmp_path: Path) -> None:
    one = tree(tmp_path / "one", a=b"1", sub__b=b"2", sub__c=b"3")
    same = tree(tmp_path / "same", a=b"1", sub__b=b"2", sub__c=b"3")
    (same / "empty").mkdir()
    assert judge("d", one, same).match is Match.IDENTICAL
    assert compare_content(one, same, "d", Judgement(comparator="bytes")).summary == "3 files identical"
    bit = judge("d", one, tree(tmp_path / "bit", a=b"1", sub__b=b"3", sub__c=b"3"))
    assert bit.match is Match.DIFFERENT
    assert bit.finding.first == "sub/b: byte 0"
    assert bit.finding.summary.startswith("1 of 3 files differ in their bytes; sub/b: 1 of 1 bytes")
    lost = judge("d", one, tree(tmp_path / "lost", a=b"1", sub__b=b"2", new=b"4"))
    assert lost.match is Match.DIFFERENT
    assert lost.finding.summary == "2 files identical, 1 missing, 1 not in the record"
    assert lost.finding.first == "sub/c: missing"


def test_the_comparator_of_a_directory_judges_the_files_of_its_kind_only(tmp_path: Path) -> None:
    one = tree(tmp_path / "one", a=b"1")
    two = tree(tmp_path / "two", a=b"1")
    for folder, step in ((one, 0.0), (two, 1e-9)):
        np.save(folder / "x.npy", np.ones(3) + step)
    tolerance = Tolerance(absolute=(1e-8).hex())
    found = judge("d", one, two, comparator="array", tolerance=tolerance)
    assert found.match is Match.EQUIVALENT
    (two / "a").write_bytes(b"2")
    found = judge("d", one, two, comparator="array", tolerance=tolerance)
    assert found.match is Match.DIFFERENT
    assert found.finding.first.startswith("a: byte 0")


def test_links_and_fifos_in_a_directory_are_not_followed(tmp_path: Path) -> None:
    one = tree(tmp_path / "one", a=b"1")
    two = tree(tmp_path / "two", b=b"1")
    (two / "a").symlink_to(one / "a")
    os.mkfifo(two / "pipe")
    found = compare_content(one, two, "d", Judgement(comparator="bytes"))
    assert found.match is Match.DIFFERENT
    assert "2 no regular file" in found.summary
    with pytest.raises(CompareError, match="no regular file"):
        compare_content(two, one, "d", Judgement(comparator="bytes"))


def test_repeats(pair: tuple[Path, Path]) -> None:
    one, two = ((path, describe(path)) for path in pair)
    exact, near = (
        output("m.json", pair[0], comparator=name, tolerance=tolerance)
        for name, tolerance in (("bytes", None), ("metrics", Tolerance(absolute=(1e-6).hex())))
    )

    def match(sealed: Output, first: object, second: object) -> Match:
        return compare_repeats("train", sealed, first, second, Mode.ISOLATED).match  # type: ignore[arg-type]

    assert match(exact, one, one) is Match.IDENTICAL
    assert match(exact, one, two) is Match.DIFFERENT
    assert match(near, one, two) is Match.EQUIVALENT
    assert match(exact, None, None) is Match.IDENTICAL
    assert match(exact, one, None) is Match.DIFFERENT
    assert match(exact, None, two) is Match.DIFFERENT


def test_repeats_of_a_file_that_is_no_such_format(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"{")
    (tmp_path / "two").write_bytes(b"}")
    one, two = ((tmp_path / name, describe(tmp_path / name)) for name in ("one", "two"))
    sealed = output("m.json", tmp_path / "one", comparator="metrics")
    assert compare_repeats("train", sealed, one, two, Mode.ISOLATED).match is Match.DIFFERENT


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, replay.compare; print({'numpy', 'pyarrow', 'PIL', 'blake3', 'sqlite3'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
