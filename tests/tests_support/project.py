"""A user's repository for tests that run the real command line in it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

import replay
from replay import recipe_file
from replay.execute import owner
from replay.recipe import PathKind, Recipe, Step, Storage
from replay.store.hashing import describe

LIMIT_SECONDS = 300
NO_ARCHIVE = ("--set", "store.archive_images=false")
"""Most tests need no copy of the image; those that do leave this out."""

_HERE = {
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "PYTHONPATH": str(Path(replay.__file__).parents[1]),
    "COLUMNS": "200",
    "GIT_CONFIG_GLOBAL": os.devnull,
    **{f"GIT_{role}_NAME": "Test" for role in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{role}_EMAIL": "test@localhost" for role in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{role}_DATE": "2020-01-01T00:00:00+0000" for role in ("AUTHOR", "COMMITTER")},
}


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """How one command line ended; its output may be no UTF-8."""

    code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        assert self.stdout.strip(), f"no JSON on stdout, exit code {self.code}:\n{self.stderr}"
        return msgspec.json.decode(self.stdout)


class Project:
    """A Git repository, with or without DVC; every command runs in ``directory``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.directory = root
        self.pids: list[int] = []
        root.mkdir(parents=True, exist_ok=True)
        self.run("git", "init", "-q", "-b", "main")

    @classmethod
    def at(cls, root: Path) -> Project:
        """A checkout that is there already."""
        found = cls.__new__(cls)
        found.root = found.directory = root
        found.pids = []
        return found

    def write(self, files: Mapping[str, str]) -> None:
        for path, text in files.items():
            (self.directory / path).parent.mkdir(parents=True, exist_ok=True)
            (self.directory / path).write_text(text)

    def run(self, *command: str | Path) -> str:
        """A command that must succeed; what it printed."""
        done = subprocess.run(
            command, cwd=self.directory, env=os.environ | _HERE, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def dvc(self, *arguments: str) -> str:
        return self.run(sys.executable, "-m", "dvc", *arguments)

    def init_dvc(self, tracked: Sequence[str] = ()) -> None:
        self.dvc("init", "-q", *(() if self.directory == self.root else ("--subdir",)))
        self.dvc("config", "core.autostage", "true")
        if tracked:
            self.dvc("add", "-q", *tracked)

    def commit(self, message: str) -> str:
        """Commit everything; the commit's id."""
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "--allow-empty", "-m", message)
        return self.run("git", "rev-parse", "HEAD").strip()

    def start(self, *arguments: str, variables: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """The command line in a process of its own, and in a process group of its own."""
        process = subprocess.Popen(
            [sys.executable, "-m", "replay", *arguments],
            cwd=self.directory,
            env=os.environ | _HERE | (variables or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.pids.append(process.pid)
        return process

    def finish(self, process: subprocess.Popen[bytes]) -> Ran:
        try:
            out, err = process.communicate(timeout=LIMIT_SECONDS)
        finally:
            process.kill()
        done = Ran(code=process.returncode, stdout=out.decode(), stderr=err.decode())
        assert not re.search(r"^Traceback", done.stderr, re.MULTILINE), done.stderr  # a step's log is indented
        assert "this is a defect" not in done.stderr, done.stderr
        return done

    def replay(self, *arguments: str, variables: Mapping[str, str] | None = None) -> Ran:
        """``replay …`` to its end; it never shows a traceback."""
        return self.finish(self.start(*arguments, variables=variables))

    def record(self, *arguments: str, archive: bool = False, code: int = 0, **options: Any) -> Ran:
        """``replay record --json …``, which must end with ``code``."""
        done = self.replay("record", "--json", *(() if archive else NO_ARCHIVE), *arguments, **options)
        assert done.code == code, f"got exit code {done.code}, expected {code}:\n{done.stdout}\n{done.stderr}"
        return done

    def judge(self, *arguments: str, **options: Any) -> tuple[int, dict[str, Any]]:
        """``replay run --json …``: exit code and result."""
        done = self.replay("run", "--json", *arguments, **options)
        return done.code, done.json()

    def recipe(self, model_id: str) -> Recipe:
        """The recipe that a record froze."""
        name, _, version = model_id.partition(":")
        path = self.root / "recipes" / name / f"{version}.json"
        return recipe_file.decode(path.read_bytes(), str(path))

    def variant(
        self, model_id: str, file: str, *, environment: str | None = None, commands: Mapping[str, str] | None = None
    ) -> Path:
        """The recipe of ``model_id`` with its outputs as recorded, but run from HEAD and the data that lies here.

        So a replay really differs from its record, in a way that a recorder would never write down.
        """
        recorded = self.recipe(model_id)
        made = {o.artifact.path for step in recorded.steps for o in step.outputs}
        ids = self.run("git", "rev-parse", "HEAD", "HEAD^{tree}").split()
        changed = msgspec.structs.replace(
            recorded,
            code=msgspec.structs.replace(recorded.code, commit=ids[0], tree=ids[1]),
            environment=self.recipe(environment).environment if environment else recorded.environment,
            steps=tuple(self._as_it_lies_here(step, made, commands or {}) for step in recorded.steps),
        )
        path = self.directory / file
        path.write_bytes(recipe_file.encode(changed))
        return path

    def _as_it_lies_here(self, step: Step, made: set[str], commands: Mapping[str, str]) -> Step:
        inputs = []
        for artifact in step.inputs:
            if artifact.path not in made:
                now = describe(self.directory / artifact.path)
                artifact = msgspec.structs.replace(artifact, size=now.size, files=now.files, digests=now.digests)
            inputs.append(artifact)
        command = ("/bin/sh", "-c", commands[step.name]) if step.name in commands else step.command
        return msgspec.structs.replace(step, inputs=tuple(inputs), command=command)

    def cached(self, path: str) -> Path:
        """Where DVC's cache holds the recorded bytes of the file ``path`` (or of a directory: its listing)."""
        outputs = [o.artifact for step in self._last().steps for o in step.outputs]
        inputs = [artifact for step in self._last().steps for artifact in step.inputs]
        md5 = next(a.digests.md5 for a in (*outputs, *inputs) if a.path == path and a.storage is Storage.DVC)
        return self.directory / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]

    def blob(self, path: str) -> Path:
        """Where the store holds the recorded bytes of the file ``path``."""
        outputs = [o.artifact for step in self._last().steps for o in step.outputs]
        inputs = [artifact for step in self._last().steps for artifact in step.inputs]
        found = next(a for a in (*outputs, *inputs) if a.path == path and a.storage is Storage.STORE)
        assert found.kind is PathKind.FILE
        sha256 = found.digests.sha256
        return self.root / ".replay" / "blobs" / "sha256" / sha256[:2] / sha256[2:]

    def _last(self) -> Recipe:
        newest = max((self.root / "recipes").glob("*/*.json"), key=lambda path: int(path.stem))
        return recipe_file.decode(newest.read_bytes(), str(newest))

    def leftovers(self) -> list[str]:
        """Containers that command lines of this project left behind."""
        names = subprocess.run(
            ["docker", "ps", "-a", "--filter", f"label={owner.RUN_LABEL}", "--format",
             f'{{{{.Names}}}}\t{{{{.Label "{owner.OWNER_LABEL}"}}}}'],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        found = [line.partition("\t")[::2] for line in names.splitlines()]
        return [name for name, label in found if label and msgspec.json.decode(label)["pid"] in self.pids]

    def remove(self) -> None:
        """Give the disk back."""
        shutil.rmtree(self.root)


@contextlib.contextmanager
def copy_of(recorded: Path, folder: Path) -> Iterator[Project]:
    """A project of its own with all that another has; its commands must leave no container behind."""
    shutil.copytree(recorded, folder, symlinks=True)
    made = Project.at(folder)
    yield made
    assert made.leftovers() == []
    made.remove()


def flip(path: Path) -> None:
    """Change one bit in the middle of a file, whatever its permissions say; its times stay."""
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    path.chmod(status.st_mode & 0o777)
