"""The Docker Engine: connect to it, and say what it is."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from replay.errors import EngineUnavailableError

if TYPE_CHECKING:
    from docker import DockerClient

CONNECT_SECONDS = 10
CALL_SECONDS = 900  # loading a large image keeps the engine silent for minutes
DEFAULT = "unix:///var/run/docker.sock"
HINT = "`replay doctor --fix` installs or starts a Docker Engine; DOCKER_HOST names another one"


class EngineInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What answers at the other end."""

    address: str
    version: str
    api: str
    runc: str
    storage_driver: str
    containerd_store: bool
    """Images are called by manifest digest, not by config digest."""
    remote: bool
    """Bind mounts cannot reach this machine's files."""
    architecture: str
    os: str
    kernel: str
    cpus: int
    memory_bytes: int
    root_dir: str
    cgroup: str
    security: tuple[str, ...]


def connect(at: str | None = None) -> DockerClient:
    """A client of the engine at ``at``, else of ``DOCKER_HOST``, else of the CLI's current context.

    The API version is negotiated. The caller closes the client.

    Raises:
        EngineUnavailableError: None answers within ten seconds, or permission is missing.
    """
    from docker import DockerClient, from_env
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    at = at or _context_address()
    where = at or os.environ.get("DOCKER_HOST") or DEFAULT
    try:
        _knock(where)
        client = (
            DockerClient(base_url=at, version="auto", timeout=CONNECT_SECONDS)
            if at
            else from_env(version="auto", timeout=CONNECT_SECONDS)
        )
    except (DockerException, RequestException, OSError, ValueError) as error:
        raise EngineUnavailableError(f"no Docker Engine answers at {where}: {_reason(error)}", hint=HINT) from error
    client.api.timeout = CALL_SECONDS
    return client


def _knock(where: str) -> None:
    """Fail at once when nobody listens on a local socket; docker-py would fail too, and leave its socket open."""
    if where.startswith("unix://"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(CONNECT_SECONDS)
            probe.connect(where.removeprefix("unix://"))


def _context_address() -> str | None:
    """Where the docker CLI would connect when no DOCKER_HOST is set: Docker Desktop and colima use contexts."""
    if os.environ.get("DOCKER_HOST") or Path(DEFAULT.removeprefix("unix://")).exists():
        return None
    from docker.context import ContextAPI
    from docker.errors import DockerException

    try:
        context = ContextAPI.get_current_context()
    except (DockerException, OSError, ValueError):  # an unreadable CLI config must not hide the default socket
        return None
    host = getattr(context, "Host", None)
    return str(host) if host else None


def _reason(error: BaseException) -> str:
    """The innermost cause: docker-py wraps "no such file" three times."""
    text = str(error)
    if "Permission denied" in text:
        return "permission denied; access to the socket needs root or the group docker"
    if "FileNotFoundError" in text or "No such file" in text:
        return "there is no such socket"
    if "Connection refused" in text or "ConnectionRefusedError" in text:
        return "connection refused"
    return text.removeprefix("Error while fetching server API version: ")


def engine_info(client: DockerClient) -> EngineInfo:
    """Ask the engine about itself."""
    version, info = client.version(), client.info()
    components = {c["Name"]: c for c in version.get("Components", ())}
    return EngineInfo(
        address=address(client),
        version=version["Version"],
        api=version["ApiVersion"],
        runc=_runc(components, info),
        storage_driver=info["Driver"],
        containerd_store=any("io.containerd.snapshotter" in str(pair) for pair in info.get("DriverStatus") or ()),
        remote=is_remote(client, info),
        architecture=version["Arch"],
        os=info["OperatingSystem"],
        kernel=info["KernelVersion"],
        cpus=info["NCPU"],
        memory_bytes=info["MemTotal"],
        root_dir=info["DockerRootDir"],
        cgroup=str(info.get("CgroupVersion", "")),
        security=tuple(info.get("SecurityOptions") or ()),
    )


def _runc(components: dict[str, Any], info: dict[str, Any]) -> str:
    """Version with the distribution's patch level: Debian's 1.1.5+ds1-1+deb12u1 holds later fixes."""
    found = components.get("runc", {})
    commit = str(found.get("Details", {}).get("GitCommit") or info.get("RuncCommit", {}).get("ID") or "")
    version = str(found.get("Version", ""))
    return commit if version and commit.startswith(version) else version or commit


def address(client: DockerClient) -> str:
    """The engine's address; docker-py shows every socket, and every SSH tunnel, as ``http+docker://``."""
    base = str(client.api.base_url)
    if base != "http+docker://localhost":
        return base.replace("http+docker://ssh", "ssh://")
    path = getattr(client.api.get_adapter(base), "socket_path", None)
    return f"unix://{path}" if path else base


def is_remote(client: DockerClient, info: dict[str, Any] | None = None) -> bool:
    """Whether the engine sees other files than this process.

    True for a TCP or SSH address, and for a local socket whose engine bears another host name than this machine: a
    virtual machine (Docker Desktop), or a CI container with the host's socket. Wrong at worst towards copying.
    """
    if urlsplit(address(client)).scheme not in {"unix", "npipe"}:
        return True
    name = (info or client.info()).get("Name", "")
    return bool(name != socket.gethostname())
