from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from replay.errors import ExecuteError, InterruptedReplayError, UsageError
from replay.execute.schedule import Schedule, Task, run_all
from replay.execute.signals import Cancellation


def task(name: str, *needs: str, memory: int = 1) -> Task:
    return Task(name=name, memory_bytes=memory, needs=frozenset(needs))


class Crew:
    """Work that notes its order, and how many run at once; with ``together`` they wait for one another."""

    def __init__(self, *, together: int = 1, failing: frozenset[str] = frozenset()) -> None:
        self.order: list[str] = []
        self.most = self._now = 0
        self._failing, self._lock = failing, threading.Lock()
        self._barrier = threading.Barrier(together, timeout=30)
        self.cancellation = Cancellation()

    def work(self, name: str) -> bool:
        with self._lock:
            self.order.append(name)
            self._now += 1
            self.most = max(self.most, self._now)
        self._barrier.wait()
        time.sleep(0.05)  # long enough for another one to be seen beside it, if there is one
        with self._lock:
            self._now -= 1
        return name not in self._failing

    def run(self, *tasks: Task, jobs: int = 2, cpus: int = 2, memory: int = 10) -> Schedule[bool]:
        return run_all(tasks, self.work, succeeded=bool, jobs=jobs, cpus=cpus, memory_bytes=memory,
                       cancellation=self.cancellation)  # fmt: skip


def test_isolated_tasks_run_side_by_side() -> None:
    crew = Crew(together=2)
    done = crew.run(task("a"), task("b"))
    assert list(done.results) == ["a", "b"]
    assert crew.most == 2


@pytest.mark.parametrize(("jobs", "cpus", "memory"), [(1, 8, 10), (8, 1, 10), (8, 8, 1)])
def test_limits_keep_them_apart(jobs: int, cpus: int, memory: int) -> None:
    crew = Crew()
    assert len(crew.run(task("a"), task("b"), task("c"), jobs=jobs, cpus=cpus, memory=memory).results) == 3
    assert crew.most == 1


def test_a_task_larger_than_the_machine_still_runs_alone() -> None:
    assert Crew().run(task("a", memory=99), task("b")).results == {"a": True, "b": True}


def test_chained_tasks_wait_and_a_failure_stops_what_stands_on_it() -> None:
    crew = Crew(failing=frozenset({"b"}))
    done = crew.run(task("a"), task("b", "a"), task("c", "b"), task("d", "c"), task("e", "a"))
    assert done.results == {"a": True, "b": False, "e": True}
    assert done.stopped == {"c": "b", "d": "b"}
    assert crew.order[0] == "a"


@pytest.mark.parametrize("tasks", [[task("a", "b"), task("b")], [task("a", "a")], [task("a", "nobody")]])
def test_needs_must_come_before(tasks: list[Task]) -> None:
    with pytest.raises(UsageError, match="expected steps that come before it"):
        Crew().run(*tasks)


def test_trouble_in_one_stops_the_others_and_is_what_is_raised() -> None:
    cancellation, begun = Cancellation(), threading.Event()

    def work(name: str) -> bool:
        if name == "a":
            assert begun.wait(30)
            raise ExecuteError("no")
        begun.set()
        while not cancellation.requested:
            begun.wait(0.01)
        raise cancellation.error(name)

    with pytest.raises(ExecuteError, match=r"^no$"):
        run_all([task("a"), task("b")], work, succeeded=bool, jobs=2, cpus=2, memory_bytes=9, cancellation=cancellation)
    assert not cancellation.requested


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_become_one_error_and_handlers_come_back(number: signal.Signals) -> None:
    cancellation = Cancellation()
    before = signal.getsignal(number)

    def work(name: str) -> bool:
        os.kill(os.getpid(), number)
        while not cancellation.requested:
            pass
        raise cancellation.error(name)

    with pytest.raises(InterruptedReplayError, match=f"stopped by {number.name}") as caught:
        run_all([task("a")], work, succeeded=bool, jobs=1, cpus=1, memory_bytes=9, cancellation=cancellation)
    assert caught.value.signum == number
    assert signal.getsignal(number) is before
    with pytest.raises(InterruptedReplayError):
        cancellation.check("anything after it")
