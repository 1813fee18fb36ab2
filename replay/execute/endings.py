"""Tells apart how a container ended. Pure."""

from __future__ import annotations

import signal

import msgspec

from replay.outcome import Ending
from replay.recipe import Resources

_FIRST_SIGNAL = 128
_NOT_EXECUTABLE, _NOT_FOUND = 126, 127


class ExitState(msgspec.Struct, frozen=True, kw_only=True):
    """What the engine says of a container that is not running any more."""

    exit_code: int
    oom_killed: bool = False
    timed_out: bool = False
    """We killed it at its time limit."""


def ending_of(state: ExitState) -> Ending:
    """How the step ended.

    A step that exits with 0 has succeeded, even when the kernel killed one of its children for lack of memory: what
    its outputs are worth is seen when they are compared.
    """
    if state.timed_out:
        return Ending.TIMED_OUT
    if state.exit_code == 0:
        return Ending.SUCCEEDED
    if state.oom_killed:
        return Ending.OUT_OF_MEMORY
    return Ending.SIGNALLED if _signal_name(state.exit_code) else Ending.EXITED


def reason_for(state: ExitState, resources: Resources) -> str:
    """What happened, for people; empty for a plain success."""
    ending = ending_of(state)
    memory = f"{resources.memory_bytes >> 20} MiB"
    if ending is Ending.TIMED_OUT:
        return f"it ran longer than its limit of {resources.timeout_seconds} s and was killed"
    if ending is Ending.OUT_OF_MEMORY:
        return f"it used more than its {memory} of memory; the kernel killed it"
    if ending is Ending.SUCCEEDED:
        return f"a child process was killed at the limit of {memory} of memory" if state.oom_killed else ""
    if ending is Ending.SIGNALLED:
        return f"it was ended by {_signal_name(state.exit_code)}{_signal_hint(state.exit_code, resources)}"
    code = f"it exited with code {state.exit_code}"
    if state.exit_code == _NOT_FOUND:
        return f"{code}: a command was not found in the image"
    return f"{code}: a command is not executable" if state.exit_code == _NOT_EXECUTABLE else code


def _signal_name(exit_code: int) -> str:
    try:
        return signal.Signals(exit_code - _FIRST_SIGNAL).name
    except ValueError:
        return ""


def _signal_hint(exit_code: int, resources: Resources) -> str:
    hints = {
        signal.SIGBUS: f"; a full /dev/shm ({resources.shm_bytes >> 20} MiB) does that",
        signal.SIGXFSZ: f"; a file grew beyond the limit of {resources.file_bytes} bytes",
        signal.SIGILL: "; a library was built for, or was told to use, instructions that this CPU lacks",
        signal.SIGSEGV: "; a crash in compiled code",
    }
    return hints.get(signal.Signals(exit_code - _FIRST_SIGNAL), "")
