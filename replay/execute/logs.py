"""A step's log: bytes of untrusted code on their way to a file, to whoever watches, and to a report."""

from __future__ import annotations

import codecs
import os
import re
import threading
from collections import deque
from pathlib import Path

from replay.progress import Progress
from replay.store import fsops

MAX_BYTES = 64 << 20
TAIL_LINES = 200
TAIL_CHARACTERS = 32_768
_MAX_LINE = 4096
# What a terminal would obey: C0 but newline and tab, DEL, C1, bidirectional overrides, line separators.
_CONTROL = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]"
)


def escape(text: str) -> str:
    r"""``text`` with all that a terminal would obey escaped; undecodable bytes of file names become ``\xff``."""
    return _CONTROL.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that os.fsdecode could not decode
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


class LogSink:
    """Writes a log as escaped UTF-8 text, at most ``limit`` bytes of it; the last lines are kept in any case."""

    def __init__(self, path: Path, progress: Progress, task: str, *, limit: int = MAX_BYTES) -> None:
        """Open the log.

        Raises:
            StoreError: It cannot be written.
        """
        self._path, self._progress, self._task, self._limit = path, progress, task, limit
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._lines: deque[str] = deque(maxlen=TAIL_LINES)
        self._rest, self._skip_newline = "", False
        self._written = self._dropped = 0
        self._lock, self._closed = threading.Lock(), False
        with fsops.guard(path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
            self._fd = os.open(path, flags, 0o644)

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            StoreError: The disk is full or failed.
        """
        with self._lock:
            if not self._closed:  # a stream that outlives its container must not write to a descriptor given anew
                self._take(self._decoder.decode(data))

    def close(self) -> None:
        """Write what is left, and say what was dropped.

        Raises:
            StoreError: The disk is full or failed.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                self._finish()
            finally:
                os.close(self._fd)

    def _finish(self) -> None:
        self._take(self._decoder.decode(b"", True))
        if self._rest:
            self._take("\n")
        if self._dropped:
            note = f"[{self._dropped} bytes of the log were dropped; its last lines follow]\n"
            with fsops.guard(self._path):
                fsops.write_all(self._fd, (note + self.tail()).encode(), self._path)
        with fsops.guard(self._path):
            os.fsync(self._fd)

    def tail(self) -> str:
        """The last lines, escaped."""
        return "".join(self._lines)[-TAIL_CHARACTERS:]

    def _take(self, text: str) -> None:
        if self._skip_newline and text.startswith("\n"):
            text = text[1:]
        if text:
            self._skip_newline = text.endswith("\r")
        # A progress bar redraws its line after "\r": each drawing becomes a line of its own.
        self._rest += text.replace("\r\n", "\n").replace("\r", "\n")
        *lines, self._rest = self._rest.split("\n")
        while len(self._rest) > _MAX_LINE:
            lines.append(self._rest[:_MAX_LINE])
            self._rest = self._rest[_MAX_LINE:]
        if lines:
            self._write([escape(line) + "\n" for line in lines])
            self._progress.advanced(self._task, escape(lines[-1])[:_MAX_LINE])

    def _write(self, lines: list[str]) -> None:
        self._lines.extend(lines[-TAIL_LINES:])
        data = "".join(lines).encode()
        if self._dropped or self._written + len(data) > self._limit:
            self._dropped += len(data)
            return
        with fsops.guard(self._path):
            fsops.write_all(self._fd, data, self._path)
        self._written += len(data)
