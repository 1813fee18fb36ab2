"""A file that changed in the second in which Git wrote its index, to the same size: its times tell nothing."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from replay.fetch.worktree import WorkTree

THEN = (1_600_000_000, 1_600_000_000)


def test_a_change_of_the_same_size_in_the_same_second_is_in_the_patch(repository: Path) -> None:
    def git(*command: str) -> None:
        subprocess.run(["git", *command], cwd=repository, check=True)

    file = repository / "fit.sh"
    git("config", "core.trustctime", "false")
    file.write_text("echo 1\n")
    os.utime(file, THEN)
    git("add", "fit.sh")
    git("commit", "-q", "-m", "One")
    file.write_text("echo 2\n")
    os.utime(file, THEN)
    os.utime(repository / ".git" / "index", THEN)
    state = WorkTree(repository).state()
    assert state.dirty == ("fit.sh",)
    assert b"+echo 2" in state.patch
