"""NumPy files: ``.npy`` (one array, or several written one after another) and ``.npz``.

Data is read by position into small buffers, never mapped and never unpickled: memory is a few MiB whatever the size.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, BinaryIO
from zipfile import ZipFile

import msgspec
import numpy as np
from numpy.lib import format as npy

from replay.compare.interface import Comparator
from replay.compare.numeric import CHUNK, Array, add_arrays
from replay.compare.reading import Side, Source, UnreadableError, reading, shown
from replay.compare.tally import Tally
from replay.compare.tolerance import Limits
from replay.outcome import Finding, Match, Measure
from replay.recipe import Judgement

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_MEMBERS = 100_000
_ITEM = 64 << 20


class Stored(msgspec.Struct, frozen=True):
    """One array in a file: what it is and where its data begins (``.npy``; for ``.npz`` behind the member's header)."""

    name: str
    dtype: Any
    shape: tuple[int, ...]
    fortran: bool
    offset: int = 0

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size of the data in bytes."""
        return self.count * int(self.dtype.itemsize)

    def index(self, position: int) -> str:
        """The index of the element at ``position`` in the file."""
        order = "F" if self.fortran else "C"
        index = np.unravel_index(position, self.shape, order) if self.shape else ()  # type: ignore[call-overload]
        return f"{self.name}[{', '.join(str(int(i)) for i in index)}]"

    def drift(self, other: Stored) -> str:
        """How ``other`` is declared differently; empty when alike. Byte order is encoding, not content."""
        if self.shape != other.shape:
            return f"shape: got {other.shape}, recorded {self.shape}"
        if self.dtype.newbyteorder("=") != other.dtype.newbyteorder("="):
            return f"dtype: got {shown(other.dtype)}, recorded {shown(self.dtype)}"
        if self.fortran != other.fortran and len(self.shape) > 1:
            names = {True: "Fortran", False: "C"}
            return f"memory order: got {names[other.fortran]}, recorded {names[self.fortran]}"
        return ""


class ArrayComparator(Comparator):
    """Element by element; shape, dtype, memory order and names of arrays must be equal."""

    name = "array"

    def _compare(self, recorded: Source, replayed: Source, judgement: Judgement) -> Finding:
        limits = Limits.of(judgement.tolerance)
        is_zip = recorded.head(4) in _ZIP
        if is_zip != (replayed.head(4) in _ZIP):
            raise UnreadableError("one of the files is .npz, the other .npy", side=Side.REPLAYED)
        return self._zipped(recorded, replayed, limits) if is_zip else self._plain(recorded, replayed, limits)

    def _plain(self, recorded: Source, replayed: Source, limits: Limits) -> Finding:
        left, right = list(_headers(recorded)), list(_headers(replayed))
        drift = _first_drift({a.name: a for a in left}, {a.name: a for a in right})
        if drift:
            return self._drifted(drift)
        tally = Tally()
        for one, two in zip(left, right, strict=True):
            tally.merge(_compare_plain(recorded, replayed, one, two, limits))
        return tally.finding(self.name)

    def _zipped(self, recorded: Source, replayed: Source, limits: Limits) -> Finding:
        with ExitStack() as stack:
            files = [_open_zip(stack, source) for source in (recorded, replayed)]
            heads = [_members(zipped, s.side) for zipped, s in zip(files, (recorded, replayed), strict=True)]
            drift = _first_drift(*heads)
            if drift:
                return self._drifted(drift)
            tally = Tally()
            for name, one in heads[0].items():
                tally.merge(_compare_members(files[0], files[1], one, heads[1][name], limits))
        return tally.finding(self.name)

    def _drifted(self, text: str) -> Finding:
        return Finding(
            match=Match.DIFFERENT,
            comparator=self.name,
            summary=text,
            first=text.split(":")[0],
            measures=(Measure(name="drift", value=text),),
        )


def _first_drift(recorded: dict[str, Stored], replayed: dict[str, Stored]) -> str:
    missing, extra = [n for n in recorded if n not in replayed], [n for n in replayed if n not in recorded]
    if missing or extra:
        return f"arrays: missing {_names(missing)}, not in the record {_names(extra)}"
    drifts = ((name, one.drift(replayed[name])) for name, one in recorded.items())
    return next((f"{shown(name)}: {text}" if name else text for name, text in drifts if text), "")


def _names(names: list[str]) -> str:
    return shown(", ".join(n or "the array" for n in names) or "none", 120)


def _headers(source: Source) -> Iterator[Stored]:
    """The arrays of an ``.npy`` file; all bytes belong to one of them.

    Raises:
        UnreadableError: No such file, Python objects inside, or cut off.
    """
    with source.stream() as file, reading(source.side, "NumPy file"):
        position = number = 0
        while position < source.size or not number:
            file.seek(position)
            found = _header(file, f"array {number}" if number else "")
            position = found.offset + found.nbytes
            if position > source.size or number > _MEMBERS:
                raise ValueError(f"got {source.size} bytes, expected {position} for shape {found.shape}")
            number += 1
            yield found


def _header(file: BinaryIO, name: str) -> Stored:
    """Read the header at the file's position; version 3 differs from 2 only in the encoding of field names."""
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never unpickled")
    if dtype.itemsize > _ITEM or any(length < 0 for length in shape):
        raise ValueError(f"got the dtype {shown(dtype)} and the shape {shape}")
    return Stored(name, dtype, tuple(shape), bool(fortran), file.tell())


def _compare_plain(recorded: Source, replayed: Source, one: Stored, two: Stored, limits: Limits) -> Tally:
    threads = min(2, len(os.sched_getaffinity(0))) if one.nbytes > 32 << 20 else 1
    step = _step(one)
    chunks = -(-one.count // step) if one.count else 0
    bounds = [chunks * i // threads * step for i in range(threads)] + [one.count]

    def part(start: int, end: int) -> Tally:
        return _compare_range(recorded, replayed, one, two, limits, range(start, end, step), end)

    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(part, bounds[:-1], bounds[1:]))
    for later in parts[1:]:
        parts[0].merge(later)
    return parts[0]


def _step(array: Stored) -> int:
    return max(1, min(CHUNK, 8 * CHUNK // max(1, int(array.dtype.itemsize))))


def _compare_range(
    recorded: Source, replayed: Source, one: Stored, two: Stored, limits: Limits, starts: range, end: int
) -> Tally:
    size = int(one.dtype.itemsize)
    pair = _Pair(one, two, limits)
    for start in starts:
        count = min(starts.step, end - start)
        recorded.fill(pair.left[: count * size], one.offset + start * size)
        replayed.fill(pair.right[: count * size], two.offset + start * size)
        pair.compare(start, count)
    return pair.tally


class _Pair:
    """The buffers of one thread, and what it found."""

    def __init__(self, one: Stored, two: Stored, limits: Limits) -> None:
        self.one, self.two, self.limits, self.tally = one, two, limits, Tally()
        step, size = _step(one), int(one.dtype.itemsize)
        self._buffers = np.empty(step * size, np.uint8), np.empty(step * size, np.uint8)
        self.left, self.right = self._buffers[0].data, self._buffers[1].data
        self._mask = np.empty(step, bool)

    def compare(self, start: int, count: int) -> None:
        """Count the differences among the first ``count`` elements in the buffers."""
        size = int(self.one.dtype.itemsize)
        if not size:
            self.tally.total += count
            return
        left, right = (
            buffer[: count * size].view(stored.dtype).astype(stored.dtype.newbyteorder("="), copy=False)
            for buffer, stored in zip(self._buffers, (self.one, self.two), strict=True)
        )
        if left.dtype.names:
            _fields(self.tally, left, right, self.limits, lambda i: self.one.index(start + i))
            return

        def place(index: int) -> str:
            values = f"recorded {shown(left[index])}, replayed {shown(right[index])}"
            return f"{self.one.index(start + index)}: {values}"

        add_arrays(self.tally, left, right, self.limits, place, self._mask)


def _fields(tally: Tally, left: Array, right: Array, limits: Limits, place: Any) -> None:
    """Structured elements, field by field; a field may hold an array or fields of its own."""
    for name in left.dtype.names or ():
        one, two = (np.ascontiguousarray(array[name]).reshape(-1) for array in (left, right))
        width = max(1, one.size // max(1, left.size))

        def where(index: int, name: str = name, width: int = width) -> str:
            return f"{place(index // width)}.{shown(name)}"

        if one.dtype.names:
            _fields(tally, one, two, limits, where)
        else:
            add_arrays(tally, one, two, limits, where)


def _open_zip(stack: ExitStack, source: Source) -> ZipFile:
    with reading(source.side, "NumPy archive"):
        return stack.enter_context(ZipFile(stack.enter_context(source.stream())))


def _members(zipped: ZipFile, side: Side) -> dict[str, Stored]:
    found: dict[str, Stored] = {}
    with reading(side, "NumPy archive"):
        for info in zipped.infolist():
            if info.filename in found or len(found) > _MEMBERS:
                raise ValueError(f"the member {shown(info.filename)} is there twice, or there are too many")
            with zipped.open(info) as file:
                stored = _header(file, info.filename)  # type: ignore[arg-type]
            if stored.offset + stored.nbytes != info.file_size:
                raise ValueError(f"{shown(info.filename)}: got {info.file_size} bytes for shape {stored.shape}")
            found[info.filename] = stored
    return found


def _compare_members(left: ZipFile, right: ZipFile, one: Stored, two: Stored, limits: Limits) -> Tally:
    """Two members in a row of chunks; both shapes are the record's, so a bomb inflates no further than the record."""
    pair, step, size = _Pair(one, two, limits), _step(one), int(one.dtype.itemsize)
    with left.open(one.name) as first, right.open(two.name) as second:
        _inflate(first, memoryview(bytearray(one.offset)), Side.RECORDED)
        _inflate(second, memoryview(bytearray(two.offset)), Side.REPLAYED)
        for start in range(0, one.count, step):
            count = min(step, one.count - start)
            _inflate(first, pair.left[: count * size], Side.RECORDED)
            _inflate(second, pair.right[: count * size], Side.REPLAYED)
            pair.compare(start, count)
    return pair.tally


def _inflate(file: Any, buffer: memoryview, side: Side) -> None:
    with reading(side, "NumPy archive"):
        done = 0
        while done < len(buffer):
            got = file.readinto(buffer[done:])
            if not got:
                raise struct.error("the member ends early")
            done += got
