"""A project's own Dockerfile: BuildKit through the docker CLI where there is one, else the classic builder.

The engine's classic builder gives another image id on every build, so a record of it is only as good as its archive.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING

from replay.errors import ConfigError, ImageBuildError
from replay.progress import Progress
from replay.rebuild.images import EPOCH, describe_image
from replay.recipe import Image

if TYPE_CHECKING:
    from docker import DockerClient

TASK = "environment image"
CA_FILE = ".replay-ca-bundle.pem"
_CA_VARIABLES = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
)
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
_LOG_LINES = 40
_NEVER_SENT = (".git", ".replay", ".dvc/cache", ".dvc/tmp")


def build_dockerfile(
    client: DockerClient, context: Path, dockerfile: str, progress: Progress, *, ca_bundle: str = "auto"
) -> Image:
    """Build the Dockerfile; ``Image.origin`` says which builder ran.

    Args:
        client: The engine.
        context: The folder that the Dockerfile's COPY sees, without ``.git`` and ``.replay``.
        dockerfile: Its path below ``context``.
        progress: Told what happens, line by line.
        ca_bundle: ``auto``, ``none`` or a path; see `find_ca_bundle`.

    Raises:
        ConfigError: There is no such Dockerfile, or no such bundle.
        ImageBuildError: The build failed; the message ends with the last lines of its log.
    """
    path = context / dockerfile
    if not path.is_file() or not path.resolve().is_relative_to(context.resolve()):
        raise ConfigError(f"environment.dockerfile: got {dockerfile!r}, expected a file of the code version")
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    bundle = find_ca_bundle(ca_bundle, os.environ)
    if bundle is not None:
        text = with_ca_bundle(text)
        progress.advanced(TASK, f"the build gets this machine's CA bundle {bundle} as /{CA_FILE}")
    progress.started(TASK)
    arguments = build_arguments(os.environ)
    buildx = has_buildx()
    with tempfile.TemporaryFile(prefix="replay-context-") as archive:
        _pack(context, dockerfile, text, bundle, archive)
        archive.seek(0)
        if buildx:
            reference = _buildx(client, archive, dockerfile, arguments, progress)
        else:
            progress.advanced(TASK, "no buildx: the classic builder gives another image id on every build")
            reference = _classic(client, archive, dockerfile, arguments, progress)
    image = describe_image(client, reference, f"built from Dockerfile ({'BuildKit' if buildx else 'classic builder'})")
    client.api.tag(reference, "replay/built", image.config[7:23])  # protects it from `docker image prune`
    progress.finished(TASK, f"built {image.config[7:19]} from {dockerfile}")
    return image


def has_buildx() -> bool:
    """Whether the docker CLI is here and can drive BuildKit."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    return subprocess.run([docker, "buildx", "version"], capture_output=True, check=False).returncode == 0


def find_ca_bundle(setting: str, environment: Mapping[str, str]) -> Path | None:
    """The CA bundle that a build must trust to reach the network from here, or ``None``.

    ``auto`` takes what SSL_CERT_FILE and its like name in the environment; machines behind a company's proxy set them.

    Raises:
        ConfigError: ``setting`` is a path and no file.
    """
    if setting == "none":
        return None
    if setting != "auto":
        if not Path(setting).is_file():
            raise ConfigError(f"environment.ca_bundle: got {setting!r}, expected auto, none or the path of a file")
        return Path(setting)
    named = (environment.get(variable) for variable in _CA_VARIABLES)
    return next((Path(path) for path in named if path and Path(path).is_file()), None)


def build_arguments(environment: Mapping[str, str]) -> dict[str, str]:
    """Arguments of every build: fixed times, and this machine's proxies, which Docker keeps out of the history."""
    found = {"SOURCE_DATE_EPOCH": str(EPOCH)}
    for name in (*_PROXIES, *map(str.lower, _PROXIES)):
        if environment.get(name):
            found[name] = environment[name]
    return found


def with_ca_bundle(text: str) -> str:
    """The Dockerfile with the bundle copied into every stage and named by build arguments, which no run inherits."""
    names = " ".join(f"{name}=/{CA_FILE}" for name in _CA_VARIABLES)
    extra = f"COPY {CA_FILE} /{CA_FILE}\n" + "".join(f"ARG {pair}\n" for pair in names.split())
    out: list[str] = []
    heredoc: str | None = None
    start: str | None = None  # first line of an instruction that goes on
    for line in text.splitlines(keepends=True):
        out.append(line if line.endswith("\n") else line + "\n")
        bare = line.strip()
        if heredoc is not None:
            heredoc = None if bare == heredoc else heredoc
            continue
        if start is not None and (bare.startswith("#") or not bare):
            continue  # a comment does not end a continued instruction
        first = start if start is not None else bare
        start = first if bare.endswith("\\") else None
        opened = re.search(r"<<-?\s*[\"']?(\w+)", bare) if re.match(r"(RUN|COPY|ADD)\b", first, re.IGNORECASE) else None
        heredoc = opened[1] if opened else None
        if start is None and re.match(r"FROM\s", first, re.IGNORECASE):
            out.append(extra)
    return "".join(out)


def _pack(context: Path, dockerfile: str, text: str, bundle: Path | None, out: IO[bytes]) -> None:
    """Write the context as the builder gets it: .dockerignore obeyed, our version of the Dockerfile, and the bundle."""
    from docker.utils.build import exclude_paths

    ignore = context / ".dockerignore"
    patterns = ignore.read_text(encoding="utf-8").splitlines() if ignore.is_file() else []
    patterns = [p.strip() for p in patterns if p.strip() and not p.lstrip().startswith("#")]
    kept = exclude_paths(str(context), [*_NEVER_SENT, *patterns, f"!{dockerfile}"], dockerfile)
    made = {dockerfile: text.encode("utf-8", "surrogateescape")}
    if bundle is not None:
        made[CA_FILE] = bundle.read_bytes()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted({*kept, *made}):
            if name in made:
                tar.addfile(_neutral(tarfile.TarInfo(name), size=len(made[name])), io.BytesIO(made[name]))
                continue
            if (context / name).is_socket():
                continue  # cannot be sent
            info = tar.gettarinfo(context / name, name)
            if info.isreg():
                with (context / name).open("rb") as content:
                    tar.addfile(_neutral(info), content)
            elif info.isdir() or info.issym():
                tar.addfile(_neutral(info))


def _neutral(info: tarfile.TarInfo, size: int | None = None) -> tarfile.TarInfo:
    """The entry without owner and time, which would be part of what COPY makes."""
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = EPOCH
    info.size = info.size if size is None else size
    return info


def buildx_command(dockerfile: str, arguments: Mapping[str, str], iidfile: Path) -> list[str]:
    """A reproducible BuildKit build of a context on stdin; the values of arguments come from the environment."""
    options = [option for name in sorted(arguments) for option in ("--build-arg", name)]
    return [
        "docker", "buildx", "build", "--progress=plain", "--provenance=false", "--sbom=false", "--load",
        "--iidfile", str(iidfile), "--file", dockerfile, *options, "-",
    ]  # fmt: skip


def _buildx(
    client: DockerClient, archive: IO[bytes], dockerfile: str, arguments: Mapping[str, str], progress: Progress
) -> str:
    from replay.rebuild.engine import address

    with tempfile.TemporaryDirectory(prefix="replay-build-") as folder:
        iidfile = Path(folder) / "iid"
        environment = {**os.environ, **arguments, "DOCKER_HOST": address(client)}
        command = buildx_command(dockerfile, arguments, iidfile)
        log: list[str] = []
        with subprocess.Popen(command, stdin=archive, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=environment, text=True, errors="replace") as process:  # fmt: skip
            for line in process.stdout or ():
                log.append(line.rstrip())
                progress.advanced(TASK, line.rstrip())
        if process.returncode != 0:
            raise _failed(dockerfile, f"exit code {process.returncode}", log)
        return iidfile.read_text(encoding="ascii").strip()


def _classic(
    client: DockerClient, archive: IO[bytes], dockerfile: str, arguments: Mapping[str, str], progress: Progress
) -> str:
    from docker.errors import APIError

    log: list[str] = []
    identifier = ""
    try:
        for line in client.api.build(
            fileobj=archive, custom_context=True, dockerfile=dockerfile, buildargs=dict(arguments),
            rm=True, forcerm=True, decode=True,
        ):  # fmt: skip
            if "error" in line:
                raise _failed(dockerfile, str(line["error"]).strip(), log)
            identifier = (line.get("aux") or {}).get("ID", identifier)
            for text in str(line.get("stream", "")).splitlines():
                if text.strip():
                    log.append(text.rstrip())
                    progress.advanced(TASK, text.rstrip())
    except APIError as error:
        raise _failed(dockerfile, str(error.explanation or error), log) from error
    if not identifier:
        raise _failed(dockerfile, "the builder named no image", log)
    return identifier


def _failed(dockerfile: str, reason: str, log: list[str]) -> ImageBuildError:
    tail = "\n".join(log[-_LOG_LINES:])
    return ImageBuildError(
        f"the build of {dockerfile} failed: {reason}\n{tail}".rstrip(),
        hint="`docker build` of the same folder shows the whole log; environment.ca_bundle passes on a corporate CA",
    )
