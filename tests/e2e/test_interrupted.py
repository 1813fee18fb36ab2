"""The tool is killed, interrupted, or started twice: nothing is half done, and the next command cleans up."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests_support.project import NO_ARCHIVE, Project

pytestmark = pytest.mark.docker

SLOW = "i=0; while [ $i -lt 40 ]; do sleep 0.05; i=$((i+1)); done; seq 1000 > model.txt"
RECORD = ("record", "--json", *NO_ARCHIVE, "--model", "demo", "-o", "model.txt", "--", "sh", "-c", SLOW)


def until(happened: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        if process.poll() is not None and not happened():
            pytest.fail(f"it ended before: {process.communicate()}")
        assert time.monotonic() < deadline, "it did not happen within a minute"
        time.sleep(0.02)


def kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):  # the last moments are short: it may have ended by itself
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def half_remove(project: Project) -> None:
    """Make a workspace look as if its owner had been killed while it removed it."""
    (workspace,) = (path for path in (project.root / ".replay" / "workspaces").iterdir() if path.is_dir())
    for path in [path for path in workspace.iterdir() if path.is_file()]:
        path.unlink()
    (workspace / "logs").rename(workspace / ".replay-removed-0123456789abcdef")


@pytest.fixture
def slow(project: Project) -> Project:
    project.write({".gitignore": "/model.txt\n"})
    project.commit("Nothing but a slow command")
    return project


MOMENTS: dict[str, Callable[[Project], object]] = {
    "the store is made": lambda project: (project.root / ".replay").exists(),
    "code is fetched": lambda project: list(project.root.glob(".replay/workspaces/*/code")),
    "the step runs": lambda project: project.leftovers() and list(project.root.glob(".replay/workspaces/*/steps/*")),
    "outputs are published": lambda project: (project.root / "model.txt").exists(),
    "the recipe is frozen": lambda project: (project.root / "recipes" / "demo").exists(),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_record_that_is_killed_can_be_done_again(moment: str, slow: Project) -> None:
    process = slow.start(*RECORD)
    until(lambda: MOMENTS[moment](slow), process)
    kill(process)
    done = slow.finish(slow.start(*RECORD))
    assert done.code == 0, done.stderr
    assert slow.leftovers() == []
    model_id = done.json()["model_id"]
    assert model_id in {"demo:1", "demo:2"}, "the killed one may have been registered already"
    code, result = slow.judge(model_id)
    assert (code, result["verdict"]) == (0, "reproduced"), result["reason"]
    verified = slow.replay("verify")
    assert verified.code == 0, verified.stdout
    assert list((slow.root / ".replay" / "workspaces").iterdir()) == []


def test_a_replay_that_is_killed_can_be_done_again(slow: Project) -> None:
    assert slow.finish(slow.start(*RECORD)).code == 0
    process = slow.start("run", "demo:1")
    until(lambda: slow.leftovers(), process)
    kill(process)
    assert slow.leftovers(), "kill -9 leaves the container to the next command"
    half_remove(slow)
    code, result = slow.judge("demo:1")
    assert (code, result["verdict"]) == (0, "reproduced"), result["reason"]
    assert slow.leftovers() == []
    assert slow.replay("verify").code == 0
    assert list((slow.root / ".replay" / "workspaces").iterdir()) == []


@pytest.mark.parametrize(("signum", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_removes_the_container_and_is_told_by_the_exit_code(
    signum: signal.Signals, expected: int, slow: Project
) -> None:
    assert slow.finish(slow.start(*RECORD)).code == 0
    process = slow.start("run", "--json", "demo:1")
    until(lambda: slow.leftovers(), process)
    process.send_signal(signum)
    done = slow.finish(process)
    assert done.code == expected, done.stderr
    assert done.stdout == ""
    assert slow.leftovers() == []
    assert slow.replay("verify").code == 0


def test_two_recorders_at_once_get_two_versions(slow: Project) -> None:
    processes = [slow.start(*RECORD) for _ in range(2)]
    done = [slow.finish(process) for process in processes]
    assert [one.code for one in done] == [0, 0], [one.stderr for one in done]
    assert sorted(one.json()["model_id"] for one in done) == ["demo:1", "demo:2"]
    assert slow.replay("verify").code == 0
    for model_id in ("demo:1", "demo:2"):
        assert slow.judge(model_id)[1]["verdict"] == "reproduced"


def test_two_replays_at_once_do_not_disturb_each_other(slow: Project) -> None:
    assert slow.finish(slow.start(*RECORD)).code == 0
    processes = [slow.start("run", "--json", "demo:1") for _ in range(2)]
    results = [slow.finish(process).json() for process in processes]
    assert [result["verdict"] for result in results] == ["reproduced", "reproduced"]
    assert len({result["replay_id"] for result in results}) == 2
    assert slow.replay("verify").code == 0


def test_two_recorders_of_one_pipeline_at_once(project: Project) -> None:
    """DVC locks its own repository; whoever comes second waits or is told so, and the record stays whole."""
    project.write(
        {
            "dvc.yaml": "stages:\n  fit:\n    cmd: seq 10 > model.txt\n    outs: [model.txt]\n"
            "artifacts:\n  demo: {path: model.txt, type: model}\n"
        }
    )
    project.init_dvc()
    project.commit("A pipeline")
    command = ("record", "--json", *NO_ARCHIVE, "--model", "demo")
    processes = [project.start(*command) for _ in range(2)]
    done = [project.finish(process) for process in processes]
    good = [one.json()["model_id"] for one in done if one.code == 0]
    assert good, [one.stderr for one in done]
    assert all("lock" in one.stderr for one in done if one.code != 0), [one.stderr for one in done]
    for model_id in good:
        assert project.judge(model_id)[1]["verdict"] == "reproduced"
    assert project.replay("verify").code == 0
    assert Path(project.root / "model.txt").read_text().split() == [str(n) for n in range(1, 11)]
