import subprocess
from pathlib import Path

import pytest

from replay.errors import EngineUnavailableError
from replay.progress import Silent
from replay.rebuild.start import System, start_engine


class Machine(System):
    """A machine that is told what it has, and remembers what was asked of it."""

    def __init__(
        self,
        *,
        running=False,
        host=None,
        root=True,
        distribution=("debian",),
        programs=("apt-get",),
        starts=True,
        apt_fails=False,
    ):
        self.running, self.host, self.root, self.starts, self.apt_fails = running, host, root, starts, apt_fails
        self.names, self.programs = frozenset(distribution), set(programs)
        self.commands: list[str] = []
        self.slept = 0.0

    def answers(self, at):
        return "20.10" if self.running else None

    def docker_host(self):
        return self.host

    def is_root(self):
        return self.root

    def distribution(self):
        return self.names

    def which(self, program):
        return f"/usr/bin/{program}" if program in self.programs else None

    def run(self, command, environment):
        self.commands.append(" ".join(command))
        if self.apt_fails:
            return 100, "E: Unable to locate package docker.io\n"
        if "docker.io" in command:
            self.programs.add("dockerd")
        return 0, ""

    def spawn(self, command, log):
        self.commands.append(" ".join(command))
        self.running = self.starts
        script = "import sys; print('failed to start daemon: no cgroups'); sys.exit(1)"
        with log.open("wb") as out:
            process = subprocess.Popen(["python3", "-c", script], stdout=out)
        process.wait()
        return process

    def sleep(self, seconds):
        self.slept += seconds


def start(system: System, tmp_path: Path) -> str:
    return start_engine(Silent(), system=system, arguments=["--debug"], log=tmp_path / "log")


def test_an_engine_that_answers_is_used(tmp_path):
    system = Machine(running=True)
    assert "answers already" in start(system, tmp_path)
    assert system.commands == []


def test_an_installed_engine_is_started(tmp_path):
    system = Machine(programs=("dockerd",), distribution=("arch",))
    assert "was started" in start(system, tmp_path)
    assert system.commands == ["/usr/bin/dockerd --debug"]


def test_on_debian_as_root_it_is_installed_first(tmp_path):
    system = Machine()
    assert "installed with apt and started" in start(system, tmp_path)
    update, install, dockerd = system.commands
    assert update.endswith("update")
    assert "docker.io" in install
    assert dockerd.startswith("/usr/bin/dockerd")


@pytest.mark.parametrize(
    ("system", "message", "hint"),
    [
        (Machine(distribution=("fedora",)), "no Debian or Ubuntu", "docs.docker.com"),
        (Machine(root=False), "only root", "sudo replay doctor --fix"),
        (Machine(root=False, programs=("dockerd",)), "only root", "sudo"),
        (Machine(apt_fails=True), "Unable to locate package", "docs.docker.com"),
        (Machine(programs=("dockerd",), starts=False), "no cgroups", "--privileged"),
    ],
)
def test_what_cannot_be_done_is_said_with_what_to_do(system, message, hint, tmp_path):
    with pytest.raises(EngineUnavailableError, match=message) as caught:
        start(system, tmp_path)
    assert hint in (caught.value.hint or "")


def test_a_docker_host_of_the_user_is_never_replaced(tmp_path):
    system = Machine(host="tcp://far:2375")
    with pytest.raises(EngineUnavailableError, match="tcp://far:2375"):
        start(system, tmp_path)
    assert system.commands == []
