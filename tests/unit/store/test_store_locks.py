"""Taking turns: who waits is served before the one who just had it, and nothing is held longer than it is needed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from replay.errors import StoreBusyError, StoreError
from replay.store.locks import turn

LONG = 20.0


def is_held(path: Path) -> bool:
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def wait_until(condition: object) -> None:
    assert callable(condition)
    end = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < end, "never came"
        time.sleep(0.002)


def waits(path: Path) -> bool:
    """Whether somebody waits for the lock of which somebody else has the turn: he keeps the queue meanwhile."""
    return is_held(path.with_suffix(".queue"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lineage.lock"


@pytest.fixture(autouse=True)
def _no_descriptor_is_left(tmp_path: Path) -> Iterator[None]:
    yield

    def opened() -> list[str]:
        found = []
        for fd in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):  # that of the listing itself
                found.append(str(fd.readlink()))
        return [name for name in found if name.startswith(str(tmp_path))]

    wait_until(lambda: not opened())


class Asking(threading.Thread):
    """Another one who wants a turn; writes down when it came."""

    def __init__(self, path: Path, order: list[str], name: str) -> None:
        super().__init__(name=name)
        self._path, self._order = path, order
        self.error: StoreError | None = None
        self.start()

    def run(self) -> None:
        try:
            with turn(self._path, LONG):
                self._order.append(self.name)
        except StoreError as error:
            self.error = error


def test_a_waiter_is_served_before_the_one_who_just_had_it(path: Path) -> None:
    order: list[str] = []
    for _ in range(20):
        with turn(path, LONG):
            order.append("first")
            other = Asking(path, order, "other")
            wait_until(lambda: waits(path))
        with turn(path, LONG):  # asked for at once
            order.append("again")
        other.join()
    assert order == ["first", "other", "again"] * 20


def test_nobody_has_a_turn_beside_another(path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(30):
            with turn(path, LONG):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 180


@pytest.mark.parametrize("kept", ["lock", "queue"])
def test_who_waited_too_long_is_told_and_holds_nothing(path: Path, kept: str) -> None:
    """Whether he was the first in the queue or not."""
    order: list[str] = []
    with turn(path, LONG):
        other = Asking(path, order, "other") if kept == "queue" else None
        if other:
            wait_until(lambda: waits(path))
        with (
            pytest.raises(StoreBusyError, match=r"other writers held it for more than 0\.02 s") as caught,
            turn(path, 0.02),
        ):
            order.append("never")
        assert "again" in (caught.value.hint or "")
    if other:
        other.join()
        assert other.error is None
    with turn(path, LONG):
        order.append("later")
    assert order == (["other"] if other else []) + ["later"]
    wait_until(lambda: not is_held(path) and not waits(path))


def test_no_time_to_wait_is_enough_where_nobody_is(path: Path) -> None:
    for _ in range(3):
        with turn(path, 0.0):
            assert is_held(path)
            assert not waits(path)
        assert not is_held(path)


def test_an_error_lets_go(path: Path) -> None:
    with pytest.raises(ZeroDivisionError), turn(path, LONG):
        1 / 0  # noqa: B018
    assert not is_held(path)


def wait_until_interrupted(path: Path) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    with turn(path, LONG):
        pytest.fail("had a turn beside another")


def test_ctrl_c_while_waiting_gives_up_for_good(path: Path) -> None:
    """A lock that came afterwards would be held by nobody who knows of it."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with turn(path, LONG), pytest.raises(KeyboardInterrupt):
            wait_until_interrupted(path)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    with turn(path, LONG):
        assert is_held(path)


def test_a_child_that_was_forked_meanwhile_keeps_nothing(path: Path) -> None:
    reading, writing = os.pipe()
    with turn(path, LONG):
        child = os.fork()
        if child == 0:
            os.close(writing)
            os.read(reading, 1)  # lives on until its parent says so
            os._exit(0)
    try:
        with turn(path, 0.0):
            assert is_held(path)
    finally:
        os.close(reading)
        os.close(writing)
        os.waitpid(child, 0)


def test_a_lock_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "link.lock").symlink_to("elsewhere")
    for bad in (tmp_path / "missing/lineage.lock", tmp_path / "link.lock"):
        with pytest.raises(StoreError), turn(bad, 0.0):
            pytest.fail("had a turn")
    assert not (tmp_path / "elsewhere").exists()
