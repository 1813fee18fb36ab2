"""Digests of files and directories: sha256, BLAKE3 and DVC's md5 in one pass; BLAKE3 alone for checks on use."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import queue
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
from blake3 import blake3

from replay.errors import DigestMismatchError, UsageError
from replay.identity import Digests, canonical_json, sha256_hex
from replay.recipe import Artifact, PathKind
from replay.store.opening import kind_of, open_regular
from replay.store.steps import guard, trouble

_CHUNK = 1 << 20
_RING = 8
_MMAP_FROM = 128 << 10
_MAX_DEPTH = 100
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
_T = TypeVar("_T")


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of a directory; ``path`` is relative to it, with ``/``."""

    path: str
    size: int
    digests: Digests


class Described(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What lies at a path. ``entries`` are a directory's files, sorted by the UTF-8 bytes of their path."""

    kind: PathKind
    size: int
    files: int
    digests: Digests
    entries: tuple[Entry, ...] = ()


def digest_file(path: Path) -> tuple[int, Digests]:
    """Size and the three digests of one file, all of the same bytes, read once.

    Raises:
        UsageError: Not a readable regular file, or it changed while it was read.
        StoreError: The disk failed.
    """
    fd = open_regular(path)
    try:
        return _digest(fd, str(path))
    finally:
        os.close(fd)


def describe(path: Path, *, max_bytes: int | None = None) -> Described:
    """Kind, size and digests of a file or directory; empty directories do not count (nor do they for DVC).

    Args:
        path: A regular file or a directory of regular files and directories.
        max_bytes: Refuse before reading more than this.

    Raises:
        UsageError: Nothing there; a link, FIFO, socket or device in it; a name that is not UTF-8; too large, too
            deep, or changed while it was read.
        StoreError: The disk failed.
    """
    if _kind(path) is PathKind.FILE:
        size, digests = next(_each_file(path, _digest, max_bytes))[1]
        return Described(kind=PathKind.FILE, size=size, files=1, digests=digests)
    entries = [Entry(path=p, size=size, digests=d) for p, (size, d) in _each_file(path, _digest, max_bytes)]
    entries.sort(key=lambda entry: entry.path.encode())
    return Described(
        kind=PathKind.DIRECTORY,
        size=sum(entry.size for entry in entries),
        files=len(entries),
        digests=digest_entries(entries),
        entries=tuple(entries),
    )


def digest_entries(entries: list[Entry]) -> Digests:
    """The digests of a directory from those of its files (see `identity.Digests`), whose order does not matter."""
    ordered = sorted(entries, key=lambda entry: entry.path.encode())
    return Digests(
        sha256=sha256_hex(canonical_json([[e.path, e.size, e.digests.sha256] for e in ordered])),
        blake3=blake3(canonical_json([[e.path, e.size, e.digests.blake3] for e in ordered])).hexdigest(),
        md5=_md5(dvc_listing(ordered)).hexdigest() + ".dir",
    )


def dvc_listing(entries: list[Entry]) -> bytes:
    """The content of DVC's ``….dir`` object, byte for byte as `dvc_data.hashfile.tree.Tree.as_bytes` writes it."""
    listed = [{"md5": entry.digests.md5, "relpath": entry.path} for entry in entries]
    return json.dumps(sorted(listed, key=lambda item: item["relpath"]), sort_keys=True).encode()


def blake3_file(path: Path) -> str:
    """The BLAKE3 of one file, memory-mapped, on all cores.

    A file that another process truncates meanwhile ends this process (SIGBUS): hash only what nobody writes.

    Raises:
        UsageError: Not a readable regular file.
        StoreError: The disk failed.
    """
    fd = open_regular(path)
    try:
        return _blake3(fd, str(path))[1]
    finally:
        os.close(fd)


def verify(path: Path, artifact: Artifact) -> None:
    """Check a file or directory against its record by BLAKE3.

    Raises:
        DigestMismatchError: The content or the kind is another one.
        UsageError: Nothing there, or something that is never recorded (see `describe`).
        StoreError: The disk failed.
    """
    expected, kind = f"blake3:{artifact.digests.blake3}", _kind(path)
    if kind is not artifact.kind:
        raise DigestMismatchError(
            f"{path}: got a {kind}, expected the {artifact.kind} {expected}", expected=expected, actual=kind.value
        )
    found = list(_each_file(path, _blake3))
    actual = found[0][1][1] if kind is PathKind.FILE else _blake3_listing(found)
    if actual != artifact.digests.blake3:
        size = sum(size for _, (size, _) in found)
        raise DigestMismatchError(
            f"{path}: got blake3:{actual} ({size} bytes), expected {expected} ({artifact.size} bytes)",
            expected=expected,
            actual=f"blake3:{actual}",
        )


def _blake3_listing(found: list[tuple[str, tuple[int, str]]]) -> str:
    listing = sorted(([path, size, digest] for path, (size, digest) in found), key=lambda item: str(item[0]).encode())
    return blake3(canonical_json(listing)).hexdigest()


def _kind(path: Path) -> PathKind:
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"{path}: does not exist, expected a file or directory") from error
    except OSError as error:
        raise trouble(error, path) from error
    if stat.S_ISREG(mode):
        return PathKind.FILE
    if stat.S_ISDIR(mode):
        return PathKind.DIRECTORY
    raise UsageError(f"{path}: got {kind_of(mode)}, expected a regular file or a directory")


def _each_file(path: Path, read: Callable[[int, str], _T], max_bytes: int | None = None) -> Iterator[tuple[str, _T]]:
    """Relative path (empty for a file itself) and ``read(fd, place)`` of every regular file, in no promised order."""
    left = max_bytes
    for relative, fd in _open_files(path):
        try:
            if left is not None and (left := left - os.fstat(fd).st_size) < 0:
                raise UsageError(f"{path}: got more than {max_bytes} bytes, expected at most that")
            yield relative, read(fd, str(path / relative))
        finally:
            os.close(fd)


def _open_files(path: Path) -> Iterator[tuple[str, int]]:
    if _kind(path) is PathKind.FILE:
        yield "", open_regular(path)
        return
    with guard(path):
        root = os.open(path, _DIRECTORY)
    try:
        yield from _walk(root, path, "", 0)
    finally:
        os.close(root)


def _walk(directory: int, root: Path, prefix: str, depth: int) -> Iterator[tuple[str, int]]:
    if depth > _MAX_DEPTH:
        raise UsageError(f"{root}: got directories more than {_MAX_DEPTH} deep, expected fewer")
    with guard(root / prefix):
        names = os.listdir(directory)
    for name in names:
        relative = f"{prefix}{name}"
        _require_utf8(root, relative)
        with guard(root / relative):
            mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
            inner = os.open(name, _DIRECTORY, dir_fd=directory) if stat.S_ISDIR(mode) else None
        if inner is None:
            yield relative, open_regular(name, dir_fd=directory, shown=str(root / relative))
            continue
        try:
            yield from _walk(inner, root, f"{relative}/", depth + 1)
        finally:
            os.close(inner)


def _require_utf8(root: Path, relative: str) -> None:
    try:
        relative.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{root}: got the file name {os.fsencode(relative)!r}, expected UTF-8", hint="rename it; a recipe is JSON"
        ) from error


def _digest(fd: int, place: str) -> tuple[int, Digests]:
    before = os.fstat(fd)
    with guard(Path(place)):
        size, digests = _digest_small(fd) if before.st_size <= _CHUNK else _digest_large(fd)
    after = os.fstat(fd)
    if size != after.st_size or (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise UsageError(f"{place}: changed while it was read", hint="stop what writes to it, then run again")
    return size, digests


def _digest_small(fd: int) -> tuple[int, Digests]:
    data = _read_to_end(fd)
    return len(data), Digests(
        sha256=hashlib.sha256(data).hexdigest(), blake3=blake3(data).hexdigest(), md5=_md5(data).hexdigest()
    )


def _read_to_end(fd: int) -> bytes:
    parts = []
    while part := os.read(fd, _CHUNK):
        parts.append(part)
    return b"".join(parts)


def _digest_large(fd: int) -> tuple[int, Digests]:
    """Read each chunk once; md5, the slowest, in a thread of its own, the other two here meanwhile."""
    md5, sha256, b3 = _md5(), hashlib.sha256(), blake3()
    free: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
    full: queue.SimpleQueue[tuple[memoryview, int] | None] = queue.SimpleQueue()
    for _ in range(_RING):
        free.put(memoryview(bytearray(_CHUNK)))

    def work() -> None:
        while (filled := full.get()) is not None:
            buffer, count = filled
            md5.update(buffer[:count])
            free.put(buffer)

    size = 0
    thread = threading.Thread(target=work, name="md5", daemon=True)
    thread.start()
    try:
        while count := os.readv(fd, [buffer := free.get()]):
            full.put((buffer, count))
            sha256.update(buffer[:count])
            b3.update(buffer[:count])
            size += count
    finally:
        full.put(None)
        thread.join()
    return size, Digests(sha256=sha256.hexdigest(), blake3=b3.hexdigest(), md5=md5.hexdigest())


def _blake3(fd: int, place: str) -> tuple[int, str]:
    with guard(Path(place)):
        size = os.fstat(fd).st_size
        if size < _MMAP_FROM:
            data = _read_to_end(fd)
            return len(data), blake3(data).hexdigest()
        with mmap.mmap(fd, size, access=mmap.ACCESS_READ) as mapped:
            return size, blake3(mapped, max_threads=blake3.AUTO).hexdigest()


def _md5(data: bytes = b"") -> hashlib._Hash:
    return hashlib.md5(data, usedforsecurity=False)  # DVC's name for content, not evidence
