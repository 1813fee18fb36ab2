"""The second implementation: DVC itself, in a process of its own, for remotes that only DVC can read.

It works on a scratch copy of the commit with a scratch cache, so that neither the user's checkout nor his cache is
touched, and with ``verify`` off, because a verifying DVC removes damaged objects from writable remotes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from replay.errors import FetchError, SourceNotFoundError, SourceUnreachableError
from replay.fetch.dvcconfig import DvcConfig, Remote
from replay.fetch.git import Mirror
from replay.fetch.interface import Source
from replay.fetch.objects import place_of
from replay.recipe import Artifact, PathKind

_ABSENT = {"FileNotFoundError", "FileMissingError", "PathMissingError", "NoSuchKey"}


class DvcProcessSource(Source):
    """Artifacts that DVC fetches from the remotes which `DvcSource` cannot read."""

    name = "dvc-process"
    local = False

    def __init__(
        self,
        mirror: Mirror,
        commit: str,
        config: DvcConfig,
        *,
        directory: str = "",
        root: str = "",
        remotes: Sequence[str] | None = None,
    ) -> None:
        """Say what to fetch from.

        Args:
            mirror: Holds ``commit``.
            commit: The recipe's commit.
            config: Cache and remotes.
            directory: The workflow's directory in the repository.
            root: The directory in the repository that ``.dvc`` lies in.
            remotes: Names of the remotes to use; by default those that `DvcSource` cannot read.
        """
        super().__init__()
        self._mirror, self._commit = mirror, commit
        self._directory, self._root = directory, root
        self._remotes = [
            remote
            for remote in config.remotes
            if (remote.name in remotes if remotes is not None else place_of(remote) is None)
        ]

    def locate(self, artifact: Artifact) -> str | None:
        """The first remote, as not asked: to ask it would take a whole DVC process."""
        return f"remote {self._remotes[0].name} through DVC (not asked)" if self._remotes else None

    def _fetch(self, artifact: Artifact, dest: Path) -> Generator[str]:
        failures: list[FetchError] = []
        with tempfile.TemporaryDirectory(prefix="replay-dvc-") as scratch:
            tree = self._mirror.tree_of(self._commit)
            if self._remotes:
                self._mirror.write_tree(self._commit, Path(scratch, "tree"), expect_tree=tree)
            for remote in self._remotes:
                failure = self._ask(remote, artifact, dest, Path(scratch))
                if failure is None:
                    yield f"remote {remote.name} through DVC"
                else:
                    failures.append(failure)
        for failure in sorted(failures, key=lambda error: isinstance(error, SourceNotFoundError)):
            raise failure
        raise SourceNotFoundError(f"{artifact.path} was not found; no remote that only DVC can read has it")

    def _ask(self, remote: Remote, artifact: Artifact, dest: Path, scratch: Path) -> FetchError | None:
        path = PurePosixPath(self._directory, artifact.path).relative_to(self._root or ".")
        asked: dict[str, Any] = {
            "root": str(scratch / "tree" / self._root),
            "path": str(path),
            "dest": str(dest),
            "directory": artifact.kind is PathKind.DIRECTORY,
            "remote": "source",
            "config": {
                "core": {"no_scm": True, "analytics": False, "check_update": False, "remote": "source"},
                "cache": {"dir": str(scratch / "cache")},
                "remote": {"source": {**remote.options, "url": remote.url, "verify": False}},
            },
        }
        child = Path(__file__).with_name("dvc_child.py")
        done = subprocess.run(  # -P: this folder has modules called dvc and git, which must not be found first
            [sys.executable, "-P", str(child)],
            input=json.dumps(asked).encode(),
            env=_environment(scratch),
            cwd=scratch,
            capture_output=True,
            check=False,
        )
        return None if done.returncode == 0 else _failure(remote, artifact, done)


def _failure(remote: Remote, artifact: Artifact, done: subprocess.CompletedProcess[bytes]) -> FetchError:
    what = f"{artifact.path} from remote {remote.name} through DVC"
    try:
        told = json.loads(done.stdout)
        kinds, message = set(told["error"]), str(told["message"])
    except (ValueError, KeyError, TypeError):
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return FetchError(f"{what}: the process ended with {done.returncode}: {lines[-1] if lines else 'no message'}")
    if kinds & _ABSENT:
        return SourceNotFoundError(f"{what}: {message}")
    return SourceUnreachableError(f"{what}: {message}", hint="check the network and the remote's credentials")


def _environment(scratch: Path) -> dict[str, str]:
    (scratch / "site").mkdir(exist_ok=True)
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "GIT_"))},
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(scratch / "site"),
        "DVC_GLOBAL_CONFIG_DIR": str(scratch / "global"),
        "DVC_SYSTEM_CONFIG_DIR": str(scratch / "system"),
    }
