"""Images kept in the store as what they are made of: the config and the uncompressed layers, each under its SHA-256.

An image's id is the digest of its config, and its diff ids are the digests of its uncompressed layers, so the blobs
name and check themselves, layers that images share are kept once, and ``sha256sum`` alone can check an archive.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from replay.errors import ImageBuildError, ImageUnavailableError, StoreCorruptError
from replay.rebuild.images import load
from replay.recipe import Image

if TYPE_CHECKING:
    from docker import DockerClient

_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_DOCUMENT_BYTES = 8 << 20  # a config of 1000 layers is about 200 kB


class Blobs(Protocol):
    """What is needed of ``store.blobs.Blobs``."""

    def put_file(self, path: Path, sha256: str | None = None) -> str:
        """Keep a file under its SHA-256 (hex), and return that."""

    def path(self, sha256: str) -> Path:
        """Where a blob lies."""

    def has(self, sha256: str) -> bool:
        """Whether it is there."""


def archived(image: Image, blobs: Blobs) -> bool:
    """Whether the store holds every part of ``image``."""
    return all(blobs.has(_hex(digest)) for digest in (image.config, *image.layers))


def keep_image(client: DockerClient, reference: str, image: Image, blobs: Blobs) -> int:
    """Put every part of ``image`` into ``blobs``; returns how many were new.

    Whatever layout the engine exports (it changed with Docker 25, and with the containerd store layers may come
    compressed), a part is recognised by its digest alone.

    Raises:
        ImageUnavailableError: The engine has no such image.
        ImageBuildError: The engine's export lacks a part, which therefore cannot be kept.
    """
    wanted = {_hex(digest) for digest in (image.config, *image.layers)}
    missing = {digest for digest in wanted if not blobs.has(digest)}
    if not missing:
        return 0
    new = len(missing)

    def take(path: Path, digest: str) -> None:
        if digest in missing:
            blobs.put_file(path, digest)
            missing.discard(digest)

    _walk_export(client, reference, take)
    if missing:
        raise ImageBuildError(
            f"the engine's export of {image.config} lacks {len(missing)} of {len(wanted)} parts, "
            f"first sha256:{min(missing)}",
            hint="layers in zstd cannot be read; pull or build the image uncompressed or with gzip",
        )
    return new


def load_image(client: DockerClient, image: Image, blobs: Blobs) -> str:
    """Load ``image`` from its parts; returns what the engine calls it.

    Every part is checked before the engine sees it.

    Raises:
        ImageUnavailableError: A part is not there.
        StoreCorruptError: A part no longer has its digest, or the config does not name the recorded layers.
        ImageBuildError: The engine refused it.
    """
    for digest in (image.config, *image.layers):
        _check(digest, blobs)
    config = blobs.path(_hex(image.config)).read_bytes()
    named = tuple(json.loads(config)["rootfs"]["diff_ids"])
    if named != image.layers:
        raise StoreCorruptError(f"the archived config {image.config} names other layers than were recorded")
    files = {layer: blobs.path(_hex(layer)) for layer in image.layers}
    return load(client, config, files, tag=retention_tag(image.config))


def retention_tag(config: str) -> str:
    """A tag that protects a loaded image from ``docker image prune``."""
    return f"replay/kept:{_hex(config)[:16]}"


def export_layers(client: DockerClient, reference: str, layers: tuple[str, ...], folder: Path) -> dict[str, Path]:
    """Write the uncompressed ``layers`` of an image into ``folder``; returns diff id → file."""
    found: dict[str, Path] = {}

    def take(path: Path, digest: str) -> None:
        layer = f"sha256:{digest}"
        if layer in layers and layer not in found:
            found[layer] = path.rename(folder / digest)

    _walk_export(client, reference, take)
    return found


def saved_config_digest(client: DockerClient, reference: str) -> str:
    """The config digest of an image, read from the engine's export.

    Raises:
        ImageUnavailableError: The export names no config.
    """
    found: dict[str, str] = {}
    manifests: list[str] = []

    def take(path: Path, digest: str) -> None:
        if path.stat().st_size > _DOCUMENT_BYTES:
            return
        data = path.read_bytes()
        found[digest] = digest
        if data.startswith(b"[") and b'"Config"' in data:
            manifests.append(Path(json.loads(data)[0]["Config"]).name.removesuffix(".json"))

    _walk_export(client, reference, take)
    digest = next((name for name in manifests if name in found), None)
    if digest is None:
        raise ImageUnavailableError(f"the engine's export of {reference} names no image config")
    return f"sha256:{digest}"


def _walk_export(client: DockerClient, reference: str, take: Callable[[Path, str], None]) -> None:
    """Call ``take(file, sha256)`` for every regular file of the engine's export, uncompressed too where it is gzip."""
    from docker.errors import ImageNotFound

    try:
        stream = client.api.get_image(reference, chunk_size=_CHUNK)
    except ImageNotFound as error:
        raise ImageUnavailableError(f"the engine has no image {reference!r}") from error
    with (
        tempfile.TemporaryDirectory(prefix="replay-export-") as temporary,
        read_tar(stream) as export,
    ):
        for member in export:
            content = export.extractfile(member) if member.isreg() else None
            if content is None:
                continue
            path = Path(temporary) / "part"
            digest, head = _spool(iter(partial(content.read, _CHUNK), b""), path)
            if head.startswith(_GZIP):
                plain = Path(temporary) / "plain"
                take(plain, _spool(_gunzip(path), plain)[0])
            if path.exists():
                take(path, digest)


def _spool(chunks: Iterator[bytes], path: Path) -> tuple[str, bytes]:
    """Write ``chunks`` to ``path``; returns their SHA-256 and the first of them."""
    state, head = hashlib.sha256(), b""
    with path.open("wb") as out:
        for chunk in chunks:
            head = head or chunk
            state.update(chunk)
            out.write(chunk)
    return state.hexdigest(), head


def _gunzip(path: Path) -> Iterator[bytes]:
    engine = zlib.decompressobj(wbits=31)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            yield engine.decompress(chunk)
    yield engine.flush()


def _check(digest: str, blobs: Blobs) -> None:
    path = blobs.path(_hex(digest))
    if not path.is_file():
        raise ImageUnavailableError(f"the archive lacks {digest}")
    with path.open("rb") as stream:
        actual = hashlib.file_digest(stream, "sha256").hexdigest()
    if actual != _hex(digest):
        raise StoreCorruptError(
            f"archived image part: got sha256:{actual}, expected {digest}",
            hint=f"the file {path} was changed; restore it from a backup",
        )


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


class _Chunks(io.RawIOBase):
    """A readable stream over an iterator of byte strings."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def read_tar(chunks: Iterable[bytes]) -> tarfile.TarFile:
    """A tar read once, from front to back, as the engine sends it; the caller closes it."""
    return tarfile.open(fileobj=io.BufferedReader(_Chunks(iter(chunks)), _CHUNK), mode="r|", bufsize=_CHUNK)
