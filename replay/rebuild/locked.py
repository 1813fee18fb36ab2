"""A deterministic image: a base by digest, and one layer of hash-locked wheels that we write ourselves.

No build runs, so there is nothing that could differ: the same base, lock and installer give the same image id.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from replay.errors import ImageBuildError
from replay.progress import Progress
from replay.rebuild import wheels
from replay.rebuild.archive import export_layers
from replay.rebuild.images import compose_config, describe_image, find_local, inspect, load
from replay.rebuild.layers import write_layer
from replay.rebuild.lock import Requirement, check_lock, normal_name
from replay.rebuild.sandbox import run_python
from replay.rebuild.sdists import SETUPTOOLS, build_missing_wheels
from replay.recipe import Image

if TYPE_CHECKING:
    from docker import DockerClient

TASK = "environment image"
_FORMAT = "1"
_PROBE = (
    "import json,platform,sys;l=platform.libc_ver();"
    "print(json.dumps(dict(executable=sys.executable,version='%d.%d.%d'%sys.version_info[:3],"
    "libc=' '.join(l).strip(),machine=platform.machine())))"
)


def locked_tag(base: Image, lock: bytes, installer: str) -> str:
    """The local name of the image that these three make, so that it is built once."""
    lines = (_FORMAT, SETUPTOOLS, base.config, hashlib.sha256(lock).hexdigest(), installer)
    return "replay/env:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def find_locked(client: DockerClient, base: Image, lock: bytes, installer: str) -> Image | None:
    """The image when it was built here before, and is what it says: the base's layers and one more, and our labels."""
    found = inspect(client, locked_tag(base, lock, installer))
    if found is None:
        return None
    labels = found["Config"].get("Labels") or {}
    layers = tuple(found["RootFS"]["Layers"])
    if layers[:-1] != base.layers or labels.get("replay.lock") != hashlib.sha256(lock).hexdigest():
        return None
    return describe_image(client, str(found["Id"]), "built from lock")


def build_locked(
    client: DockerClient, base: Image, lock: bytes, origin: str, progress: Progress, *, offline: bool = False
) -> Image:
    """The image of ``base`` and the wheels of ``lock``; the same id on every build.

    Args:
        client: An engine that has ``base``.
        base: The image underneath.
        lock: Bytes of the hash-locked requirements file.
        origin: What messages call the lock.
        progress: Told what happens.
        offline: Let uv use its cache only.

    Raises:
        ConfigError: ``lock`` is no lock.
        ImageBuildError: uv failed, the base has no Python 3, or the engine refused the image.
    """
    requirements = check_lock(lock, origin)
    installer = wheels.installer()
    progress.started(TASK)
    found = find_locked(client, base, lock, installer)
    if found is not None:
        progress.finished(TASK, f"reused, already built: {found.config[7:19]}")
        return found
    interpreter = probe_python(client, base)
    with tempfile.TemporaryDirectory(prefix="replay-wheels-") as temporary:
        folder = Path(temporary)
        progress.advanced(TASK, f"installing {len(requirements)} locked packages for Python {interpreter.version}")
        _install(client, base, lock, requirements, interpreter, folder / "site-packages", progress, offline)
        if any((folder / "site-packages").glob("*.pth")):
            progress.advanced(TASK, "some packages bring .pth files, which Python does not read from PYTHONPATH")
        progress.advanced(TASK, "writing the layer")
        layer = folder / "layer.tar"
        diff_id = write_layer(folder / "site-packages", wheels.TARGET, layer)
        reference = _assemble(client, base, {diff_id: layer}, lock, installer)
    image = describe_image(client, reference, "built from lock")
    progress.finished(TASK, f"built {image.config[7:19]} from {origin}")
    return image


def _install(
    client: DockerClient,
    base: Image,
    lock: bytes,
    requirements: tuple[Requirement, ...],
    interpreter: wheels.Interpreter,
    target: Path,
    progress: Progress,
    offline: bool,
) -> None:
    """Install everything: wheels, and what has none from a wheel that the base image builds of its sdist."""
    try:
        wheels.install(lock, target, interpreter, offline=offline)
    except wheels.NoWheelError as error:
        progress.advanced(TASK, "a package has no wheel; building its sdist inside the base image")
        links = target.parent / "built"
        links.mkdir()
        built = build_missing_wheels(client, base, requirements, interpreter, links, offline=offline)
        if not built:
            raise error
        others = "\n".join(r.text for r in requirements if r.name not in built)
        wheels.install(others.encode(), target, interpreter, offline=offline)
        own = [f"{r.text.partition('--hash')[0].rstrip()} --hash=sha256:{_wheel_sha256(links, r.name)}"
               for r in requirements if r.name in built]  # fmt: skip
        wheels.install("\n".join(own).encode(), target, interpreter, links=links)
    wheels.normalise(target, interpreter.executable)


def _wheel_sha256(folder: Path, name: str) -> str:
    (wheel,) = (path for path in folder.glob("*.whl") if normal_name(path.name.partition("-")[0]) == name)
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


def _assemble(client: DockerClient, base: Image, layer: dict[str, Path], lock: bytes, installer: str) -> str:
    """Compose and load the image; layers of the base travel only when the engine asks for them."""
    reference = find_local(client, base)
    parent = inspect(client, reference) if reference else None
    if reference is None or parent is None:
        raise ImageBuildError(f"the base image {base.config} went away during the build")
    sha256 = hashlib.sha256(lock).hexdigest()
    variables = dict(item.partition("=")[::2] for item in parent["Config"].get("Env") or ())
    search = [wheels.TARGET, *filter(None, [variables.get("PYTHONPATH")])]
    config = compose_config(
        platform=base.platform,
        layers=[*base.layers, *layer],
        steps=[*("base image" for _ in base.layers), f"replay: {installer}, lock {sha256}"],
        parent=parent["Config"],
        env={"PYTHONPATH": ":".join(search), "PATH": f"{wheels.TARGET}/bin:{variables.get('PATH', '/usr/bin:/bin')}"},
        labels={"replay.base": base.config, "replay.lock": sha256, "replay.installer": installer},
    )
    tag = locked_tag(base, lock, installer)
    try:
        return load(client, config, layer, tag)
    except ImageBuildError:  # a containerd store wants every layer in the archive
        with tempfile.TemporaryDirectory(prefix="replay-base-") as temporary:
            below = export_layers(client, reference, base.layers, Path(temporary))
            return load(client, config, {**below, **layer}, tag)


def probe_python(client: DockerClient, base: Image) -> wheels.Interpreter:
    """Ask the image's own ``python3`` what it is.

    Raises:
        ImageBuildError: There is none, or it does not answer.
    """
    done = run_python(client, base, _PROBE)
    if done.code != 0:
        raise ImageBuildError(f"python3 of the base image {base.config} failed ({done.code}): {done.output[:500]!r}")
    return msgspec.json.decode(done.output, type=wheels.Interpreter)
