"""Content-addressed blobs: ``sha256/ab/cdef…``, written once, read-only, verified on every read."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

from replay.errors import DigestMismatchError, StoreCorruptError, UsageError
from replay.identity import sha256_hex
from replay.store import fsops

_CHUNK = 1 << 20
_ID = re.compile(r"[0-9a-f]{64}")


class Blobs:
    """The blobs below ``root`` (``.replay/blobs``). The same content is kept once; nothing is ever replaced."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._temps = root / "tmp"
        self._new: dict[str, int] = {}
        self._lock = threading.Lock()
        self._swept = False

    def path(self, sha256: str) -> Path:
        """Where the blob lies, whether it is there or not.

        Raises:
            UsageError: ``sha256`` is not 64 lower-case hex digits.
        """
        if not _ID.fullmatch(sha256):
            raise UsageError(f"got the blob id {sha256!r}, expected 64 hex digits")
        return self.root / "sha256" / sha256[:2] / sha256[2:]

    def has(self, sha256: str) -> bool:
        """Whether the blob is there; its bytes are checked when it is read."""
        return self.path(sha256).is_file()

    def size(self, sha256: str) -> int:
        """Bytes of the blob.

        Raises:
            StoreCorruptError: It is gone.
        """
        fd = self._open(sha256)
        try:
            return os.fstat(fd).st_size
        finally:
            os.close(fd)

    def iter_ids(self) -> Iterator[str]:
        """The ids of all blobs, sorted."""
        for path in sorted(self.root.glob("sha256/*/*")):
            if _ID.fullmatch(blob := path.parent.name + path.name):
                yield blob

    def put_bytes(self, data: bytes) -> str:
        """Keep ``data``; return its sha256.

        Raises:
            StoreError: The disk is full, not writable, or failed.
            StoreCorruptError: The same content was kept before and is damaged now.
        """
        sha256 = sha256_hex(data)
        if self.has(sha256):
            self.verify(sha256)
        else:
            with fsops.temporary(self._temp_directory()) as (temp, fd):
                fsops.write_all(fd, data, temp)
                self._publish(temp, fd, sha256)
        return self._note(sha256, len(data))

    def put_file(self, path: Path, sha256: str | None = None) -> str:
        """Keep a file's content, hashed while it is copied; return its sha256.

        Raises:
            DigestMismatchError: ``sha256`` is given and the content is another one.
            UsageError: ``path`` is not a readable regular file.
            StoreError: The disk is full, not writable, or failed.
            StoreCorruptError: The same content was kept before and is damaged now.
        """
        source = fsops.open_regular(path)
        try:
            with fsops.temporary(self._temp_directory()) as (temp, fd):
                actual, size = _copy_hashing(source, fd, temp)
                if sha256 is not None and actual != sha256:
                    raise _mismatch(path, sha256, actual)
                if self.has(actual):
                    self.verify(actual)
                else:
                    self._publish(temp, fd, actual)
        finally:
            os.close(source)
        return self._note(actual, size)

    def read(self, sha256: str) -> bytes:
        """The verified content.

        Raises:
            StoreCorruptError: The blob is gone or its bytes are not the recorded ones.
        """
        fd = self._open(sha256)
        with os.fdopen(fd, "rb") as file, fsops.guard(self.path(sha256)):
            data = file.read()
        self._require(sha256, sha256_hex(data))
        return data

    def copy_to(self, sha256: str, dst: Path, *, mode: int = 0o644, durable: bool = False) -> None:
        """Write the verified content to ``dst``; nothing appears there when it is damaged.

        Raises:
            StoreCorruptError: The blob is gone or its bytes are not the recorded ones.
            StoreError: The disk is full, not writable, or failed.
        """
        source = self._open(sha256)
        try:
            with fsops.temporary(dst.parent) as (temp, fd):
                actual, _ = _copy_hashing(source, fd, temp)
                self._require(sha256, actual)
                fsops.publish(temp, fd, dst, mode=mode, durable=durable)
        finally:
            os.close(source)

    def verify(self, sha256: str) -> None:
        """Hash the kept bytes again.

        Raises:
            StoreCorruptError: The blob is gone or its bytes are not the recorded ones.
        """
        import hashlib

        fd = self._open(sha256)
        with os.fdopen(fd, "rb") as file, fsops.guard(self.path(sha256)):
            self._require(sha256, hashlib.file_digest(file, "sha256").hexdigest())

    def take_new(self) -> dict[str, int]:
        """Ids and sizes of the blobs put since the last call; the store records them with its next transaction."""
        with self._lock:
            taken, self._new = self._new, {}
            return taken

    def give_back(self, taken: dict[str, int]) -> None:
        """Undo `take_new` after a transaction that failed."""
        with self._lock:
            self._new = taken | self._new

    def _note(self, sha256: str, size: int) -> str:
        with self._lock:
            self._new[sha256] = size
        return sha256

    def _temp_directory(self) -> Path:
        fsops.make_dir(self._temps)
        if not self._swept:
            fsops.sweep(self._temps)
            self._swept = True
        return self._temps

    def _publish(self, temp: Path, fd: int, sha256: str) -> None:
        path = self.path(sha256)
        fsops.make_dir(path.parent)
        fsops.publish(temp, fd, path, mode=0o444)

    def _open(self, sha256: str) -> int:
        path = self.path(sha256)
        try:
            return fsops.open_regular(path)
        except UsageError as error:
            raise StoreCorruptError(
                f"blob {sha256}: {error}", hint="put the recorded file back from another copy of the store"
            ) from error

    def _require(self, sha256: str, actual: str) -> None:
        if actual != sha256:
            raise StoreCorruptError(
                f"blob {sha256}: got bytes with sha256:{actual}",
                hint=f"move {self.path(sha256)} away and put it back from another copy of the store",
            )


def _mismatch(path: Path, expected: str, actual: str) -> DigestMismatchError:
    return DigestMismatchError(
        f"{path}: got sha256:{actual}, expected sha256:{expected}",
        expected=f"sha256:{expected}",
        actual=f"sha256:{actual}",
        hint="the file changed after it was hashed",
    )


def _copy_hashing(source: int, target: int, temp: Path) -> tuple[str, int]:
    import hashlib

    digest, size = hashlib.sha256(), 0
    buffer = memoryview(bytearray(_CHUNK))
    while count := os.readv(source, [buffer]):
        digest.update(buffer[:count])
        fsops.write_all(target, buffer[:count], temp)
        size += count
    return digest.hexdigest(), size
