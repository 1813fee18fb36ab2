"""The store's own blobs: what was recorded without DVC, kept under its sha256."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path, PurePosixPath

import msgspec

from replay.errors import FetchError, SourceNotFoundError, StoreCorruptError
from replay.fetch.interface import Source
from replay.identity import canonical_json
from replay.recipe import Artifact, PathKind
from replay.store import fsops
from replay.store.blobs import Blobs
from replay.store.hashing import Described


class StoreSource(Source):
    """Artifacts out of the blobs. A directory is a listing, kept under the directory's own sha256, and its files."""

    name = "store"

    def __init__(self, blobs: Blobs) -> None:
        super().__init__()
        self._blobs = blobs

    def locate(self, artifact: Artifact) -> str | None:
        """``the store`` when it has every blob of the artifact."""
        if not self._blobs.has(artifact.digests.sha256):
            return None
        wanted = [sha for _, _, sha in self._listing(artifact)] if artifact.kind is PathKind.DIRECTORY else []
        return "the store" if all(map(self._blobs.has, wanted)) else None

    def _fetch(self, artifact: Artifact, dest: Path) -> Generator[str]:
        self._demand(artifact.path, artifact.digests.sha256)
        if artifact.kind is PathKind.FILE:
            self._copy(artifact.digests.sha256, dest)
        else:
            dest.mkdir()
            for path, _, sha256 in self._listing(artifact):
                self._demand(f"{artifact.path}/{path}", sha256)
                target = dest / path
                target.parent.mkdir(parents=True, exist_ok=True)
                self._copy(sha256, target)
        yield "the store"

    def _copy(self, sha256: str, dest: Path) -> None:
        fsops.copy_file(self._blobs.path(sha256), dest, mode=0o444, durable=False)

    def _demand(self, what: str, sha256: str) -> None:
        if not self._blobs.has(sha256):
            raise SourceNotFoundError(f"{what} (sha256 {sha256}) is not in the store")

    def _listing(self, artifact: Artifact) -> list[tuple[str, int, str]]:
        try:
            data = self._blobs.read(artifact.digests.sha256)
            listed = msgspec.json.decode(data, type=list[tuple[str, int, str]])
        except (msgspec.DecodeError, StoreCorruptError) as error:
            raise FetchError(f"{artifact.path}: its listing in the store is damaged: {error}") from error
        for path, _, _ in listed:
            pure = PurePosixPath(path)
            if path != str(pure) or pure.is_absolute() or ".." in pure.parts or not pure.parts or "\0" in path:
                raise FetchError(f"{artifact.path}: its listing has the path {path!r}, expected one inside")
        return listed


def keep(path: Path, described: Described, blobs: Blobs) -> None:
    """Keep a file or directory so that `StoreSource` can bring it back.

    Args:
        path: What to keep.
        described: What `hashing.describe` said of it.
        blobs: Where to keep it.

    Raises:
        StoreError: It changed since it was described, or cannot be written.
    """
    if described.kind is PathKind.FILE:
        blobs.put_file(path, described.digests.sha256)
        return
    for entry in described.entries:
        blobs.put_file(path / entry.path, entry.digests.sha256)
    blobs.put_bytes(canonical_json([[entry.path, entry.size, entry.digests.sha256] for entry in described.entries]))
