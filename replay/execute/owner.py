"""Who owns a container: written into its label, and asked when it may be an orphan."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import msgspec

from replay.errors import ExecuteError

RUN_LABEL = "replay.run"
OWNER_LABEL = "replay.pid"


class Owner(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One process, told apart from a later one with the same pid, here and on other machines."""

    host: str
    boot: str
    namespace: str
    pid: int
    start: str


def _text(path: str) -> str:
    try:
        return Path(path).read_text("ascii").strip()
    except OSError:  # no Linux: the pid alone must do
        return ""


def _started(pid: int) -> str:
    """Clock ticks since boot when ``pid`` was started; a zombie counts as gone."""
    fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return "" if not fields or fields[0] == "Z" else fields[19]


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:  # no Linux
        return ""


def current(pid: int | None = None) -> Owner:
    """This process, or process ``pid`` of this machine."""
    pid = os.getpid() if pid is None else pid
    boot = _text("/proc/sys/kernel/random/boot_id")
    return Owner(host=socket.gethostname(), boot=boot, namespace=_namespace(), pid=pid, start=_started(pid))


def labels(replay_id: str) -> dict[str, str]:
    """The labels of everything that this process makes on an engine."""
    return {RUN_LABEL: replay_id, OWNER_LABEL: msgspec.json.encode(current()).decode()}


def is_gone(label: str) -> bool:
    """Whether the owner named by ``label`` is surely dead.

    False for owners that cannot be seen from here: on another machine, or in another pid namespace.

    Raises:
        ExecuteError: The label is none of ours.
    """
    try:
        owner = msgspec.json.decode(label, type=Owner)
    except msgspec.DecodeError as error:
        raise ExecuteError(f"got the label {OWNER_LABEL}={label!r}, expected a container's owner: {error}") from error
    here = current(owner.pid)
    if owner.host != here.host:
        return False
    if owner.boot != here.boot:
        return True
    if owner.namespace != here.namespace:
        return False
    return owner.start != here.start if owner.start else not _alive(owner.pid)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
