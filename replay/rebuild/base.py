"""The base image under the wheels: what is local, else pulled and pinned at once, else bootstrapped."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any

from replay.errors import ImageUnavailableError
from replay.outcome import Deviation
from replay.progress import Progress
from replay.rebuild.archive import Blobs, archived, load_image
from replay.rebuild.bootstrap import TASK, bootstrap, bootstrap_tag
from replay.rebuild.images import describe_image, find_local, inspect
from replay.rebuild.interface import BaseSpec, BootstrapSpec, parse_origin
from replay.recipe import Image, Package

if TYPE_CHECKING:
    from docker import DockerClient

_QUIET_SECONDS = 180  # between two words of a pull that has begun: a large layer is unpacked in silence
_SHOWN = 20


def obtain_base(client: DockerClient, spec: BaseSpec, progress: Progress, *, offline: bool = False) -> Image:
    """The base that new records are made on, pinned: local, else pulled, else bootstrapped.

    ``Image.origin`` says where it came from (``local NAME``, ``pulled NAME`` or ``bootstrapped SUITE with …``), and
    says the same when it is found again; ``progress`` says what happened now.

    Raises:
        ImageUnavailableError: It is not here, no registry gave it, and it cannot be bootstrapped.
    """
    found = local_base(client, spec)
    if found is not None:
        progress.started(TASK)
        progress.finished(TASK, f"reused, already local: {found.origin}")
        return found
    said = "offline" if offline else pull(client, spec.name, spec.pull_seconds, progress)
    if not said:
        return describe_image(client, spec.name, f"pulled {spec.name}")
    progress.advanced(TASK, f"cannot pull {spec.name}: {said}")
    if spec.bootstrap is None:
        raise ImageUnavailableError(
            f"the base image {spec.name} is not local and cannot be pulled: {said}",
            hint="`docker load` it, or name packages under environment.base.bootstrap",
        )
    if offline:
        raise ImageUnavailableError(
            f"the base image {spec.name} is not local, and --offline allows neither a pull nor a bootstrap",
            hint="`docker load` it, or run once without --offline",
        )
    reference = bootstrap(client, spec.bootstrap, architecture(client), progress)
    return describe_image(client, reference, spec.bootstrap.origin)


def local_base(client: DockerClient, spec: BaseSpec) -> Image | None:
    """The base when the engine has it already, by its name or as our bootstrap of the same spec."""
    found = inspect(client, spec.name)
    if found is not None:
        pulled = any(d.partition("@")[0] == _repository(spec.name) for d in found.get("RepoDigests") or ())
        return describe_image(client, spec.name, f"{'pulled' if pulled else 'local'} {spec.name}")
    if spec.bootstrap is not None and inspect(client, bootstrap_tag(spec.bootstrap)) is not None:
        return describe_image(client, bootstrap_tag(spec.bootstrap), spec.bootstrap.origin)
    return None


def obtain_recorded_base(
    client: DockerClient,
    image: Image,
    spec: BootstrapSpec | None,
    blobs: Blobs,
    offline: bool,
    progress: Progress,
) -> tuple[Image, str]:
    """The recorded base for a replay, and how it was obtained.

    By digest when local, pulled by digest, from the archive, else bootstrapped anew (``spec``, or what the recorded
    origin tells). A new bootstrap may be another image: newer packages. The caller compares and tells.

    Raises:
        ImageUnavailableError: None of them worked.
    """
    if find_local(client, image) is not None:
        return image, "local by digest"
    if not offline and pull_recorded(client, image, progress):
        return image, "pulled by digest"
    if archived(image, blobs):
        load_image(client, image, blobs)
        return image, "archive"
    spec = spec or parse_origin(image.origin)
    if spec is None or offline:
        raise ImageUnavailableError(
            f"the base image {image.config} ({image.origin or 'origin unknown'}) is not local, not archived, and "
            + ("--offline forbids to fetch or make it" if offline else "no registry has it by digest"),
            hint="`docker load` it from a machine that has it",
        )
    progress.advanced(TASK, "the recorded base is gone; bootstrapping it anew")
    reference = bootstrap(client, spec, architecture(client), progress)
    return describe_image(client, reference, spec.origin), "bootstrapped anew"


def pull_recorded(client: DockerClient, image: Image, progress: Progress, seconds: int = 10) -> bool:
    """Pull ``image`` by one of its repo digests; true when the engine then has exactly this image."""
    for digest in image.repo_digests:
        if not pull(client, digest, seconds, progress) and find_local(client, image) is not None:
            return True
    return False


def pull(client: DockerClient, name: str, seconds: int, progress: Progress) -> str:
    """Pull ``name``; returns why not, or the empty text when it was pulled.

    ``seconds`` limits how long the registry may take for its first word; a pull that has begun may take its time.
    """
    progress.started(TASK)
    progress.advanced(TASK, f"asking the registry for {name}")
    lines: queue.Queue[dict[str, Any] | Exception | None] = queue.Queue()
    threading.Thread(target=_pull, args=(client, name, lines), daemon=True).start()
    wait = seconds
    while True:
        try:
            line = lines.get(timeout=wait)
        except queue.Empty:
            return f"the registry said nothing for {wait} s"
        wait = _QUIET_SECONDS
        if line is None:
            progress.finished(TASK, f"pulled {name}")
            return ""
        if isinstance(line, Exception):
            return str(getattr(line, "explanation", None) or line)
        if "error" in line:
            return str(line["error"])
        if line.get("status") in {"Pull complete", "Downloading"}:
            progress.advanced(TASK, f"{line.get('status')} {line.get('id', '')} {line.get('progress', '')}".strip())


def _pull(client: DockerClient, name: str, lines: queue.Queue[dict[str, Any] | Exception | None]) -> None:
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        for line in client.api.pull(name, stream=True, decode=True):
            lines.put(line)
        lines.put(None)
    except (DockerException, RequestException) as error:
        lines.put(error)


def architecture(client: DockerClient) -> str:
    """The engine's architecture in Debian's and Docker's words, which agree: ``amd64``, ``arm64``."""
    return str(client.version()["Arch"])


def _repository(name: str) -> str:
    """``python`` of ``python:3.11@sha256:…``."""
    name = name.partition("@")[0]
    head, _, last = name.rpartition("/")
    last = last.partition(":")[0]
    return f"{head}/{last}" if head else last


def package_deviations(recorded: tuple[Package, ...], actual: tuple[Package, ...]) -> list[Deviation]:
    """One deviation for each package that changed, at most twenty and a count of the rest."""
    before = {(p.system, p.name): p.version for p in recorded}
    now = {(p.system, p.name): p.version for p in actual}
    changed = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    found = [
        Deviation(
            facet=f"package {name} ({system})",
            recorded=before.get((system, name), "not there"),
            actual=now.get((system, name), "not there"),
            consequence="a step that uses it may give other results",
        )
        for system, name in changed[:_SHOWN]
    ]
    if len(changed) > _SHOWN:
        rest = f"{len(changed) - _SHOWN} more packages"
        found.append(Deviation(facet=rest, recorded="", actual="", consequence="`replay diff` lists them all"))
    return found
