from __future__ import annotations

import os
import subprocess
import sys

import msgspec
import pytest

from replay.errors import ExecuteError
from replay.execute.owner import OWNER_LABEL, RUN_LABEL, Owner, current, is_gone, labels


def label(owner: Owner) -> str:
    return msgspec.json.encode(owner).decode()


def test_the_living_are_not_gone() -> None:
    own = labels("rp_1")
    assert own[RUN_LABEL] == "rp_1"
    assert not is_gone(own[OWNER_LABEL])
    assert current().pid == os.getpid()


def test_the_dead_are_gone_and_so_are_zombies() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        made = label(current(process.pid))
        assert not is_gone(made)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert is_gone(made)
    assert is_gone(made)


@pytest.mark.parametrize(
    ("changed", "gone"),
    [
        ({"start": "1"}, True),
        ({"boot": "other"}, True),
        ({"host": "other", "start": "1"}, False),
        ({"namespace": "pid:[1]", "start": "1"}, False),
        ({"host": "other", "boot": "other"}, False),
    ],
)
def test_a_pid_alone_proves_nothing(changed: dict[str, str], gone: bool) -> None:
    assert is_gone(label(msgspec.structs.replace(current(), **changed))) is gone


@pytest.mark.parametrize("text", ["", "123", "{}", '{"pid": 1, "x": 2}'])
def test_labels_of_somebody_else(text: str) -> None:
    with pytest.raises(ExecuteError, match="expected a container's owner"):
        is_gone(text)
