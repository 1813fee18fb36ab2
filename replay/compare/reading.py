"""Opening of the two files of a comparison: regular files only, never through a link, nothing waits on a FIFO.

The recorded side is evidence, the replayed side is untrusted data. Trouble with the one is an error, trouble with the
other is a difference; so everything that is read says which side it is.
"""

from __future__ import annotations

import enum
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from replay.errors import CompareError, StoreError, UsageError
from replay.store.opening import open_regular

BLOCK = 256 << 10
"""Bytes read at a time when only equality counts: both blocks stay in the second-level cache."""
_MACHINE = {errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EACCES, errno.EPERM}


class Side(enum.StrEnum):
    """Which of the two files."""

    RECORDED = "recorded"
    REPLAYED = "replayed"


class UnreadableError(CompareError):
    """One file cannot be parsed. `Comparator.compare` turns the replayed side's into a finding.

    Attributes:
        side: Whose file it is.
    """

    def __init__(self, message: str, *, side: Side) -> None:
        super().__init__(
            message,
            hint=None if side is Side.REPLAYED else "the record names a comparator that does not fit this output",
        )
        self.side = side


@contextmanager
def reading(side: Side, noun: str) -> Iterator[None]:
    """Every foreign exception inside becomes one of ours that knows its side.

    Raises:
        UnreadableError: The content is not what ``noun`` says.
        CompareError: The machine is in trouble (I/O error, memory, permission), which is nobody's difference.
    """
    try:
        yield
    except CompareError:
        raise
    except (OSError, MemoryError) as error:
        if isinstance(error, MemoryError) or error.errno in _MACHINE:
            raise CompareError(f"the {side} {noun} could not be read: {error}") from error
        raise UnreadableError(f"the {side} file is no readable {noun}: {shown(error, 200)}", side=side) from error
    except Exception as error:
        raise UnreadableError(f"the {side} file is no readable {noun}: {shown(error, 200)}", side=side) from error


class Source:
    """One open file: read by position into the caller's buffers, so memory stays the caller's choice."""

    def __init__(self, descriptor: int, size: int, side: Side) -> None:
        self.descriptor = descriptor
        self.size = size
        self.side = side

    def fill(self, buffer: memoryview, offset: int) -> None:
        """Fill the whole ``buffer`` from byte ``offset``.

        Raises:
            UnreadableError: The file ends before the buffer is full.
        """
        done = 0
        while done < len(buffer):
            got = os.preadv(self.descriptor, [buffer[done:]], offset + done)
            if got == 0:
                raise UnreadableError(
                    f"the {self.side} file ends at byte {offset + done}, expected {offset + len(buffer)}",
                    side=self.side,
                )
            done += got

    def head(self, count: int) -> bytes:
        """The first ``count`` bytes, or all when there are fewer."""
        return os.pread(self.descriptor, count, 0)

    def whole(self, limit: int) -> bytes:
        """The whole content.

        Raises:
            UnreadableError: It is larger than ``limit`` bytes.
        """
        if self.size > limit:
            raise UnreadableError(
                f"the {self.side} file: got {self.size:,} bytes, expected at most {limit:,}", side=self.side
            )
        data = bytearray(self.size)
        self.fill(memoryview(data), 0)
        return bytes(data)

    @contextmanager
    def stream(self) -> Iterator[BinaryIO]:
        """A buffered reader from the start; one at a time, for it moves the descriptor's position."""
        with os.fdopen(os.dup(self.descriptor), "rb") as file:
            file.seek(0)
            yield file


@contextmanager
def opened(path: Path, side: Side) -> Iterator[Source]:
    """Open a regular file for reading; a link, FIFO, device or directory is refused without being touched.

    Raises:
        UnreadableError: It is not there, or no regular file.
    """
    try:
        descriptor = open_regular(path)
    except UsageError as error:
        raise UnreadableError(f"the {side} file: {error}", side=side) from error
    except StoreError as error:
        raise CompareError(f"the {side} file could not be opened: {error}", hint=error.hint) from error
    try:
        yield Source(descriptor, os.fstat(descriptor).st_size, side)
    finally:
        os.close(descriptor)


def first_difference(recorded: Source, replayed: Source) -> int | None:
    """Offset of the first differing byte; the shorter size when one is the other's beginning; ``None`` when equal.

    Comparing two ``bytearray`` is one ``memcmp``; comparing two ``memoryview`` would go byte by byte.
    """
    common = min(recorded.size, replayed.size)
    one, two = bytearray(BLOCK), bytearray(BLOCK)
    for offset in range(0, common, BLOCK):
        length = min(BLOCK, common - offset)
        if length < BLOCK:
            one, two = bytearray(length), bytearray(length)
        recorded.fill(memoryview(one), offset)
        replayed.fill(memoryview(two), offset)
        if one != two:
            return offset + _first_in_block(one, two)
    return None if recorded.size == replayed.size else common


def _first_in_block(one: bytearray, two: bytearray) -> int:
    low, high = 0, len(one)
    while high - low > 1:
        middle = (low + high) // 2
        if one[low:middle] == two[low:middle]:
            low = middle
        else:
            high = middle
    return low


def shown(value: object, limit: int = 60) -> str:
    """Text of an untrusted value for one line: control characters escaped, cut at ``limit`` characters."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    cut = text[: limit + 1]
    clean = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in cut)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
