"""Runs steps side by side where that changes nothing for them, and in dependency order where they are chained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

import msgspec

from replay.errors import UsageError
from replay.execute.signals import Cancellation

T = TypeVar("T")
_POLL_SECONDS = 0.5


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One step to run: ``needs`` names the tasks whose success it waits for (none when isolated)."""

    name: str
    memory_bytes: int
    needs: frozenset[str] = frozenset()


class Schedule(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What was run, in the order given, and what was not: task → the failed task that it stands on."""

    results: dict[str, T]
    stopped: dict[str, str]


class _Plan:
    """Which tasks wait, run, and are done. Pure: the threads are elsewhere."""

    def __init__(self, tasks: Sequence[Task], *, jobs: int, memory_bytes: int) -> None:
        self.waiting = {task.name: task for task in tasks}
        self.stopped: dict[str, str] = {}
        self._jobs, self._memory = jobs, memory_bytes
        self._running: dict[str, Task] = {}
        self._succeeded: set[str] = set()
        _check(tasks)

    def start(self) -> list[Task]:
        """The tasks to start now; always one when nothing runs, however much memory it wants."""
        started = []
        for task in list(self.waiting.values()):
            if task.needs <= self._succeeded and self._fits(task):
                del self.waiting[task.name]
                self._running[task.name] = task
                started.append(task)
        return started

    def _fits(self, task: Task) -> bool:
        taken = sum(other.memory_bytes for other in self._running.values())
        return not self._running or (len(self._running) < self._jobs and taken + task.memory_bytes <= self._memory)

    def finish(self, name: str, *, succeeded: bool) -> None:
        """Note the end of a task; a failed one stops what stands on it."""
        del self._running[name]
        if succeeded:
            self._succeeded.add(name)
            return
        lost = {name}
        for task in list(self.waiting.values()):
            if task.needs & lost:
                lost.add(task.name)
                self.stopped[task.name] = name
                del self.waiting[task.name]


def _check(tasks: Sequence[Task]) -> None:
    before: set[str] = set()
    for task in tasks:
        if unknown := task.needs - before:
            raise UsageError(f"step {task.name} needs {', '.join(sorted(unknown))}, expected steps that come before it")
        before.add(task.name)


def run_all(
    tasks: Sequence[Task],
    work: Callable[[str], T],
    *,
    succeeded: Callable[[T], bool],
    jobs: int,
    cpus: int,
    memory_bytes: int,
    cancellation: Cancellation,
) -> Schedule[T]:
    """Run every task in a thread.

    Tasks run side by side while there are at most ``min(jobs, cpus)`` of them and their memory limits fit together.

    Args:
        tasks: In dependency order.
        work: Runs one task, by name; looks at ``cancellation``.
        succeeded: Whether a result lets the tasks that need it start.
        jobs: Tasks at once.
        cpus: Of the engine's machine.
        memory_bytes: Of the engine's machine.
        cancellation: Requested when a signal arrives or one task raises.

    Raises:
        UsageError: A task needs one that does not come before it.
        InterruptedReplayError: A stop was requested.
        ReplayError: What a task raised, first; the others are stopped before.
    """
    plan = _Plan(tasks, jobs=max(1, min(jobs, cpus)), memory_bytes=memory_bytes)
    results: dict[str, T] = {}
    with cancellation.trap(), ThreadPoolExecutor(max_workers=max(1, min(jobs, cpus))) as pool:
        running: dict[Future[T], str] = {}
        try:
            while plan.waiting or running:
                cancellation.check("the replay")
                running |= {pool.submit(work, task.name): task.name for task in plan.start()}
                for future in wait(running, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED).done:
                    name = running.pop(future)
                    results[name] = future.result()
                    plan.finish(name, succeeded=succeeded(results[name]))
        except BaseException:
            cancellation.request()
            wait(running)
            cancellation.clear()
            raise
    return Schedule(results={t.name: results[t.name] for t in tasks if t.name in results}, stopped=plan.stopped)
