"""Reads what the hook saw of Hydra. The step could have written these files itself: evidence, never trusted input."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import msgspec

from replay.execute.logs import escape
from replay.recipe import ConfigSnapshot
from replay.store import fsops

MAX_FILES = 256
MAX_BYTES = 8 << 20
MAX_TOTAL = 32 << 20
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def read_configs(out_dir: Path) -> tuple[tuple[ConfigSnapshot, ...], tuple[str, ...]]:
    """The snapshots that the hook left in ``out_dir``, equal ones once, and notes on what could not be used.

    A step starts its processes in an order of its own, so the snapshots are sorted by their content.

    Raises:
        StoreError: The disk failed.
    """
    snapshots: set[bytes] = set()
    notes: list[str] = []
    total = 0
    with fsops.guard(out_dir):
        names = sorted((p.name for p in out_dir.iterdir()), key=os.fsencode)
        for name in names[:MAX_FILES]:
            data, problem = _read(out_dir / name)
            total += len(data)
            if total > MAX_TOTAL:
                notes.append(f"the configurations are larger than {MAX_TOTAL} bytes; the rest was ignored")
                break
            if name.startswith("hook-"):
                notes.append(f"the configuration hook: {escape(data.decode('utf-8', 'backslashreplace'))[:500]}")
                continue
            problem = problem or _decode(data, snapshots)
            if problem:
                notes.append(escape(f"{name}: {problem}"))
    if len(names) > MAX_FILES:
        notes.append(f"got {len(names)} configurations, expected at most {MAX_FILES}; the rest was ignored")
    return tuple(msgspec.json.decode(s, type=ConfigSnapshot) for s in sorted(snapshots)), tuple(notes)


def _read(path: Path) -> tuple[bytes, str]:
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode):
        return b"", f"got {fsops.kind_of(mode)}, expected a regular file"
    try:
        fd = os.open(path, _FLAGS)
    except PermissionError:
        return b"", "the step left it unreadable"
    with os.fdopen(fd, "rb") as file:
        data = file.read(MAX_BYTES + 1)
    return (b"", f"larger than {MAX_BYTES} bytes") if len(data) > MAX_BYTES else (data, "")


def _decode(data: bytes, snapshots: set[bytes]) -> str:
    try:
        snapshots.add(msgspec.json.encode(msgspec.json.decode(data, type=ConfigSnapshot)))
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        return f"no configuration: {error}"
    return ""
