"""Work in a child process, where it may be killed or may end the process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from replay.errors import StoreError


def driven(program: str, *arguments: str | Path) -> Any:
    """What a program of ours printed as JSON; it runs in a process of its own and may import `tests_support`."""
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)}, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    sys.stderr.write(done.stderr)
    return json.loads(done.stdout)


def ended(work: Callable[[], int | None]) -> int:
    """What ``work`` returned; 3 or 4 for a `StoreError` with or without a hint, 9 for any other exception."""
    try:
        return work() or 0
    except StoreError as error:
        return 3 if error.hint else 4
    except BaseException:
        traceback.print_exc()
        return 9


def child(work: Callable[[], int | None]) -> int:
    """`ended` in a process of its own; negative when a signal ended it."""
    pid = os.fork()
    if pid == 0:
        code = ended(work)
        sys.stderr.flush()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
