from __future__ import annotations

import pytest

from replay.execute.endings import ExitState, ending_of, reason_for
from replay.outcome import Ending
from replay.recipe import Resources

LIMITS = Resources(cpus=1, memory_bytes=64 << 20, timeout_seconds=9, shm_bytes=1 << 20)


@pytest.mark.parametrize(
    ("state", "ending", "says"),
    [
        (ExitState(exit_code=0), Ending.SUCCEEDED, ""),
        (ExitState(exit_code=0, oom_killed=True), Ending.SUCCEEDED, "killed at the limit of 64 MiB"),
        (ExitState(exit_code=3), Ending.EXITED, "it exited with code 3"),
        (ExitState(exit_code=128), Ending.EXITED, "it exited with code 128"),
        (ExitState(exit_code=255), Ending.EXITED, "it exited with code 255"),
        (ExitState(exit_code=126), Ending.EXITED, "not executable"),
        (ExitState(exit_code=127), Ending.EXITED, "a command was not found"),
        (ExitState(exit_code=137), Ending.SIGNALLED, "SIGKILL"),
        (ExitState(exit_code=135), Ending.SIGNALLED, "SIGBUS; a full /dev/shm (1 MiB)"),
        (ExitState(exit_code=132), Ending.SIGNALLED, "SIGILL"),
        (ExitState(exit_code=137, oom_killed=True), Ending.OUT_OF_MEMORY, "more than its 64 MiB"),
        (ExitState(exit_code=1, oom_killed=True), Ending.OUT_OF_MEMORY, "more than its 64 MiB"),
        (ExitState(exit_code=137, timed_out=True), Ending.TIMED_OUT, "its limit of 9 s"),
        (ExitState(exit_code=137, timed_out=True, oom_killed=True), Ending.TIMED_OUT, "its limit of 9 s"),
    ],
)
def test_endings_are_told_apart(state: ExitState, ending: Ending, says: str) -> None:
    assert ending_of(state) is ending
    reason = reason_for(state, LIMITS)
    assert says in reason
    assert bool(reason) is bool(says)
