"""Signals, kill -9 and an engine that goes away in the middle of a step: nothing stays behind, nothing is concluded."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests_support.containers import TEST_LABEL, Workshop, base_image, docker_client, leftovers

from replay.errors import EngineUnavailableError, InterruptedReplayError
from replay.execute.interface import StepResult
from replay.execute.owner import OWNER_LABEL, RUN_LABEL, labels
from replay.execute.schedule import Task, run_all
from replay.execute.sweep import sweep
from replay.outcome import Ending

if TYPE_CHECKING:
    from docker import DockerClient

pytestmark = [pytest.mark.docker, pytest.mark.alone]

RUNNER = """
import sys
from pathlib import Path
from tests_support.containers import Workshop, docker_client
from replay.errors import InterruptedReplayError
with docker_client() as client:
    shop = Workshop(Path(sys.argv[1]), client, sys.argv[2], sys.argv[3])
    try:
        shop.run("trap '' TERM INT; echo begun; sleep 1000")
    except InterruptedReplayError as error:
        print(error, "|", error.hint)
        sys.exit(128 + error.signum)
"""


@pytest.fixture(scope="module")
def client() -> Iterator[DockerClient]:
    with docker_client() as made:
        yield made


@pytest.fixture(scope="module")
def image(client: DockerClient) -> str:
    return base_image(client)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


@contextlib.contextmanager
def running(tmp_path: Path, image: str, transport: str) -> Iterator[subprocess.Popen[str]]:
    """A process of its own that runs a step without end; the body begins when the step has said its first word."""
    here = Path(__file__).resolve()
    path = os.pathsep.join([str(here.parents[2]), str(here.parents[1])])
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(tmp_path), image, transport],
        env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    log = tmp_path / "run1" / "step.log"
    with process:
        try:
            wait_for(lambda: log.is_file() and log.read_text() == "begun\n")
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("transport", ["bind", "archive"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_removes_the_container_and_keeps_the_log(
    tmp_path: Path, client: DockerClient, image: str, number: signal.Signals, transport: str
) -> None:
    with running(tmp_path, image, transport) as process:
        assert leftovers(client) != []
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert said == f"step train was stopped by {number.name} | its container is removed, its log is kept\n"
    assert (tmp_path / "run1" / "step.log").read_text() == "begun\n"
    assert leftovers(client) == []


@pytest.mark.parametrize("transport", ["bind", "archive"])
def test_kill_9_leaves_an_orphan_that_the_next_start_sweeps(
    tmp_path: Path, client: DockerClient, image: str, transport: str
) -> None:
    with running(tmp_path, image, transport) as process:
        left = leftovers(client)
        assert len(left) == (1 if transport == "bind" else 3)
        assert sweep(client) == ()  # its owner lives
        assert leftovers(client) == left
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert leftovers(client) == left
    assert len(sweep(client)) == len(left)
    assert leftovers(client) == []


def test_sweep_leaves_what_belongs_to_other_machines(client: DockerClient, image: str) -> None:
    own = labels("rp_other")
    elsewhere = own[OWNER_LABEL].replace('"host":"', '"host":"elsewhere-').replace('"boot":"', '"boot":"0')
    made = client.containers.create(image, ["true"], labels={RUN_LABEL: "rp_other", OWNER_LABEL: elsewhere})
    try:
        assert sweep(client) == ()
        assert leftovers(client, "rp_other") == [made.id]
    finally:
        made.remove()


class Cable:
    """A local socket in front of the engine's own, which can be cut."""

    def __init__(self, path: Path) -> None:
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        self._ends: list[socket.socket] = []
        self._lock, self._cut = threading.Lock(), False
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect("/var/run/docker.sock")
                with self._lock:
                    self._ends += [near, far]
                    if self._cut:
                        return
                    for source, target in ((near, far), (far, near)):
                        self._threads.append(threading.Thread(target=self._carry, args=(source, target)))
                        self._threads[-1].start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        with self._lock:
            self._cut = True
            for end in [self._server, *self._ends]:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in [self._server, *self._ends]:
            end.close()


# docker-py forgets its socket when it cannot connect; collected here, so that no other test is blamed.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_engine_that_goes_away_is_no_verdict(tmp_path: Path, client: DockerClient, image: str) -> None:
    from docker import DockerClient as Client

    cable = Cable(tmp_path / "engine.sock")
    through = Client(base_url=f"unix://{tmp_path}/engine.sock", version="auto")
    shop = Workshop(tmp_path, through, image, "bind")
    log = tmp_path / "run1" / "step.log"

    def cut() -> None:
        wait_for(lambda: log.is_file() and log.read_text() == "begun\n")
        cable.cut()

    cutter = threading.Thread(target=cut)
    cutter.start()
    try:
        with pytest.raises(EngineUnavailableError, match="the engine does not answer"):
            shop.run("echo begun; sleep 1000")
        assert log.read_text() == "begun\n"
    finally:
        cutter.join()
        through.close()
        for container in client.containers.list(all=True, filters={"label": f"{RUN_LABEL}={TEST_LABEL}"}):
            container.remove(force=True)
        gc.collect()


def test_steps_run_side_by_side_on_cpus_of_their_own(tmp_path: Path, client: DockerClient, image: str) -> None:
    """The barrier lets neither start before the other is about to, so they overlap."""
    shop = Workshop(tmp_path, client, image, "bind")
    command = "sleep 1; python3 -c 'import os; print(sorted(os.sched_getaffinity(0)))'"
    runs = {name: shop.prepare(command, name=name) for name in ("a", "b")}
    barrier = threading.Barrier(2, timeout=60)

    def work(name: str) -> StepResult:
        barrier.wait()
        return shop.executor.run(runs[name])

    done = run_all(
        [Task(name=name, memory_bytes=256 << 20) for name in runs], work,
        succeeded=lambda r: r.execution.ending is Ending.SUCCEEDED, jobs=2, cpus=2, memory_bytes=8 << 30,
        cancellation=shop.executor.cancellation,
    )  # fmt: skip
    logs = [result.execution.log for result in done.results.values()]
    assert sorted(logs) == (["[0]\n", "[1]\n"] if shop.executor.engine_cpus > 1 else ["[0]\n", "[0]\n"])


def test_a_stop_from_another_thread_ends_a_step(tmp_path: Path, client: DockerClient, image: str) -> None:
    shop = Workshop(tmp_path, client, image, "bind")
    log = tmp_path / "run1" / "step.log"

    def stop() -> None:
        wait_for(lambda: log.is_file() and log.read_text() == "begun\n")
        shop.executor.cancellation.request()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(InterruptedReplayError, match="stopped by another step's failure"):
        shop.run("echo begun; sleep 1000")
    stopper.join()
    assert leftovers(client) == []
