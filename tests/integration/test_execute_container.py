"""Real steps in real containers: what they may do, how they end, what is brought back."""

from __future__ import annotations

import io
import json
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests_support.containers import Workshop, base_image, docker_client, leftovers, resources

from replay.errors import ExecuteError, UsageError
from replay.execute import container
from replay.execute.probe import host_facts
from replay.outcome import Ending
from replay.recipe import PathKind

if TYPE_CHECKING:
    from docker import DockerClient

pytestmark = pytest.mark.docker

HERMETIC = r"""
import errno, json, os, socket, subprocess
def attempt(call):
    try:
        call()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    return "done"
status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
def connect():
    with socket.socket() as s:
        s.settimeout(5)
        s.connect(("192.0.2.1", 80))
print(json.dumps({
    "CapEff": status["CapEff"], "CapBnd": status["CapBnd"], "NoNewPrivs": status["NoNewPrivs"],
    "Seccomp": status["Seccomp"], "uid": os.getuid(), "connect": attempt(connect),
    "root": attempt(lambda: open("/x", "w")), "input": attempt(lambda: open("data/in.csv", "w")),
    "code": attempt(lambda: open("src/code.py", "w")), "unlink code": attempt(lambda: os.unlink("src/code.py")),
    "rename input": attempt(lambda: os.rename("data", "moved")),
    "chmod": attempt(lambda: os.chmod("src/code.py", 0o777)),
    "undeclared place": attempt(lambda: open("src/new", "w")),
    "mknod": attempt(lambda: os.mknod("/tmp/n", 0o20600, 259)),
    "hook": attempt(lambda: open("/replay/hook/x", "w")), "cpus": sorted(os.sched_getaffinity(0)).__len__(),
    "hostname": socket.gethostname(), "home": attempt(lambda: open("/tmp/home/x", "w")),
    "interfaces": os.listdir("/sys/class/net"),
    "core": subprocess.check_output("ulimit -c", shell=True).decode().strip(),
}))
"""


@pytest.fixture(scope="module")
def client() -> Iterator[DockerClient]:
    with docker_client() as made:
        yield made


@pytest.fixture(scope="module")
def image(client: DockerClient) -> str:
    return base_image(client)


@pytest.fixture(params=["bind", "archive", "remote"])
def workshop(request: pytest.FixtureRequest, tmp_path: Path, client: DockerClient, image: str) -> Iterator[Workshop]:
    yield Workshop(tmp_path, client, image, request.param)
    assert leftovers(client) == []


@pytest.fixture
def bound(tmp_path: Path, client: DockerClient, image: str) -> Iterator[Workshop]:
    yield Workshop(tmp_path, client, image, "bind")
    assert leftovers(client) == []


def test_a_step_is_locked_in(workshop: Workshop) -> None:
    run = workshop.run("python3 src/code.py", files={"src/code.py": HERMETIC}, inputs={"data/in.csv": "1\n"},
                       outputs=["out/model.txt"])  # fmt: skip
    assert run.execution.ending is Ending.SUCCEEDED, run.execution.log
    seen = json.loads(run.execution.log)
    # The archive transport has no mount on remote engines; there, permissions protect the input.
    assert seen.pop("input") in {"EROFS", "EACCES"}
    assert seen.pop("rename input") in {"EBUSY", "EACCES", "EPERM"}
    assert seen == {
        "CapEff": "0000000000000000", "CapBnd": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2", "uid": 65534,
        "connect": "ENETUNREACH", "root": "EROFS", "code": "EACCES", "unlink code": "EACCES", "chmod": "EPERM",
        "undeclared place": "EACCES", "mknod": "EPERM", "hook": seen["hook"], "cpus": 1, "hostname": "replay",
        "home": "done", "interfaces": ["lo"], "core": "0",
    }  # fmt: skip
    assert seen["hook"] in {"EROFS", "EACCES"}


def test_code_beside_an_output_is_protected_by_the_sticky_bit(workshop: Workshop) -> None:
    found = workshop.collect(
        "rm -f keep.py; mv keep.py gone.py; echo changed > keep.py; cat keep.py; echo 7 > model.txt",
        {"model.txt": PathKind.FILE}, files={"keep.py": "original\n"},
    )  # fmt: skip
    assert found.found["model.txt"].read_text() == "7\n"
    assert found.problems == {}
    assert found.unexpected == ()


def test_outputs_travel_and_undeclared_ones_are_named(workshop: Workshop) -> None:
    command = (
        "cat in/a in/d/b > out/joined; mkdir -p models/m/deep; echo 1 > models/m/deep/x; : > models/m/empty; "
        "chmod 6777 out/joined; echo junk > out/junk; mkdir stray; touch stray/s; pwd > where"
    )
    (workshop.root / "source" / "d").mkdir(parents=True)
    (workshop.root / "source" / "d" / "b").write_text("b\n")
    found = workshop.collect(
        command, {"out/joined": PathKind.FILE, "models/m": PathKind.DIRECTORY, "where": PathKind.FILE},
        inputs={"in/a": "a\n", "in/d": workshop.root / "source" / "d"}, directory="projects/one",
    )  # fmt: skip
    assert found.problems == {}
    assert found.found["out/joined"].read_text() == "a\nb\n"
    assert found.found["where"].read_text() == "/work/projects/one\n"
    assert sorted(p.name for p in found.found["models/m"].rglob("*")) == ["deep", "empty", "x"]
    status = found.found["out/joined"].stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o644, os.geteuid())
    assert found.unexpected == ("out/junk", "stray/s")


def test_outputs_that_are_no_plain_files_are_refused(workshop: Workshop) -> None:
    command = r"""ln -s /etc/shadow link; mkfifo fifo; mkdir folder; echo > plain; mkdir bad; ln -s /etc bad/inner
    mkdir names
    python3 -c 'import socket; open(b"names/\xff\n","w"); s=socket.socket(socket.AF_UNIX); s.bind("sock")'
    ln -s folder through; echo > folder/x"""
    kinds = {"link": PathKind.FILE, "fifo": PathKind.FILE, "folder": PathKind.FILE, "plain": PathKind.DIRECTORY,
             "bad": PathKind.DIRECTORY, "names": PathKind.DIRECTORY, "gone": PathKind.FILE, "sock": None}  # fmt: skip
    found = workshop.collect(command, kinds)
    assert found.found == {}
    # An archive has no sockets: the engine leaves them out, and it is as if the step had not written it.
    assert found.problems.pop("sock") in {"got a socket, expected a file or a directory", "the step did not write it"}
    expected = {
        "link": "got a symbolic link", "fifo": "got a FIFO", "folder": "got a directory, expected a regular file",
        "plain": "got a regular file, expected a directory", "bad": "inner in it is a symbolic link",
        "names": r"the name b'\xff\n' in it is not UTF-8", "gone": "the step did not write it",
    }  # fmt: skip
    assert {path: why for path, why in found.problems.items() if not why.startswith(expected[path])} == {}
    assert found.problems.keys() == expected.keys()
    assert found.unexpected == ("through",)
    assert not (workshop.root / "run1" / "evidence" / "bad").exists()


def test_an_exit_code_is_a_value(workshop: Workshop) -> None:
    run = workshop.run("echo half > out; exit 3", outputs=["out"])
    assert (run.execution.ending, run.execution.exit_code) == (Ending.EXITED, 3)
    assert run.execution.reason == "it exited with code 3"
    assert (run.tree / "out").read_text() == "half\n"


def test_out_of_memory(bound: Workshop) -> None:
    run = bound.run("python3 -c 'b\"x\" * (1 << 30)'", resources=resources(memory_bytes=64 << 20))
    assert run.execution.ending is Ending.OUT_OF_MEMORY
    assert run.execution.reason == "it used more than its 64 MiB of memory; the kernel killed it"


def test_out_of_memory_that_the_engine_tells_late(bound: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its event may come after the exit: then the container's state never says so."""
    real = bound.client.api.inspect_container

    def unaware(container: str) -> Any:
        found = real(container)
        return found | {"State": found["State"] | {"OOMKilled": False}}

    monkeypatch.setattr(bound.client.api, "inspect_container", unaware)
    hungry = bound.run("python3 -c 'b\"x\" * (1 << 30)'", resources=resources(memory_bytes=64 << 20))
    assert hungry.execution.ending is Ending.OUT_OF_MEMORY
    killed = bound.run("kill -9 $$")
    assert (killed.execution.ending, killed.execution.exit_code) == (Ending.SIGNALLED, 137)


def test_a_child_out_of_memory_is_told_when_the_step_survives(bound: Workshop) -> None:
    hungry = "python3 -c 'b\"x\" * (1 << 30)' || echo survived"
    run = bound.run(hungry, resources=resources(memory_bytes=64 << 20))
    assert run.execution.ending is Ending.SUCCEEDED
    assert run.execution.reason == "a child process was killed at the limit of 64 MiB of memory"


def test_time_limit_with_sigterm_ignored(workshop: Workshop) -> None:
    run = workshop.run("trap '' TERM INT; echo begun; sleep 1000", resources=resources(timeout_seconds=1))
    assert run.execution.ending is Ending.TIMED_OUT
    assert run.execution.log == "begun\n"
    assert run.execution.reason == "it ran longer than its limit of 1 s and was killed"


@pytest.mark.parametrize(("command", "name"), [("kill -SEGV $$", "SIGSEGV"), ("kill -KILL $$", "SIGKILL")])
def test_signals(bound: Workshop, command: str, name: str) -> None:
    run = bound.run(command)
    assert run.execution.ending is Ending.SIGNALLED
    assert run.execution.reason.startswith(f"it was ended by {name}")


def test_logs_are_made_harmless(bound: Workshop) -> None:
    run = bound.run(r"printf '\033[31mred\377\303\251\r50%%\rend'; printf 'err\n' >&2")
    assert "\\x1b[31mred\\xffé\n50%\nend" in run.execution.log
    assert "err\n" in run.execution.log
    assert Path(run.execution.log_path or "").read_text() == run.execution.log


def test_a_file_that_is_too_large(bound: Workshop) -> None:
    code = "import os\ntry:\n    os.truncate(os.open('f', 65), 1 << 40)\nexcept OSError as e:\n    print(e.strerror)"
    run = bound.run("python3 big.py; rm -f f", files={"big.py": code}, outputs=["f"],
                    resources=resources(file_bytes=1 << 20))  # fmt: skip
    assert "File too large" in run.execution.log
    run = bound.run("head -c 2000000 /dev/zero > f", outputs=["f"], resources=resources(file_bytes=1 << 20))
    assert run.execution.ending in {Ending.EXITED, Ending.SIGNALLED}


def test_a_fork_bomb_stays_in_its_box(bound: Workshop) -> None:
    bomb = (
        "import os, time\nn = 0\ntry:\n    while True:\n        if os.fork() == 0:\n            time.sleep(60)\n"
        "            os._exit(0)\n        n += 1\nexcept OSError as e:\n    print(n, e.strerror)"
    )
    run = bound.run("python3 bomb.py", files={"bomb.py": bomb}, resources=resources(pids=40))
    children, reason = run.execution.log.split(" ", 1)
    assert int(children) < 40
    assert reason == "Resource temporarily unavailable\n"


def test_what_a_failure_points_to(bound: Workshop) -> None:
    run = bound.run("python3 -c 'open(\"data/extra.csv\")'", known_paths=frozenset({"data/extra.csv"}))
    assert "data/extra.csv exists in the repository but is not a declared input of step train" in run.execution.reason
    code = "import urllib.request as u; u.urlopen('http://example.org/')"
    assert "the network, which is off" in bound.run(f'python3 -c "{code}"').execution.reason
    run = bound.run("no-such-program")
    assert run.execution.reason == "it exited with code 127: a command was not found in the image"


def test_a_full_disk_is_no_failure_of_the_workflow(bound: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "_DISK_FULL_BYTES", 1 << 62)
    with pytest.raises(ExecuteError, match=r"the disk of .* was full"):
        bound.run("exit 1")
    assert bound.run("exit 0").execution.ending is Ending.SUCCEEDED


def test_environment_is_what_the_recipe_says(bound: Workshop) -> None:
    run = bound.run("env | sort", environment={"FOO": "1", "PYTHONPATH": "/work/lib", "LC_ALL": "C.UTF-8"})
    seen = dict(line.split("=", 1) for line in run.execution.log.splitlines())
    assert seen.pop("PATH")
    assert seen.keys() - {"LANG", "GPG_KEY", "PYTHON_VERSION", "PYTHON_SHA256"} == {
        "FOO", "PYTHONPATH", "LC_ALL", "HOME", "HOSTNAME", "PWD"}  # fmt: skip
    assert seen["PYTHONPATH"] == "/replay/hook:/work/lib"


def test_only_images_by_content(bound: Workshop) -> None:
    run = bound.prepare("true")
    bound.image = "python:3"
    with pytest.raises(UsageError, match="a tag may move"):
        bound.executor.run(bound.prepare("true"))
    bound.image = "sha256:" + "0" * 64
    with pytest.raises(ExecuteError, match="No such image"):
        bound.executor.run(bound.prepare("true"))
    assert bound.executor.run(run).execution.ending is Ending.SUCCEEDED


def test_probe_sees_what_a_step_sees(bound: Workshop) -> None:
    machine = bound.executor.probe(bound.image, cpus=1, environment={"OMP_NUM_THREADS": "1"})
    assert machine.cpus == 1
    assert machine.cpu_flags == host_facts().cpu_flags
    assert machine.python.startswith("3.")
    assert machine.libc.startswith("glibc 2.")


def test_probe_of_an_image_without_python(bound: Workshop) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("nothing-here"))
    answer = json.loads(bound.client.api.import_image_from_data(buffer.getvalue()))
    try:
        machine = bound.executor.probe(answer["status"], cpus=1, environment={})
        assert (machine.python, machine.blas, machine.cpus) == ("", (), 1)
        assert machine.cpu_model == host_facts().cpu_model
    finally:
        bound.client.images.remove(answer["status"])
