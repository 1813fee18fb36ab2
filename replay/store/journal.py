"""The journal: append-only JSON lines, each bound to the one before it.

A line is the canonical JSON of ``{seq, time, action, fields, prev, hash}``: ``prev`` is the SHA-256 of the bytes of
the line before (64 zeros for the first), ``hash`` that of the record without ``hash``. Since ``prev`` binds *bytes*,
a line torn by a killed writer can stay: the next append ends it, and a record ``recovered`` names its SHA-256.
"""

from __future__ import annotations

import contextlib
import datetime
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from replay.errors import ReplayError
from replay.identity import canonical_json, sha256_hex
from replay.store import fsops
from replay.store.findings import Finding

_FIRST = "0" * 64
_BLOCK = 1 << 16
RECOVERED = "recovered"
_TORN = "torn: its writer was killed; the next append sets it aside"


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of the journal. ``fields`` is JSON without floats."""

    seq: int
    time: str
    """UTC, ISO 8601."""
    action: str
    fields: dict[str, Any]
    prev: str
    hash: str = ""

    def sealed(self) -> Record:
        """The record with its own hash."""
        return msgspec.structs.replace(self, hash=self._digest())

    def to_line(self) -> bytes:
        """The one way this record is written."""
        return canonical_json(self)

    def is_sealed(self) -> bool:
        """Whether its own hash fits."""
        return self.hash == self._digest()

    def _digest(self) -> str:
        return sha256_hex(canonical_json({k: v for k, v in msgspec.to_builtins(self).items() if k != "hash"}))


class Journal:
    """The journal in the file ``path``; its lock file lies beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Keep all writers out for the body."""
        return fsops.lock(self.path.with_suffix(".lock"))

    def append(self, action: str, /, **fields: Any) -> Record:
        """Add a record durably; a torn line that a killed writer left is kept and named by a record of its own.

        Raises:
            UsageError: A field holds a float or is no JSON.
            StoreError: The disk is full, not writable, or failed; then nothing was added.
            StoreBusyError: Another process keeps the journal locked.
        """
        canonical_json(fields)
        with self.locked():
            self._recover()
            return self._add(action, fields)

    def records(self) -> list[Record]:
        """All records that can be read, in order; `verify` names the others."""
        return [record for record, _ in map(_parse, self._lines()) if record is not None]

    def ends(self) -> tuple[Record, Record] | None:
        """The first and the newest record that can be read.

        Raises:
            StoreError: The file cannot be read.
        """
        newest = self._newest()
        if newest is None:
            return None
        with fsops.guard(self.path), self.path.open("rb") as file:
            known = (record for record, _ in (_parse(line.removesuffix(b"\n")) for line in file) if record is not None)
            return next(known, newest), newest

    def verify(self) -> list[Finding]:
        """Check every record; name each bad one and go on.

        Raises:
            StoreError: The file cannot be read.
        """
        lines = self._lines()
        torn = bool(lines) and not self._ends_with_newline()
        findings: list[Finding] = []
        unread: list[tuple[str, Finding]] = []
        prev, seq = _FIRST, 0
        for number, line in enumerate(lines, start=1):
            record, problem = _parse(line)
            digest = sha256_hex(line)
            if record is None:
                unread.append((digest, _finding(number, _TORN if torn and number == len(lines) else problem)))
            else:
                explained = record.fields.get("torn", []) if record.action == RECOVERED else []
                findings += [bad for key, bad in unread if key not in explained]
                findings += [_finding(number, p) for p in _broken(record, prev, seq)]
                unread, seq = [], record.seq
            prev = digest
        if torn and not unread:
            findings.append(_finding(len(lines), "its newline is missing; the next append adds it"))
        return findings + [bad for _, bad in unread]

    def _recover(self) -> None:
        """End a torn last line; unless all of its record is there, say in the next record what was torn.

        Both in one write: a recovery that is killed leaves one more torn line, which the next one names too.
        """
        if not self.path.exists() or self.path.stat().st_size == 0 or self._ends_with_newline():
            return
        torn = list(itertools.takewhile(lambda line: _parse(line)[0] is None, self._backwards()))
        if torn:
            self._add(RECOVERED, {"torn": [sha256_hex(line) for line in torn]}, before=b"\n")
        else:
            fsops.append_line(self.path, b"")

    def _add(self, action: str, fields: dict[str, Any], before: bytes = b"") -> Record:
        last, newest = next(self._backwards(), None), self._newest()
        record = Record(
            seq=newest.seq + 1 if newest else 1,
            time=datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds"),
            action=action,
            fields=fields,
            prev=_FIRST if last is None else sha256_hex(last),
        ).sealed()
        fsops.append_line(self.path, before + record.to_line())
        return record

    def _newest(self) -> Record | None:
        return next((record for record, _ in map(_parse, self._backwards()) if record is not None), None)

    def _lines(self) -> list[bytes]:
        with fsops.guard(self.path):
            data = self.path.read_bytes() if self.path.exists() else b""
        return data.removesuffix(b"\n").split(b"\n") if data else []

    def _ends_with_newline(self) -> bool:
        with fsops.guard(self.path), self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def _backwards(self) -> Iterator[bytes]:
        """The lines from the last one to the first."""
        if not self.path.exists():
            return
        with fsops.guard(self.path), self.path.open("rb") as file:
            position = file.seek(0, os.SEEK_END)
            if position == 0:
                return
            rest, newest = b"", True
            while position:
                size = min(_BLOCK, position)
                position = file.seek(position - size)
                block = file.read(size) + rest
                if newest:
                    block, newest = block.removesuffix(b"\n"), False
                rest, *complete = block.split(b"\n")
                yield from reversed(complete)
            yield rest


def _parse(line: bytes) -> tuple[Record | None, str]:
    try:
        record = msgspec.json.decode(line, type=Record)
        if record.to_line() != line:
            return None, "not written as this program writes"
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ReplayError) as error:
        return None, f"no record: {error}"
    return record, ""


def _broken(record: Record, prev: str, seq: int) -> Iterator[str]:
    if not record.is_sealed():
        yield f"got content that is not the one of its hash {record.hash}"
    if record.prev != prev:
        yield f"got prev {record.prev}, expected {prev}, the line before"
    if record.seq != seq + 1:
        yield f"got seq {record.seq}, expected {seq + 1}"


def _finding(number: int, problem: str) -> Finding:
    return Finding(place=f"journal line {number}", problem=problem)
