"""The two entries of this verb: an environment for a record, and the recorded one again for a replay."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from replay.errors import ConfigError, ImageUnavailableError
from replay.outcome import Deviation
from replay.progress import Progress
from replay.rebuild.archive import Blobs, archived, load_image
from replay.rebuild.base import obtain_base, obtain_recorded_base, package_deviations, pull, pull_recorded
from replay.rebuild.bootstrap import TASK as BASE
from replay.rebuild.dockerfile import build_dockerfile
from replay.rebuild.glance import LOCAL
from replay.rebuild.images import describe_image, find_local, inspect
from replay.rebuild.interface import EnvironmentSettings, Prepared, check_settings
from replay.rebuild.inventory import inventory
from replay.rebuild.lock import HINT, has_hashes
from replay.rebuild.locked import build_locked
from replay.recipe import Environment, EnvironmentKind, Image, Package

if TYPE_CHECKING:
    from docker import DockerClient

LOCKS = ("requirements.lock", "requirements.txt")
PACKAGES = "package inventory"
ReadCode = Callable[[str], "bytes | None"]


def choose(settings: EnvironmentSettings, project: Path) -> tuple[EnvironmentKind, str]:
    """Which kind of environment a project has, and the image or the file that says so.

    What the settings name; else ``requirements.lock``, ``Dockerfile``, ``requirements.txt`` with hashes, in this order;
    else the base image as it is.

    Raises:
        ConfigError: A named file is not there, or the only candidate is a requirements.txt without hashes.
    """
    check_settings(settings)
    if settings.image:
        return EnvironmentKind.IMAGE, settings.image
    for kind, name in ((EnvironmentKind.LOCKED, settings.lock), (EnvironmentKind.DOCKERFILE, settings.dockerfile)):
        if name:
            if not (project / name).is_file():
                raise ConfigError(f"environment.{_key(kind)}: got {name!r}, expected a file of the project")
            return kind, name
    if (project / LOCKS[0]).is_file():
        return EnvironmentKind.LOCKED, LOCKS[0]
    if (project / "Dockerfile").is_file():
        return EnvironmentKind.DOCKERFILE, "Dockerfile"
    plain = project / LOCKS[1]
    if plain.is_file():
        data = plain.read_bytes()
        if data.strip() and not has_hashes(data):
            raise ConfigError(f"{LOCKS[1]} has no hashes, so it does not say which files to install", hint=HINT)
        return EnvironmentKind.LOCKED, LOCKS[1]
    return EnvironmentKind.IMAGE, settings.base.name


def _key(kind: EnvironmentKind) -> str:
    return {EnvironmentKind.LOCKED: "lock", EnvironmentKind.DOCKERFILE: "dockerfile"}.get(kind, "image")


def prepare_for_record(
    client: DockerClient, settings: EnvironmentSettings, project: Path, progress: Progress, *, offline: bool = False
) -> Environment:
    """Make the image that new records run in, and describe it completely.

    Args:
        client: The engine.
        settings: What conf/ and replay.yaml say.
        project: The code version's files; paths in the settings, and in the answer, are relative to it.
        progress: Told what happens, and what could not be read of the image.
        offline: Neither a registry nor a package index is asked.

    Raises:
        ConfigError: The settings or the lock are wrong.
        ImageUnavailableError: The base or the named image cannot be had.
        ImageBuildError: A build failed.
    """
    kind, name = choose(settings, project)
    if kind is EnvironmentKind.LOCKED:
        environment = _locked(client, settings, project, name, progress, offline)
    elif kind is EnvironmentKind.DOCKERFILE:
        image = build_dockerfile(client, project, name, progress, ca_bundle=settings.ca_bundle)
        environment = Environment(kind=kind, image=image, dockerfile=name)
    elif settings.image:
        environment = Environment(kind=kind, image=_named(client, name, progress, offline))
    else:
        progress.advanced(BASE, "no lock and no Dockerfile: the base image is used as it is")
        environment = Environment(kind=kind, image=obtain_base(client, settings.base, progress, offline=offline))
    progress.started(PACKAGES)
    found = inventory(client, find_local(client, environment.image) or environment.image.config)
    for note in found.notes:
        progress.advanced(PACKAGES, note)
    progress.finished(PACKAGES, f"{len(found.packages)} packages")
    return _with_packages(environment, found.packages)


def _with_packages(environment: Environment, packages: tuple[Package, ...]) -> Environment:
    from msgspec.structs import replace

    return replace(environment, packages=packages)


def _locked(
    client: DockerClient, settings: EnvironmentSettings, project: Path, name: str, progress: Progress, offline: bool
) -> Environment:
    from replay.rebuild.lock import check_lock

    lock = (project / name).read_bytes()
    check_lock(lock, name)  # before the base costs time
    base = obtain_base(client, settings.base, progress, offline=offline)
    image = build_locked(client, base, lock, name, progress, offline=offline)
    return Environment(
        kind=EnvironmentKind.LOCKED,
        image=image,
        base=base,
        lock=name,
        lock_sha256=hashlib.sha256(lock).hexdigest(),
        installer=_installer(client, image),
    )


def _installer(client: DockerClient, image: Image) -> str | None:
    """Who installed the wheels, as the image itself says."""
    found = inspect(client, find_local(client, image) or image.config) or {"Config": {}}
    return (found["Config"].get("Labels") or {}).get("replay.installer")


def _named(client: DockerClient, name: str, progress: Progress, offline: bool) -> Image:
    """An image that the user names: as it is here, else pulled; pinned either way."""
    if inspect(client, name) is None:
        said = "--offline forbids to pull it" if offline else pull(client, name, 30, progress)
        if said:
            raise ImageUnavailableError(f"the image {name} is not local: {said}", hint="`docker load` or build it")
        return describe_image(client, name, f"pulled {name}")
    return describe_image(client, name, f"local {name}")


def prepare_for_replay(
    client: DockerClient,
    environment: Environment,
    *,
    read_code: ReadCode,
    blobs: Blobs,
    progress: Progress,
    offline: bool = False,
    context: Callable[[], Path] | None = None,
    ca_bundle: str = "auto",
) -> Prepared:
    """Bring the recorded image back: local by digest, pulled by digest, from the archive, else made again.

    Args:
        client: The engine.
        environment: The recorded environment.
        read_code: Bytes of a path of the code version, or ``None``.
        blobs: The store's blobs, in which images may be archived.
        progress: Told what happens.
        offline: Neither a registry nor a package index is asked.
        context: Gives a folder with the code version's files, for a Dockerfile; without it none is built.
        ca_bundle: For a Dockerfile build; see `EnvironmentSettings`.

    Returns:
        The image with what the engine calls it, how it was obtained, and every deviation from the record.

    Raises:
        ImageUnavailableError: The image is gone, and so is what it was made from.
        StoreCorruptError: The archived image was changed.
        ImageBuildError: It had to be built again, and that failed.
    """
    image = environment.image
    reference = find_local(client, image)
    if reference is not None:
        return Prepared(image=image, reference=reference, how=LOCAL)
    if not offline and pull_recorded(client, image, progress):
        return Prepared(image=image, reference=find_local(client, image) or image.config, how="pulled by digest")
    if archived(image, blobs):
        return Prepared(image=image, reference=load_image(client, image, blobs), how="archive")
    if environment.kind is EnvironmentKind.LOCKED:
        return _relock(client, environment, read_code, blobs, progress, offline)
    if environment.dockerfile and context is not None and not offline:
        made = build_dockerfile(client, context(), environment.dockerfile, progress, ca_bundle=ca_bundle)
        return _judged(client, environment, made, "Dockerfile")
    raise ImageUnavailableError(
        f"the image {image.config} ({image.origin or 'origin unknown'}) is not local, no registry has it by digest, "
        "it is not archived, and there is nothing to make it from",
        hint="`docker load` it from a machine that has it; records with store.archive_images keep their image",
    )


def _relock(
    client: DockerClient,
    environment: Environment,
    read_code: ReadCode,
    blobs: Blobs,
    progress: Progress,
    offline: bool,
) -> Prepared:
    lock = read_code(environment.lock) if environment.lock else None
    if lock is None or environment.base is None:
        raise ImageUnavailableError(
            f"the image {environment.image.config} is gone, and so is {environment.lock or 'its lock'}",
            hint="`docker load` the image from a machine that has it, or restore the lock in the code version",
        )
    actual = hashlib.sha256(lock).hexdigest()
    if environment.lock_sha256 is not None and actual != environment.lock_sha256:
        raise ImageUnavailableError(
            f"the image {environment.image.config} is gone, and {environment.lock} is not the recorded lock: "
            f"got sha256:{actual}, expected sha256:{environment.lock_sha256}",
            hint="the code version was changed after the record",
        )
    base, _ = obtain_recorded_base(client, environment.base, None, blobs, offline, progress)
    made = build_locked(client, base, lock, environment.lock or "lock", progress, offline=offline)
    return _judged(client, environment, made, "lock", base)


def _judged(
    client: DockerClient, environment: Environment, made: Image, source: str, base: Image | None = None
) -> Prepared:
    """Say of a rebuilt image whether it is the recorded one, and if not, what is different in it."""
    reference = find_local(client, made) or made.config
    if made.config == environment.image.config:
        return Prepared(image=environment.image, reference=reference, how=f"rebuilt from {source}, same id")
    packages = package_deviations(environment.packages, inventory(client, reference).packages)
    same = not packages
    deviations = [
        Deviation(
            facet="image",
            recorded=environment.image.config,
            actual=made.config,
            consequence="the same packages, other bytes: files made at build time may differ" if same
            else f"other packages ({len(packages)} named below): a difference may come from them",
        ),
    ]  # fmt: skip
    if base is not None and environment.base is not None and base.config != environment.base.config:
        deviations.append(
            Deviation(
                facet="base image",
                recorded=f"{environment.base.config} ({environment.base.origin})",
                actual=f"{base.config} ({base.origin})",
                consequence="the recorded base is gone and was made anew from today's packages",
            )
        )
    if source == "lock":
        installer = _installer(client, made)
        if installer != environment.installer:
            deviations.append(
                Deviation(
                    facet="installer",
                    recorded=environment.installer or "not recorded",
                    actual=installer or "unknown",
                    consequence="the same wheels; scripts and metadata may be written differently",
                )
            )
    how = f"rebuilt from {source}, other id"
    return Prepared(image=made, reference=reference, how=how, deviations=(*deviations, *packages))


def locate(client: DockerClient | None, environment: Environment, blobs: Blobs) -> str | None:
    """Where the image of a replay would come from, without touching anything; ``None`` when from nowhere.

    A registry is not asked, so ``pull by digest`` is a promise of the record only. Without a client (no engine answers)
    the local images are unknown.
    """
    image = environment.image
    if client is not None and find_local(client, image) is not None:
        return LOCAL
    if archived(image, blobs):
        return "archive"
    if image.repo_digests:
        return f"pull by digest from {image.repo_digests[0].partition('@')[0]}"
    if environment.kind is EnvironmentKind.LOCKED and environment.lock and environment.base is not None:
        return f"rebuild from {environment.lock}"
    if environment.kind is EnvironmentKind.DOCKERFILE and environment.dockerfile:
        return f"rebuild from {environment.dockerfile} (another id)"
    return None
