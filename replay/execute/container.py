"""Runs a step in a hermetic container of a Docker Engine."""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from replay.errors import EngineUnavailableError, ExecuteError
from replay.execute import hints, options, owner, probe
from replay.execute import sweep as orphans
from replay.execute.configs import read_configs
from replay.execute.endings import ExitState, ending_of, reason_for
from replay.execute.engine import CpuPool, engine_errors, free_bytes
from replay.execute.interface import Executor, StepResult, StepRun
from replay.execute.logs import LogSink
from replay.execute.signals import Cancellation
from replay.execute.transport import ArchiveTransport, BindTransport, Transport, choose
from replay.outcome import Ending, Execution
from replay.progress import Progress, Silent
from replay.recipe import Machine, Resources

if TYPE_CHECKING:
    from docker import DockerClient

_POLL_SECONDS = 0.2
_DRAIN_SECONDS = 30
_DISK_FULL_BYTES = 16 << 20
_KILLED = 128 + signal.SIGKILL


class _Watch(threading.Thread):
    """Carries a container's output to the log until it ends; then tells its exit code, or what went wrong."""

    def __init__(self, client: DockerClient, container: str, sink: LogSink) -> None:
        super().__init__(name=f"watch {container[:12]}", daemon=True)
        self.done: queue.SimpleQueue[int | BaseException] = queue.SimpleQueue()
        self._client, self._container, self._sink = client, container, sink
        # Attached before the start, so that not one byte is missed.
        self._stream = client.api.attach(container, stream=True, logs=False)

    def run(self) -> None:
        """Pump; an exception is the thread's answer, raised again by whoever waits for it."""
        try:
            for chunk in self._stream:
                self._sink.feed(chunk)
            with engine_errors("waiting for the step"):
                self.done.put(int(self._client.api.wait(self._container, timeout=None)["StatusCode"]))
        except BaseException as error:  # handed to the thread that waits
            self.done.put(error)
        finally:
            self.close()

    def close(self) -> None:
        """Give the connection back. The stream's own way leaves a socket open, and fails over SSH."""
        self._stream._response.close()  # type: ignore[attr-defined]


class DockerExecutor(Executor):
    """The executor for Docker Engines; one may be shared by threads."""

    def __init__(
        self, client: DockerClient, *, remote: bool = False, transport: str = "auto", progress: Progress | None = None
    ) -> None:
        """Use an engine.

        Args:
            client: Connected; the caller closes it.
            remote: Bind mounts cannot reach this machine's files.
            transport: ``auto``, ``bind`` or ``archive``.
            progress: Told of every line of every log.

        Raises:
            ConfigError: There is no such transport, or a remote engine is asked for bind mounts.
            EngineUnavailableError: The engine does not answer.
        """
        self.cancellation = Cancellation()
        self._client, self._remote = client, remote
        self._transport = choose(transport, remote=remote)
        self._progress = progress or Silent()
        with engine_errors("asking the engine for its CPUs"):
            info = client.api.info()
        self.engine_cpus, self.engine_memory = int(info["NCPU"]), int(info["MemTotal"])
        self._cpus = CpuPool(self.engine_cpus)

    def run(self, run: StepRun) -> StepResult:
        """See `Executor.run`."""
        options.check_image(run.image)
        with self.cancellation.trap():
            self.cancellation.check(f"step {run.step.name}")
            self._progress.started(run.step.name)
            result = self._run(run)
        self._progress.finished(run.step.name, result.execution.reason or str(result.execution.ending))
        return result

    def _run(self, run: StepRun) -> StepResult:
        labels = owner.labels(run.replay_id)
        carrier = self._carrier(run, labels)
        sink = LogSink(run.log_path, self._progress, run.step.name)
        started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
        with (
            contextlib.closing(carrier),
            contextlib.closing(sink),
            self._cpus.take(run.step.resources.cpus) as cpuset,
            self._container(run, carrier, cpuset, labels) as container,
        ):
            carrier.put(container)
            state = self._execute(run, container, sink)
            tree, refused = carrier.get(container)
        log = sink.tail()  # closed by now: its last, unfinished line is there too
        configs, notes = read_configs(run.staged.out)
        execution = Execution(
            step=run.step.name, mode=run.mode, ending=ending_of(state), exit_code=state.exit_code, started=started,
            seconds=time.monotonic() - clock, log=log, log_path=str(run.log_path), reason=_reason(run, state, log),
        )  # fmt: skip
        self._check_disk(run, execution.ending)
        return StepResult(execution=execution, tree=tree, refused=refused, configs=configs, notes=notes)

    def _carrier(self, run: StepRun, labels: dict[str, str]) -> Transport:
        if self._transport == "bind":
            return BindTransport(run.staged)
        return ArchiveTransport(self._client, run.staged, labels, remote=self._remote)

    @contextlib.contextmanager
    def _container(self, run: StepRun, carrier: Transport, cpuset: str, labels: dict[str, str]) -> Iterator[str]:
        step = run.step
        place = "/".join(filter(None, ("/work", run.staged.directory, step.directory)))
        with engine_errors(f"step {step.name}: creating its container"):
            image: Any = self._client.images.get(run.image).attrs["Config"]
            variables = options.environment(step.environment, run.environment, image.get("Env") or (), hook=True)
            made = self._client.containers.create(
                run.image, list(step.command), environment=variables, working_dir=place, labels=labels,
                mounts=carrier.mounts(), **options.hermetic(step.resources, cpuset),
            )  # fmt: skip
        try:
            yield str(made.id)
        finally:
            self._remove(str(made.id))

    def _remove(self, container: str) -> None:
        from docker.errors import NotFound

        with engine_errors("removing a container"), contextlib.suppress(NotFound):
            self._client.api.remove_container(container, force=True, v=True)

    def _execute(self, run: StepRun, container: str, sink: LogSink) -> ExitState:
        name, limit = run.step.name, run.step.resources.timeout_seconds
        with engine_errors(f"step {name}: starting its container"):
            watch = _Watch(self._client, container, sink)
            try:
                self._client.api.start(container)
            except BaseException:
                watch.close()
                raise
        deadline = time.monotonic() + limit
        watch.start()
        ended = self._wait(watch, deadline)
        if ended is None:
            self._kill(container)
            ended = _answer(watch, _DRAIN_SECONDS)
            self.cancellation.check(f"step {name}")
            return ExitState(exit_code=_KILLED if ended is None else ended, timed_out=True)
        return self._state(name, container, ended)

    def _wait(self, watch: _Watch, deadline: float) -> int | None:
        """The exit code; ``None`` when the time is over or a stop is requested."""
        while (left := deadline - time.monotonic()) > 0 and not self.cancellation.requested:
            if (code := _answer(watch, min(left, _POLL_SECONDS))) is not None:
                return code
        return None

    def _kill(self, container: str) -> None:
        from docker.errors import APIError

        with engine_errors("killing a container"), contextlib.suppress(APIError):  # 409: it ended by itself just now
            self._client.api.kill(container)

    def _state(self, name: str, container: str, code: int) -> ExitState:
        with engine_errors(f"step {name}: asking how it ended"):
            state: Any = self._client.api.inspect_container(container)["State"]
        if state.get("Error"):
            raise ExecuteError(f"step {name}: the engine said: {state['Error']}")
        oom_killed = bool(state["OOMKilled"])
        if code == _KILLED and not oom_killed:
            with engine_errors(f"step {name}: it was killed, and then"):
                oom_killed = self._was_out_of_memory(container, state["FinishedAt"])
                self._client.ping()  # an engine that is shutting down kills its containers too
        return ExitState(exit_code=code, oom_killed=oom_killed)

    def _was_out_of_memory(self, container: str, ended: str) -> bool:
        """Whether the engine heard of it too late for the container's state: within a second after its end."""
        until = int(datetime.fromisoformat(ended).timestamp()) + 2
        filters = {"container": container, "event": "oom"}
        return any(True for _ in self._client.api.events(since=0, until=until, decode=True, filters=filters))

    def _check_disk(self, run: StepRun, ending: Ending) -> None:
        if ending is Ending.SUCCEEDED or self._transport != "bind":
            return
        if (free := free_bytes(run.staged.dest)) < _DISK_FULL_BYTES:
            raise ExecuteError(
                f"step {run.step.name} failed while the disk of {run.staged.dest} was full: got {free} free bytes, "
                f"expected at least {_DISK_FULL_BYTES}", hint="free space and run again; nothing was concluded",
            )  # fmt: skip

    def probe(self, image: str, *, cpus: int, environment: dict[str, str]) -> Machine:
        """See `Executor.probe`."""
        options.check_image(image)
        for python in ("python3", "python"):
            code, out = self._capture(image, probe.command(python), cpus, environment)
            if code not in {126, 127}:
                return probe.decode(code, out)
        return probe.without_python(probe.host_facts(), min(cpus, self.engine_cpus))

    def _capture(self, image: str, command: list[str], cpus: int, environment: dict[str, str]) -> tuple[int, bytes]:
        """Exit code and standard output of a short command in a hermetic container without any tree."""
        from docker.types import LogConfig

        with self._cpus.take(cpus) as cpuset, engine_errors("probing the image"):
            settings = options.hermetic(Resources(cpus=cpus, memory_bytes=1 << 30), cpuset)
            settings["log_config"] = LogConfig(type="json-file", config={"max-size": "4m", "max-file": "1"})
            made = self._client.containers.create(
                image, command, environment=environment, labels=owner.labels("probe"), **settings
            )
            try:
                made.start()
                code = int(made.wait(timeout=probe.TIMEOUT_SECONDS)["StatusCode"])
                return code, made.logs(stdout=True, stderr=code != 0)
            finally:
                made.remove(force=True, v=True)

    def sweep(self) -> tuple[str, ...]:
        """See `Executor.sweep`."""
        return orphans.sweep(self._client)


def _answer(watch: _Watch, seconds: float) -> int | None:
    try:
        answer = watch.done.get(timeout=seconds)
    except queue.Empty:
        return None
    if isinstance(answer, BaseException):
        if isinstance(answer, OSError):
            raise EngineUnavailableError(f"the step's output broke off: {answer}") from answer
        raise answer
    return answer


def _reason(run: StepRun, state: ExitState, log: str) -> str:
    what = reason_for(state, run.step.resources)
    if ending_of(state) is Ending.SUCCEEDED:
        return what
    step = run.step
    declared = {a.path for a in step.inputs} | {o.artifact.path for o in step.outputs}
    points_to = hints.explain(log, step=step.name, known=run.known_paths, declared=declared,
                              directory=run.staged.directory)  # fmt: skip
    return f"{what}; {points_to}" if points_to else what
