from __future__ import annotations

import io
import math
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from replay.compare import comparator
from replay.errors import CompareError
from replay.outcome import Finding, Match
from replay.recipe import Judgement, Tolerance


def npy(*arrays: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    for array in arrays:
        np.save(file, array, **options)
    return file.getvalue()


def npz(compressed: bool = False, **arrays: Any) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **arrays)
    return file.getvalue()


def run(folder: Path, one: bytes, two: bytes, **tolerance: Any) -> Finding:
    (folder / "one").write_bytes(one)
    (folder / "two").write_bytes(two)
    sealed = Tolerance(**tolerance) if tolerance else None
    return comparator("array").compare(folder / "one", folder / "two", Judgement(comparator="array", tolerance=sealed))


def flipped(array: np.ndarray[Any, Any], index: int) -> np.ndarray[Any, Any]:
    """A copy in which one bit of one element differs."""
    raw = bytearray(array.tobytes())
    raw[index * array.itemsize] ^= 1
    return np.frombuffer(bytes(raw), array.dtype).reshape(array.shape)


@pytest.mark.parametrize(
    "dtype", ["f8", "f4", "f2", "i8", "i4", "u2", "u1", "?", "c16", "c8", ">f8", "M8[ns]", "S8", "V8"]
)
def test_one_bit(tmp_path: Path, dtype: str) -> None:
    one = np.zeros((3, 4), "u1").repeat(np.dtype(dtype).itemsize).view(dtype).reshape(3, 4)
    if dtype not in {"?", "V8", "S8"}:
        one = one + np.array(1).astype(dtype if dtype[0] != "M" else "m8[ns]")
    finding = run(tmp_path, npy(one), npy(flipped(one.astype(dtype), 7)))
    assert finding.match is Match.DIFFERENT
    assert finding.first.startswith("[1, 3]")
    assert "1 of 12 values differ" in finding.summary


def test_large_arrays_are_split_over_threads_and_counted_once(tmp_path: Path) -> None:
    one = np.random.default_rng(1).standard_normal(6_000_001)
    two = one.copy()
    where = [0, 17, 131071, 131072, 2_999_999, 3_000_000, 6_000_000]
    two[where] += 1e-3
    finding = run(tmp_path, npy(one), npy(two))
    assert "7 of 6,000,001 values differ, largest absolute 0.001" in finding.summary
    assert finding.first.startswith("[0]: recorded")
    two[:3_100_000] = one[:3_100_000]
    finding = run(tmp_path, npy(one), npy(two))
    assert finding.first.startswith("[6000000]")


@given(hnp.arrays("f8", st.integers(0, 40)), st.data(), st.floats(0, 10), st.floats(0, 1))
def test_agrees_with_isclose(
    tmp_path_factory: pytest.TempPathFactory, one: Any, data: Any, absolute: float, relative: float
) -> None:
    two = data.draw(hnp.arrays("f8", one.shape))
    finding = run(tmp_path_factory.mktemp("pair"), npy(one), npy(two), absolute=absolute.hex(), relative=relative.hex())
    expected = [
        a == b
        or (math.isnan(a) and math.isnan(b))
        or (math.isfinite(b - a) and abs(b - a) <= absolute + relative * abs(a))
        for a, b in zip(one.tolist(), two.tolist(), strict=True)
    ]
    assert (finding.match is not Match.DIFFERENT) is all(expected)


def test_signed_zeros_and_nan_payloads_are_equal_numbers(tmp_path: Path) -> None:
    one = np.array([0.0, math.nan, 1.0])
    two = np.array([-0.0, math.nan, 1.0])
    two.view(np.uint64)[1] ^= 1
    assert run(tmp_path, npy(one), npy(two)).match is Match.EQUIVALENT
    assert run(tmp_path, npy(one), npy(np.array([0.0, 1.0, 1.0])), absolute=(1e9).hex()).match is Match.DIFFERENT


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2"])
def test_ulp_of_the_own_type(tmp_path: Path, dtype: str) -> None:
    one = np.ones(4, dtype)
    two = np.nextafter(one, np.array(2, dtype))
    assert run(tmp_path, npy(one), npy(two)).match is Match.DIFFERENT
    assert run(tmp_path, npy(one), npy(two), ulp=1).match is Match.EQUIVALENT
    assert run(tmp_path, npy(one), npy(np.nextafter(two, np.array(2, dtype))), ulp=1).match is Match.DIFFERENT


@pytest.mark.parametrize(
    ("two", "text"),
    [
        (np.ones((4, 3)), "shape: got (4, 3), recorded (3, 4)"),
        (np.ones((3, 4), "f4"), "dtype: got float32, recorded float64"),
        (np.ones((3, 4), "i8"), "dtype: got int64"),
        (np.asfortranarray(np.ones((3, 4))), "memory order: got Fortran, recorded C"),
    ],
)
def test_drift(tmp_path: Path, two: Any, text: str) -> None:
    finding = run(tmp_path, npy(np.ones((3, 4))), npy(two), absolute=(1e9).hex())
    assert finding.match is Match.DIFFERENT
    assert finding.summary.startswith(text)


def test_byte_order_is_encoding(tmp_path: Path) -> None:
    one = np.arange(5.0)
    assert run(tmp_path, npy(one), npy(one.astype(">f8"))).match is Match.EQUIVALENT
    assert run(tmp_path, npy(one), npy((one + 1).astype(">f8"))).match is Match.DIFFERENT


def test_fortran_index(tmp_path: Path) -> None:
    one = np.asfortranarray(np.zeros((3, 4)))
    two = one.copy(order="F")
    two[2, 1] = 1
    assert run(tmp_path, npy(one), npy(two)).first.startswith("[2, 1]")


def test_structured_and_nested(tmp_path: Path) -> None:
    kind = [("price", "f8"), ("inner", [("flags", "u1", (2,))])]
    one = np.zeros(3, kind)
    two = one.copy()
    two["inner"]["flags"][1, 1] = 1
    finding = run(tmp_path, npy(one), npy(two))
    assert finding.match is Match.DIFFERENT
    assert finding.first == "[1].inner.flags"


def test_every_array_of_a_file_counts(tmp_path: Path) -> None:
    a, b = np.zeros(3), np.zeros(2)
    assert run(tmp_path, npy(a, b), npy(a, b + 1)).first.startswith("array 1[0]")
    assert run(tmp_path, npy(a, b), npy(a)).match is Match.DIFFERENT
    assert run(tmp_path, npy(a), npy(a) + b"junk").match is Match.DIFFERENT


def test_archives(tmp_path: Path) -> None:
    a, b = np.arange(300_000.0), np.eye(3)
    assert run(tmp_path, npz(a=a, b=b), npz(compressed=True, b=b, a=a)).match is Match.EQUIVALENT
    finding = run(tmp_path, npz(a=a, b=b), npz(a=flipped(a, 299_999), b=b))
    assert finding.first.startswith("a.npy[299999]")
    finding = run(tmp_path, npz(a=a, b=b), npz(a=a, c=b))
    assert finding.summary == "arrays: missing b.npy, not in the record c.npy"
    assert run(tmp_path, npz(a=a), npz(a=a[:-1])).summary.startswith("a.npy: shape")
    assert run(tmp_path, npz(a=a), npy(a)).match is Match.DIFFERENT


def test_0d_and_empty(tmp_path: Path) -> None:
    assert run(tmp_path, npy(np.array(1.0)), npy(np.array(2.0))).first.startswith("[]: recorded 1.0")
    assert run(tmp_path, npy(np.empty((0, 3))), npy(np.empty((0, 3), ">f8"))).match is Match.EQUIVALENT


class Evil:
    def __reduce__(self) -> Any:
        return (print, ("unpickled",))


def hostile() -> dict[str, bytes]:
    good = npy(np.arange(100.0))
    huge = io.BytesIO()
    np.lib.format.write_array_header_1_0(huge, {"descr": "<f8", "fortran_order": False, "shape": (1 << 50,)})
    negative = io.BytesIO()
    np.lib.format.write_array_header_1_0(negative, {"descr": "<f8", "fortran_order": False, "shape": (-1, -100)})
    wrong_crc = bytearray(npz(a=np.arange(100.0)))
    wrong_crc[200] ^= 1
    longer = io.BytesIO()
    with zipfile.ZipFile(longer, "w") as archive:
        archive.writestr("a.npy", npy(np.arange(100.0) + 1) + b"more")
    bad_zip = io.BytesIO()
    with zipfile.ZipFile(bad_zip, "w") as archive:
        archive.writestr("a.npy", good[:-8])
    return {
        "cut": good[:-1],
        "pickled": npy(np.array([Evil()], object), allow_pickle=True),
        "bare-pickle": pickle.dumps(Evil()),
        "huge-shape": huge.getvalue(),
        "negative-shape": negative.getvalue(),
        "code-in-header": good.replace(b"(100,)", b"exit()"),
        "magic-only": b"\x93NUMPY",
        "empty": b"",
        "zip-crc": bytes(wrong_crc),
        "zip-longer-member": longer.getvalue(),
        "zip-cut-member": bad_zip.getvalue(),
        "zip-cut": npz(a=np.arange(100.0))[:-30],
    }


@pytest.mark.parametrize("name", hostile())
def test_hostile_files(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    good = npz(a=np.arange(100.0) + 1) if name.startswith("zip") else npy(np.arange(100.0) + 1)
    finding = run(tmp_path, good, hostile()[name])
    assert finding.match is Match.DIFFERENT
    assert "replayed" in finding.summary
    assert ("never unpickled" in finding.summary) == (name == "pickled")
    with pytest.raises(CompareError, match="recorded"):
        run(tmp_path, hostile()[name], good if name != "empty" else npy(np.arange(2.0)))
    assert capsys.readouterr().out == ""
