"""A container with no network and no rights, for the few lines of Python that a rebuild must run inside an image."""

from __future__ import annotations

import io
import tarfile
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from replay.errors import ImageBuildError
from replay.rebuild.archive import read_tar
from replay.rebuild.images import EPOCH, find_local
from replay.recipe import Image

if TYPE_CHECKING:
    from docker import DockerClient

LABEL = "replay.helper"
USER = 65534
_MAX_RESULT = 512 << 20
_LIFETIME = 900


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """What the container left behind."""

    code: int
    output: bytes
    files: dict[str, bytes]
    """Regular files below the result folder, by name."""


def run_python(
    client: DockerClient,
    image: Image,
    source: str,
    *,
    files: Mapping[str, bytes] | None = None,
    result: str | None = None,
    memory: str = "256m",
    timeout: int = 60,
) -> Finished:
    """Run ``python3 -c source`` in ``image``: no network, no capability, nobody's user, a limit on everything.

    Args:
        client: The engine; it may be remote, nothing is mounted.
        image: The image.
        source: Python source.
        files: Put into ``/build`` before the start, by name.
        result: A folder whose regular files are read when it has ended well.
        memory: Limit in Docker's words.
        timeout: Seconds until it is killed.

    Raises:
        ImageBuildError: The engine could not run it, or it did not end in time.
    """
    from docker.errors import APIError
    from requests.exceptions import ConnectionError as Gone
    from requests.exceptions import Timeout

    container = None
    sweep(client)
    try:
        container = _create(client, image, source, memory, read_only=files is None)
        if files is not None:
            client.api.put_archive(container, "/", _pack(files))
        client.api.start(container)
        code = int(client.api.wait(container, timeout=timeout)["StatusCode"])
        output = client.api.logs(container, stdout=True, stderr=code != 0)
        found = _fetch(client, container, result) if result is not None and code == 0 else {}
        return Finished(code=code, output=output, files=found)
    except APIError as error:
        raise ImageBuildError(
            f"the image {image.config} cannot run python3: {error.explanation or error}",
            hint="a locked environment needs a base image with Python 3 on its PATH",
        ) from error
    except (Timeout, Gone) as error:
        raise ImageBuildError(f"python3 in the image {image.config} did not end within {timeout} s") from error
    finally:
        if container is not None:
            client.api.remove_container(container, force=True, v=True)


def _create(client: DockerClient, image: Image, source: str, memory: str, *, read_only: bool) -> str:
    made: dict[str, str] = client.api.create_container(
        find_local(client, image) or image.config,
        ["python3", "-c", source],
        entrypoint=[],
        user=f"{USER}:{USER}",
        name=f"replay-helper-{uuid.uuid4().hex[:12]}",
        labels={LABEL: "rebuild"},
        environment={"SOURCE_DATE_EPOCH": str(EPOCH), "PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C.UTF-8",
                     "HOME": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"},
        host_config=client.api.create_host_config(
            network_mode="none", cap_drop=["ALL"], security_opt=["no-new-privileges:true"], pids_limit=64,
            mem_limit=memory, memswap_limit=memory, read_only=read_only,
            tmpfs={"/tmp": "rw,nosuid,nodev,size=256m"},
        ),
    )  # fmt: skip
    return made["Id"]


def sweep(client: DockerClient) -> None:
    """Remove helper containers that a killed process left behind: none lives longer than a quarter of an hour."""
    from docker.errors import APIError

    for row in client.api.containers(all=True, filters={"label": LABEL}):
        if row["Created"] < time.time() - _LIFETIME:
            with suppress(APIError):  # another process removes it at the same time
                client.api.remove_container(row["Id"], force=True, v=True)


def _pack(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        folders = {f"build/{name}".rpartition("/")[0] for name in files} | {"build", "build/out"}
        for name in sorted(folders):
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, 0o755, USER, USER
            tar.addfile(info)
        for name, content in sorted(files.items()):
            info = tarfile.TarInfo(f"build/{name}")
            info.size, info.mode, info.uid, info.gid = len(content), 0o644, USER, USER
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _fetch(client: DockerClient, container: str, folder: str) -> dict[str, bytes]:
    stream, _ = client.api.get_archive(container, folder)
    found: dict[str, bytes] = {}
    left = _MAX_RESULT
    with read_tar(stream) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            if content is None:
                continue
            left -= member.size
            if left < 0:
                raise ImageBuildError(f"{folder} holds more than {_MAX_RESULT} bytes")
            found[member.name.rpartition("/")[2]] = content.read()
    return found
