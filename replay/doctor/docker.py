"""What the doctor says of the Docker Engine."""

from __future__ import annotations

import re

from replay.doctor.check import Check, Status
from replay.errors import EngineUnavailableError
from replay.rebuild.dockerfile import has_buildx
from replay.rebuild.engine import EngineInfo, connect, engine_info

MEASURED_API = (1, 41)
_LEAKY = (1, 1, 12)  # CVE-2024-21626, "Leaky Vessels": fixed upstream in runc 1.1.12
_PATCHED = re.compile(r"deb\d+u\d+|ubuntu\d")  # a security update of Debian or Ubuntu


def checks() -> list[Check]:
    """Ask the engine, if one answers."""
    try:
        client = connect()
    except EngineUnavailableError as error:
        return [Check(name="Docker Engine", status=Status.FAIL, finding=str(error), meaning=error.hint or "")]
    try:
        info = engine_info(client)
    finally:
        client.close()
    return [engine(info), api(info), runc(info.runc), storage(info), isolation(info), buildx(has_buildx())]


def engine(info: EngineInfo) -> Check:
    """Version, place and size of the engine."""
    size = f"{info.cpus} CPUs, {info.memory_bytes / 2**30:.1f} GiB"
    where = "on another machine: inputs and outputs travel as archives" if info.remote else "on this machine"
    return Check(
        name="Docker Engine",
        status=Status.OK,
        finding=f"{info.version} at {info.address} ({info.os}, {info.architecture}, {size})",
        meaning=f"it runs {where}; whoever may use its socket is root there",
    )


def api(info: EngineInfo) -> Check:
    """Whether the API knows every option that isolates a step."""
    version = _numbers(info.api)
    if version >= MEASURED_API:
        return Check(name="Docker API", status=Status.OK, finding=info.api)
    return Check(
        name="Docker API",
        status=Status.WARN,
        finding=f"{info.api}, and 1.41 is the oldest that was tried",
        meaning="an option that isolates a step may be refused; use Docker 20.10 or newer",
    )


def runc(version: str) -> Check:
    """Whether runc has the escape of 2024."""
    numbers = _numbers(version)
    if not numbers:
        return Check(
            name="runc",
            status=Status.WARN,
            finding=f"the engine does not tell its version ({version or 'nothing'})",
            meaning="versions before 1.1.12 let a container out (CVE-2024-21626); look at `runc --version` there",
        )
    if numbers >= _LEAKY:
        return Check(name="runc", status=Status.OK, finding=version)
    if _PATCHED.search(version):
        return Check(
            name="runc",
            status=Status.OK,
            finding=f"{version} (with a distribution's security updates)",
            meaning="older than 1.1.12 by its number; Debian and Ubuntu mended CVE-2024-21626 without raising it. "
            "Keep the package up to date: `apt-get install --only-upgrade runc`",
        )
    return Check(
        name="runc",
        status=Status.WARN,
        finding=f"{version}, expected 1.1.12 or newer",
        meaning="a hostile image can leave its container (CVE-2024-21626). Replay only what you trust, or update runc",
    )


def storage(info: EngineInfo) -> Check:
    """The storage driver, which decides how images are called and how fast containers start."""
    if info.storage_driver == "vfs":
        return Check(
            name="storage driver",
            status=Status.WARN,
            finding="vfs",
            meaning="every container copies its whole image: slow and large; overlay2 needs another file system",
        )
    finding = f"{info.storage_driver} in {info.root_dir}"
    store = "images are called by manifest digest (containerd store); they are found by their layers"
    meaning = store if info.containerd_store else ""
    return Check(name="storage driver", status=Status.OK, finding=finding, meaning=meaning)


def isolation(info: EngineInfo) -> Check:
    """Seccomp and user namespaces."""
    names = [option.removeprefix("name=").partition(",")[0] for option in info.security]
    finding = f"{', '.join(names) or 'none'}; cgroup v{info.cgroup or '?'}"
    if "seccomp" in names:
        return Check(name="isolation", status=Status.OK, finding=finding)
    return Check(
        name="isolation",
        status=Status.WARN,
        finding=finding,
        meaning="steps run without a system call filter; use an engine with seccomp for code that you do not trust",
    )


def buildx(present: bool) -> Check:
    """Whether Dockerfiles can be built reproducibly."""
    if present:
        return Check(name="buildx", status=Status.OK, finding="present: Dockerfiles are built with BuildKit")
    return Check(
        name="buildx",
        status=Status.WARN,
        finding="missing",
        meaning="projects with a Dockerfile are built by the classic builder, which gives another image id each time; "
        "projects with a lock are not affected",
    )


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", version)
    return tuple(int(n) for n in found.groups() if n is not None) if found else ()
