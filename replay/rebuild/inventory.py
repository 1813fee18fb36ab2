"""Which packages an image holds, read from a created, never started container: no foreign code runs for the answer."""

from __future__ import annotations

import base64
import json
import re
import tarfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from replay.errors import ImageBuildError
from replay.rebuild.archive import read_tar
from replay.rebuild.interface import Inventory
from replay.rebuild.sandbox import LABEL, sweep
from replay.recipe import Package

if TYPE_CHECKING:
    from docker import DockerClient

_MAX_FILE = 64 << 20
_MAX_MEMBERS = 2_000_000
_DIST = re.compile(r"[^/]+/(?P<dist>[^/]+)\.(dist-info/METADATA|egg-info/PKG-INFO|egg-info)")
_CONDA = re.compile(r"conda-meta/[^/]+\.json")
_PYTHONS = ("/usr/local/bin/python3", "/usr/bin/python3", "/opt/conda/bin/python3")


def inventory(client: DockerClient, reference: str) -> Inventory:
    """The packages of an image, sorted, and notes about what could not be read.

    Debian's and Alpine's databases, Python distributions in every search path of the image's interpreters, and conda
    are read; an RPM database is said to be unsupported.

    Raises:
        ImageBuildError: The engine cannot create a container of the image.
    """
    with _created(client, reference) as look:
        packages = [*_debian(look), *_alpine(look), *_python(look), *_conda(look)]
        notes = []
        if any(look.stat(path) for path in ("/var/lib/rpm", "/usr/lib/sysimage/rpm")):
            notes.append("the image has an RPM database, which cannot be read: its system packages are not listed")
    if not any(package.system != "python" for package in packages) and not notes:
        notes.append("the image has no package database that can be read: its system packages are not listed")
    unique = {(p.system, p.name, p.version): p for p in packages}
    return Inventory(packages=tuple(unique[key] for key in sorted(unique)), notes=tuple(notes))


class _Look:
    """Read-only views into a container that never runs."""

    def __init__(self, client: DockerClient, container: str, environment: Mapping[str, str]) -> None:
        self._client = client
        self._container = container
        self.environment = environment

    def stat(self, path: str) -> dict[str, Any] | None:
        """What lies at ``path`` (``linkTarget`` says where a link leads), or ``None``."""
        api: Any = self._client.api  # docker-py has no method for this call, which costs no archive
        answer = api.head(
            api._url("/containers/{0}/archive", self._container), params={"path": path}, timeout=api.timeout
        )
        header = answer.headers.get("X-Docker-Container-Path-Stat")
        return json.loads(base64.b64decode(header)) if answer.ok and header else None

    def files(self, path: str, wanted: Callable[[str], bool]) -> dict[str, bytes]:
        """The regular files below ``path`` whose name in the archive is ``wanted``; empty without such a path."""
        from docker.errors import NotFound

        try:
            stream, _ = self._client.api.get_archive(self._container, path, chunk_size=1 << 20)
        except NotFound:
            return {}
        with read_tar(stream) as tar:
            return read_files(tar, wanted)


def read_files(tar: Iterable[tarfile.TarInfo], wanted: Callable[[str], bool]) -> dict[str, bytes]:
    """The ``wanted`` regular files of a tar, by name; everything else is passed over, links included.

    Raises:
        ImageBuildError: Too many members, or a wanted file is too large to be package metadata.
    """
    found: dict[str, bytes] = {}
    for number, member in enumerate(tar):
        if number > _MAX_MEMBERS:
            raise ImageBuildError(f"package inventory: got more than {_MAX_MEMBERS} files")
        name = member.name.removeprefix("./")
        if not member.isreg() or not wanted(name):
            continue
        if not 0 <= member.size <= _MAX_FILE:
            raise ImageBuildError(f"package inventory: {name!r} has {member.size} bytes, expected at most {_MAX_FILE}")
        content = tar.extractfile(member) if isinstance(tar, tarfile.TarFile) else None
        found[name] = content.read() if content is not None else b""
    return found


@contextmanager
def _created(client: DockerClient, reference: str) -> Iterator[_Look]:
    from docker.errors import APIError

    sweep(client)
    try:
        container = client.api.create_container(
            reference, ["/bin/true"], entrypoint=[], network_disabled=True,
            name=f"replay-look-{uuid.uuid4().hex[:12]}", labels={LABEL: "inventory"},
        )["Id"]  # fmt: skip
    except APIError as error:
        raise ImageBuildError(f"package inventory of {reference}: {error.explanation or error}") from error
    try:
        variables = client.api.inspect_container(container)["Config"].get("Env") or ()
        yield _Look(client, container, dict(item.partition("=")[::2] for item in variables))
    finally:
        client.api.remove_container(container, force=True, v=True)


def _debian(look: _Look) -> Iterator[Package]:
    for path in ("/var/lib/dpkg/status", "/var/lib/dpkg/status.d"):  # the latter: distroless
        for name, data in look.files(path, lambda name: not name.endswith(".md5sums")).items():
            yield from deb_packages(data, always=name != "status")


def deb_packages(data: bytes, *, always: bool = False) -> Iterator[Package]:
    """The installed packages of a dpkg status file; ``always``: also paragraphs without a status (distroless)."""
    for paragraph in data.decode("utf-8", "replace").split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Status|Architecture): (.*)$", paragraph, re.MULTILINE))
        installed = fields.get("Status", "install ok installed" if always else "").endswith(" installed")
        if installed and "Package" in fields and "Version" in fields:
            yield Package(system="deb", name=fields["Package"], version=fields["Version"])


def _alpine(look: _Look) -> Iterator[Package]:
    for data in look.files("/lib/apk/db/installed", lambda _: True).values():
        yield from apk_packages(data)


def apk_packages(data: bytes) -> Iterator[Package]:
    """The packages of Alpine's database."""
    for paragraph in data.decode("utf-8", "replace").split("\n\n"):
        fields = dict(re.findall(r"^([PV]):(.*)$", paragraph, re.MULTILINE))
        if {"P", "V"} <= fields.keys():
            yield Package(system="apk", name=fields["P"], version=fields["V"])


def _python(look: _Look) -> Iterator[Package]:
    for folder in search_paths(look.environment, _interpreters(look)):
        if look.stat(folder):
            found = look.files(folder, lambda name: _DIST.fullmatch(name) is not None)
            yield from (package for data in found.values() for package in python_packages(data))


def _interpreters(look: _Look) -> list[tuple[str, str]]:
    """Prefix and version of each Python: ``/usr/bin/python3`` leads to ``python3.11``."""
    found = []
    venv = look.environment.get("VIRTUAL_ENV")
    for path in (*_PYTHONS, *([f"{venv}/bin/python3"] if venv else [])):
        target = str((look.stat(path) or {}).get("linkTarget", ""))
        version = re.search(r"python(3\.\d+)$", target)
        if version:
            found.append((str(PurePosixPath(path).parent.parent), version[1]))
            found.append((str(PurePosixPath(target).parent.parent), version[1]))
    return found


def search_paths(environment: Mapping[str, str], interpreters: Iterable[tuple[str, str]]) -> list[str]:
    """The folders in which Python distributions may lie, each once."""
    paths = [p for p in environment.get("PYTHONPATH", "").split(":") if p.startswith("/")]
    for prefix, version in interpreters:
        for root in dict.fromkeys((prefix, "/usr/local" if prefix == "/usr" else prefix)):
            paths += [f"{root}/lib/python{version}/site-packages", f"{root}/lib64/python{version}/site-packages"]
            paths += [f"{root}/lib/python{version}/dist-packages"]
        if prefix == "/usr":
            paths.append("/usr/lib/python3/dist-packages")
    return list(dict.fromkeys(paths))


def python_packages(data: bytes) -> Iterator[Package]:
    """The distribution of a METADATA or PKG-INFO file."""
    head = data.decode("utf-8", "replace").replace("\r\n", "\n").partition("\n\n")[0]
    fields = dict(re.findall(r"^(Name|Version): *(.*?)\s*$", head, re.MULTILINE))
    if {"Name", "Version"} <= fields.keys():
        name = re.sub(r"[-_.]+", "-", fields["Name"]).lower()
        yield Package(system="python", name=name, version=fields["Version"])


def _conda(look: _Look) -> Iterator[Package]:
    if not look.stat("/opt/conda/conda-meta"):
        return
    for data in look.files("/opt/conda/conda-meta", lambda name: _CONDA.fullmatch(name) is not None).values():
        found = json.loads(data)
        yield Package(system="conda", name=str(found["name"]), version=f"{found['version']}-{found.get('build', '')}")
