"""Images by content: describe one, find one, and load one that we composed ourselves."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replay.errors import ImageBuildError, ImageUnavailableError
from replay.identity import canonical_json
from replay.recipe import Image

if TYPE_CHECKING:
    from docker import DockerClient

EPOCH = 315_532_800  # 1980-01-01, the earliest time that every archive format can hold
CREATED = "1980-01-01T00:00:00Z"
_CHUNK = 1 << 20
_KEPT = ("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal")


def inspect(client: DockerClient, reference: str) -> dict[str, Any] | None:
    """What the engine knows of an image, or ``None`` when it has none of that name."""
    from docker.errors import ImageNotFound, NotFound

    try:
        api: Any = client.api
        return dict(api.inspect_image(reference))
    except (ImageNotFound, NotFound):
        return None


def describe_image(client: DockerClient, reference: str, origin: str = "") -> Image:
    """The image by content: config digest, diff ids in order, repo digests, platform.

    Raises:
        ImageUnavailableError: The engine has no such image.
    """
    found = inspect(client, reference)
    if found is None:
        raise ImageUnavailableError(f"the engine has no image {reference!r}", hint=f"docker pull {reference}")
    config = str(found["Id"])
    if found.get("Descriptor"):  # the containerd store calls images by manifest digest
        from replay.rebuild.archive import saved_config_digest

        config = saved_config_digest(client, config)
    return Image(
        config=config,
        layers=tuple(found["RootFS"]["Layers"]),
        platform=platform_of(found),
        repo_digests=tuple(sorted(found.get("RepoDigests") or ())),
        origin=origin,
    )


def platform_of(found: Mapping[str, Any]) -> str:
    """``linux/amd64``, with the variant where there is one."""
    variant = found.get("Variant")
    return f"{found['Os']}/{found['Architecture']}" + (f"/{variant}" if variant else "")


def find_local(client: DockerClient, image: Image) -> str | None:
    """What this engine calls ``image``, or ``None`` when it is not here.

    The config digest is asked for first. Engines with the containerd store do not know images by it; there the
    ordered diff ids decide, which every engine tells alike.
    """
    found = inspect(client, image.config)
    if found is not None:
        return str(found["Id"])
    for row in client.api.images():
        candidate = inspect(client, row["Id"])
        if candidate and candidate.get("Descriptor") and tuple(candidate["RootFS"]["Layers"]) == image.layers:
            return str(row["Id"])
    return None


def compose_config(
    *,
    platform: str,
    layers: Sequence[str],
    steps: Sequence[str],
    parent: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    cmd: Sequence[str] = (),
) -> bytes:
    """The bytes of an image config; their SHA-256 is the image's id.

    Equal arguments give equal bytes on every machine: only the standard fields of ``parent`` (an engine's ``Config``)
    are taken over, because engines differ in what they add, and all times are fixed.

    Args:
        platform: ``os/architecture[/variant]``.
        layers: Diff ids in order.
        steps: One line of history for each layer.
        parent: The ``Config`` of the image underneath.
        env: Variables to set beyond the parent's.
        labels: Labels to set beyond the parent's.
        cmd: The default command when the parent has none.
    """
    config: dict[str, Any] = {key: value for key in _KEPT if (value := (parent or {}).get(key))}
    variables = dict(item.partition("=")[::2] for item in config.get("Env", ()))
    config["Env"] = [f"{name}={value}" for name, value in {**variables, **(env or {})}.items()]
    if labels or config.get("Labels"):
        config["Labels"] = {**config.get("Labels", {}), **(labels or {})}
    if cmd and not config.get("Cmd"):
        config["Cmd"] = list(cmd)
    system, architecture, *variant = platform.split("/")
    document: dict[str, Any] = {
        "architecture": architecture,
        "os": system,
        "created": CREATED,
        "config": config,
        "history": [{"created": CREATED, "created_by": step} for step in steps],
        "rootfs": {"type": "layers", "diff_ids": list(layers)},
    }
    if variant:
        document["variant"] = variant[0]
    return canonical_json(document)


def load(client: DockerClient, config: bytes, files: Mapping[str, Path], tag: str | None = None) -> str:
    """Load the image whose config is ``config``; returns what the engine calls it.

    Args:
        client: The engine.
        config: Bytes of the image config.
        files: Diff id → uncompressed layer. Layers that the engine has already may be left out, where the engine
            allows it (the classic image store does).
        tag: A name that protects the image from ``docker image prune``.

    Raises:
        ImageBuildError: The engine refused it, or made another image of it.
    """
    from docker.errors import APIError

    digest = "sha256:" + hashlib.sha256(config).hexdigest()
    layers = tuple(json.loads(config)["rootfs"]["diff_ids"])
    try:
        api: Any = client.api
        lines = list(api.load_image(archive_stream(config, layers, files, tag)))
    except APIError as error:
        raise ImageBuildError(f"the engine refused the image {digest}: {error.explanation or error}") from error
    failed = next((line["error"] for line in lines if isinstance(line, dict) and "error" in line), None)
    if failed is not None:
        raise ImageBuildError(f"the engine refused the image {digest}: {failed}")
    reference = find_local(client, Image(config=digest, layers=layers, platform=""))
    if reference is None:
        raise ImageBuildError(f"the engine loaded an image and does not know it as {digest}: {lines}")
    return reference


def archive_stream(config: bytes, layers: Sequence[str], files: Mapping[str, Path], tag: str | None) -> Iterator[bytes]:
    """A docker archive (what ``docker save`` writes), in pieces: config, manifest, then the layers of ``files``."""
    digest = hashlib.sha256(config).hexdigest()
    names = [f"{layer.removeprefix('sha256:')}/layer.tar" for layer in layers]
    manifest = [{"Config": f"{digest}.json", "RepoTags": [tag] if tag else None, "Layers": names}]
    yield from _member(f"{digest}.json", config)
    yield from _member("manifest.json", canonical_json(manifest))
    for layer, name in dict(zip(layers, names, strict=True)).items():
        if layer in files:
            yield from _member(name, files[layer])
    yield bytes(2 * tarfile.BLOCKSIZE)


def _member(name: str, content: bytes | Path) -> Iterator[bytes]:
    header = tarfile.TarInfo(name)
    header.size = len(content) if isinstance(content, bytes) else content.stat().st_size
    header.mtime = EPOCH
    yield header.tobuf(tarfile.GNU_FORMAT)  # sizes beyond 8 GiB do not fit the older format
    if isinstance(content, bytes):
        yield content
    else:
        with content.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                yield chunk
    yield bytes(-header.size % tarfile.BLOCKSIZE)
