"""A Debian base made with mmdebstrap, as deterministic as its packages: equal packages give an equal image id."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from replay.errors import ImageUnavailableError
from replay.progress import Progress
from replay.rebuild.images import EPOCH, compose_config, load
from replay.rebuild.interface import BootstrapSpec

if TYPE_CHECKING:
    from docker import DockerClient

TASK = "base image"
ENV = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
_APT = ("apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=120")

# Left out of the layer: what differs between two equal bootstraps or names this machine, and what no step reads.
_LEFT_OUT = re.compile(
    r"""
      dev/.+ | proc/.+ | sys/.+ | run/.+ | tmp/.+
    | etc/(hostname|hosts|resolv\.conf|machine-id|mtab)
    | etc/apt/(sources\.list|sources\.list\.d/.+|apt\.conf\.d/99mmdebstrap)
    | var/(cache|log|tmp)/.+ | var/lib/apt/lists/.+ | var/lib/dbus/machine-id | var/lib/dpkg/.+-old
    | usr/share/(man|info|locale|lintian)/.+
    | usr/share/doc/(?!.+/copyright$).+
    """,
    re.VERBOSE,
)
_KEPT_FOLDERS = re.compile(r"var/(cache|log)/apt(/archives)?(/partial)?|var/lib/apt/lists/partial|usr/share/doc/[^/]+")


def bootstrap_tag(spec: BootstrapSpec) -> str:
    """The local name under which a bootstrapped base is found again."""
    key = hashlib.sha256(f"2 {spec.origin}".encode()).hexdigest()[:12]
    return f"replay/base:{spec.suite}-{key}"


def bootstrap(client: DockerClient, spec: BootstrapSpec, architecture: str, progress: Progress) -> str:
    """Make the base, load it under `bootstrap_tag`, and return what the engine calls it.

    Raises:
        ImageUnavailableError: mmdebstrap is missing and cannot be installed, no package source answers, or the engine
            has another architecture than this machine.
        ImageBuildError: The engine refused the image.
    """
    tool = _tool(progress)
    here = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
    if here != architecture:
        raise ImageUnavailableError(
            f"cannot bootstrap a base: got a machine of architecture {here}, expected the engine's {architecture}",
            hint="pull the base image on a machine with a registry, and `docker load` it here",
        )
    progress.started(TASK)
    progress.advanced(TASK, f"no registry answers; making Debian {spec.suite} with mmdebstrap (about 20 s)")
    with tempfile.TemporaryDirectory(prefix="replay-base-") as temporary:
        layer = Path(temporary) / "layer.tar"
        _run(tool, spec, layer)
        with layer.open("rb") as stream:
            diff_id = "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()
        config = compose_config(
            platform=f"linux/{architecture}",
            layers=[diff_id],
            steps=[f"replay: {spec.origin}"],
            env=ENV,
            cmd=["python3"],
        )
        reference = load(client, config, {diff_id: layer}, tag=bootstrap_tag(spec))
    progress.finished(TASK, f"{spec.origin} (mmdebstrap)")
    return reference


def _tool(progress: Progress) -> str:
    """Path of mmdebstrap, apt-installed when this is root on Debian or Ubuntu."""
    found = shutil.which("mmdebstrap")
    if found:
        return found
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise ImageUnavailableError(
            "no registry answers, and mmdebstrap, which makes a Debian base without one, is not installed",
            hint="`apt-get install mmdebstrap` as root, or `docker load` the base image",
        )
    progress.advanced(TASK, "installing mmdebstrap with apt")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in ((*_APT, "update"), (*_APT, "install", "--no-install-recommends", "mmdebstrap")):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode != 0:
            raise ImageUnavailableError(
                f"`{' '.join(command)}` failed: {_last_lines(done.stderr or done.stdout)}",
                hint="install mmdebstrap by hand, or `docker load` the base image",
            )
    return shutil.which("mmdebstrap") or "/usr/bin/mmdebstrap"


def _run(tool: str, spec: BootstrapSpec, layer: Path) -> None:
    """Run mmdebstrap and write what is kept of its tar to ``layer``."""
    command = [
        tool, "--quiet", "--variant=minbase", "--format=tar", f"--include={','.join(sorted(spec.packages))}",
        *(f"--aptopt={option}" for option in _proxies()),
        spec.suite, "-", *machine_sources(spec.suite),
    ]  # fmt: skip
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    environment |= {"DEBIAN_FRONTEND": "noninteractive", "PYTHONHASHSEED": "0"}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL
        )
        assert process.stdout is not None
        try:
            with process, layer.open("wb") as out:
                problem = _filtered(process.stdout, out)
        except BaseException:
            process.terminate()
            raise
        if process.returncode != 0 or problem:
            log.seek(0)
            raise ImageUnavailableError(
                f"mmdebstrap could not make Debian {spec.suite}: {problem or 'exit code ' + str(process.returncode)}: "
                f"{_last_lines(log.read().decode(errors='replace'))}",
                hint="check the machine's apt sources, or `docker load` the base image",
            )


def _filtered(source: IO[bytes], out: IO[bytes]) -> str:
    """Copy the tar without what `keeps` leaves out; returns what was wrong, or the empty text."""
    try:
        with (
            tarfile.open(fileobj=source, mode="r|", bufsize=1 << 20) as tar,
            tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as kept,
        ):
            problem = copy_members(tar, kept)
    except tarfile.TarError as error:
        problem = f"no tar: {error}"
    while source.read(1 << 20):  # or the writer dies of SIGPIPE and its own message is lost
        pass
    return problem


def copy_members(tar: tarfile.TarFile, kept: tarfile.TarFile) -> str:
    """Copy the members that `keeps` keeps, owners by number and times fixed; returns what was wrong."""
    names = set()
    for member in tar:
        member.name = member.name.removeprefix("./").rstrip("/")
        if member.islnk():
            member.linkname = member.linkname.removeprefix("./")
        if member.name in {"", "."} or not keeps(member):
            continue
        if member.islnk() and member.linkname not in names:
            return f"{member.name} is a hard link to {member.linkname}, which was left out"
        names.add(member.name)
        member.uname = member.gname = ""
        member.mtime = EPOCH
        member.pax_headers = {k: v for k, v in member.pax_headers.items() if k.startswith("SCHILY.xattr.")}
        kept.addfile(member, tar.extractfile(member) if member.isreg() else None)
    return "" if names else "an empty tar"


def keeps(member: tarfile.TarInfo) -> bool:
    """Whether a path of the bootstrap goes into the layer."""
    if not _LEFT_OUT.fullmatch(member.name):
        return True
    return member.isdir() and _KEPT_FOLDERS.fullmatch(member.name) is not None


def _proxies() -> list[str]:
    """The proxies of the machine's own apt configuration, which mmdebstrap does not read."""
    if not shutil.which("apt-config"):
        return []
    dump = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=False).stdout
    return [line.rstrip(";") for line in dump.splitlines() if re.match(r"Acquire::https?::Proxy(::\S+)? \"[^\"]", line)]


def machine_sources(suite: str, root: Path = Path("/etc/apt")) -> list[str]:
    """The machine's own apt sources of ``suite`` as one-line entries; empty means mmdebstrap's default mirror.

    Both formats are read. Keys are left to mmdebstrap, which finds them in the machine's keyrings.
    """
    lines: list[str] = []
    for path in (root / "sources.list", *sorted((root / "sources.list.d").glob("*"))):
        if path.suffix == ".sources":
            lines += _deb822(path.read_text(errors="replace"))
        elif path.suffix == ".list" and path.is_file():
            lines += [line.strip() for line in path.read_text(errors="replace").splitlines()]
    found = []
    for line in lines:
        entry = re.fullmatch(r"deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+(\S.*)", line)
        if entry and (entry[2] == suite or entry[2].startswith(f"{suite}-")) and "backports" not in entry[2]:
            found.append(f"deb {entry[1]} {entry[2]} {entry[3]}")
    has_suite = any(line.split()[2] == suite for line in found)
    return list(dict.fromkeys(found)) if has_suite else []


def _deb822(text: str) -> Iterator[str]:
    """The entries of a ``.sources`` file as one-line entries."""
    for paragraph in re.split(r"\n\s*\n", text):
        fields = _fields(line for line in paragraph.splitlines() if not line.startswith("#"))
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        for address in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield f"deb {address} {suite} {fields.get('components', '')}".strip()


def _fields(lines: Iterable[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in lines:
        if line[:1].isspace():
            fields[name] = f"{fields.get(name, '')} {line.strip()}"
        else:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields


def _last_lines(text: str, count: int = 4) -> str:
    lines: Sequence[str] = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-count:]) or "it said nothing"
