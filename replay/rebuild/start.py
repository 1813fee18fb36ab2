"""What ``replay doctor --fix`` does: use the engine that answers, else install and start one, else say what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from replay.errors import EngineUnavailableError
from replay.progress import Progress
from replay.rebuild.engine import connect

TASK = "Docker Engine"
LOG = Path("/var/log/dockerd-replay.log")
_ANSWER_SECONDS = 60
_MANUAL = "install and start Docker (https://docs.docker.com/engine/install), or set DOCKER_HOST to an engine that runs"


class System:
    """What the start needs of this machine; tests bring another one."""

    def answers(self, at: str | None) -> str | None:
        """The version of the engine that answers, or ``None``."""
        try:
            client = connect(at)
        except EngineUnavailableError:
            return None
        try:
            return str(client.version()["Version"])
        finally:
            client.close()

    def docker_host(self) -> str | None:
        """The engine that the user named."""
        return os.environ.get("DOCKER_HOST") or None

    def is_root(self) -> bool:
        """Whether this may install and start."""
        return os.geteuid() == 0

    def distribution(self) -> frozenset[str]:
        """``ID`` and ``ID_LIKE`` of os-release."""
        path = Path("/etc/os-release")
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        values = dict(line.partition("=")[::2] for line in lines)
        return frozenset(f"{values.get('ID', '')} {values.get('ID_LIKE', '')}".replace('"', "").split())

    def which(self, program: str) -> str | None:
        """Path of a program."""
        return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
        """Run a command to its end: exit code and everything it said."""
        done = subprocess.run(
            command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
        )  # fmt: skip
        return done.returncode, done.stdout

    def spawn(self, command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        """Start a daemon that outlives this process, its words going to ``log``."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd="/"
            )

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def start_engine(
    progress: Progress,
    *,
    system: System | None = None,
    arguments: Sequence[str] = (),
    at: str | None = None,
    log: Path = LOG,
) -> str:
    """Make sure that a Docker Engine answers; returns one sentence that says what was done.

    Args:
        progress: Told what happens.
        system: The machine.
        arguments: Extra arguments of dockerd, for an engine beside the machine's own; never ``--bridge=none``:
            dockerd then removes the ``docker0`` of the other one.
        at: The address at which the engine shall answer, when ``arguments`` name another than the default.
        log: Where a dockerd that is started here writes.

    Raises:
        EngineUnavailableError: None answers and none can be started here; the message and the hint say why.
    """
    system = system or System()
    progress.started(TASK)
    version = system.answers(at)
    if version is not None:
        said = f"Docker Engine {version} answers already; nothing was changed"
        progress.finished(TASK, said)
        return said
    host = system.docker_host()
    if host and at is None:
        raise EngineUnavailableError(
            f"DOCKER_HOST names {host}, and no engine answers there",
            hint="start that engine, or unset DOCKER_HOST and run `replay doctor --fix` again",
        )
    done = "started"
    if system.which("dockerd") is None:
        _install(system, progress)
        done = "installed with apt and started"
    elif not system.is_root():
        raise EngineUnavailableError(
            "no Docker Engine answers, and only root can start dockerd",
            hint="run `sudo replay doctor --fix`, or `sudo systemctl start docker`",
        )
    version = system.answers(at)  # installing the package starts the service where there is systemd
    if version is None:
        version = _start(system, progress, arguments, at, log)
    said = f"Docker Engine {version} was {done}"
    progress.finished(TASK, said)
    return said


def _install(system: System, progress: Progress) -> None:
    debian = bool(system.distribution() & {"debian", "ubuntu"}) and system.which("apt-get") is not None
    if not debian or not system.is_root():
        why = "this is no Debian or Ubuntu" if not debian else "only root can install it"
        raise EngineUnavailableError(
            f"no Docker Engine answers and none is installed; {why}",
            hint=f"run `sudo replay doctor --fix`, or {_MANUAL}" if debian else _MANUAL,
        )
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    apt = ("apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=120")
    for command in ((*apt, "update"), (*apt, "install", "--no-install-recommends", "docker.io", "iptables")):
        progress.advanced(TASK, " ".join(command))
        code, output = system.run(command, environment)
        if code != 0 and "install" in command:
            raise EngineUnavailableError(f"`{' '.join(command)}` failed ({code}): {_tail(output)}", hint=_MANUAL)
        if code != 0:  # an unreachable third-party source must not stop an install that the cache can serve
            progress.advanced(TASK, f"apt-get update failed ({code}), going on: {_tail(output, 2)}")
    if system.which("dockerd") is None:
        raise EngineUnavailableError("docker.io was installed, and there is still no dockerd", hint=_MANUAL)


def _start(system: System, progress: Progress, arguments: Sequence[str], at: str | None, log: Path) -> str:
    """Start dockerd by hand, which works without systemd too, and wait until it answers."""
    if not arguments and Path("/run/systemd/system").is_dir() and system.which("systemctl"):
        progress.advanced(TASK, "systemctl start docker")
        system.run(("systemctl", "start", "docker"), {})
        version = system.answers(at)
        if version is not None:
            return version
    progress.advanced(TASK, f"starting dockerd; its log is {log}")
    process = system.spawn((system.which("dockerd") or "dockerd", *arguments), log)
    for _ in range(_ANSWER_SECONDS * 2):
        version = system.answers(at)
        if version is not None:
            return version
        if process.poll() is not None:
            break
        system.sleep(0.5)
    code = process.poll()
    state = f"did not answer in {_ANSWER_SECONDS} s" if code is None else f"ended with code {code}"
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    raise EngineUnavailableError(
        f"dockerd {state}; its last words: {_tail(text)}",
        hint=f"{log} tells why; in a container it needs --privileged. Else {_MANUAL}",
    )


def _tail(text: str, count: int = 5) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-count:]) or "nothing"
