"""What can go wrong between this process and a Docker Engine, as errors of ours."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from replay.errors import EngineUnavailableError, ExecuteError

_UNREACHABLE = "`replay doctor` says whether an engine answers; nothing was concluded from this run"


@contextlib.contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turn docker-py's errors into ours.

    Raises:
        EngineUnavailableError: The engine does not answer.
        ExecuteError: It answered with a refusal.
    """
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except APIError as error:
        said = str(error.explanation or error)
        raise ExecuteError(f"{doing}: the engine said: {said}", hint=_hint(said)) from error
    except (RequestException, HTTPError, DockerException, ConnectionError, TimeoutError) as error:
        raise EngineUnavailableError(f"{doing}: the engine does not answer: {error}", hint=_UNREACHABLE) from error


def _hint(said: str) -> str | None:
    hints = {
        "No such image": "the image was removed meanwhile; run again, it is rebuilt",
        "docker-init": "the engine's machine has no docker-init; on Debian and Ubuntu it is in the package tini",
        "no space left": "free space on the engine's disk",
        "cpuset": "the engine may not use that many CPUs",
    }
    return next((hint for text, hint in hints.items() if text in said), None)


class CpuPool:
    """Hands out CPUs, the least used ones first and then the lowest, so that parallel steps do not share one CPU."""

    def __init__(self, cpus: int) -> None:
        self._lock = threading.Lock()
        self._use = [0] * max(1, cpus)

    @contextlib.contextmanager
    def take(self, wanted: int) -> Iterator[str]:
        """``wanted`` CPUs, or all there are, as a cpuset such as ``0,1``."""
        with self._lock:
            order = sorted(range(len(self._use)), key=lambda cpu: (self._use[cpu], cpu))
            taken = sorted(order[: max(1, wanted)])
            for cpu in taken:
                self._use[cpu] += 1
        try:
            yield ",".join(map(str, taken))
        finally:
            with self._lock:
                for cpu in taken:
                    self._use[cpu] -= 1


def free_bytes(path: Path) -> int:
    """What an unprivileged user may still write on the disk of ``path``; 0 also when it has no inode left."""
    status = os.statvfs(path)
    return 0 if status.f_files and not status.f_favail else status.f_bavail * status.f_frsize
