"""The folder of one record or replay: code tree, inputs, steps' trees, evidence. Removed when all went well."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING, Self

from replay.outcome import Mode
from replay.recipe import Artifact, Code, Output, PathKind, Step
from replay.session import Session
from replay.store import fsops

if TYPE_CHECKING:
    from replay.execute.collect import Collected
    from replay.execute.interface import Executor, StepResult

_OWNER = ".owner.json"


class Workspace:
    """Use it as a context manager; on failure it is kept and named, and a dead process's is swept."""

    def __init__(self, session: Session, name: str, code: Code, *, keep: bool = False) -> None:
        self.name = name
        self._owner = _own(session, name)
        self.root = session.workspace(name)
        self.keep = keep
        self._session = session
        self._code = code
        self._lock = threading.Lock()
        self._staged = 0
        for part in ("inputs", "steps", "evidence", "logs"):
            fsops.make_dir(self.root / part)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and not self.keep:
            fsops.remove_tree(self.root)
            self._owner.unlink(missing_ok=True)
            return
        self._owner.unlink(missing_ok=True)
        self._session.progress.finished("workspace", f"kept for inspection: {self.root}")

    @property
    def code(self) -> Path:
        """The code version's tree."""
        return self.root / "code"

    def write_code(self) -> None:
        """Write the code version, verified against its recorded tree id.

        Raises:
            FetchError: The commit is gone, or its tree is another one.
        """
        code = self._code
        mirror = self._session.mirror(code)
        mirror.ensure(code.commit, self._session.code_sources(code))
        mirror.write_tree(code.commit, self.code, expect_tree=code.tree, patch=self._session.patch(code))

    def copy_input(self, source: Path, path: str) -> Path:
        """Our own copy of an input in the work tree: what is hashed is what is run."""
        target = self.root / "inputs" / path
        fsops.make_dir(target.parent)
        _copy(source, target)
        return target

    def input_place(self, artifact: Artifact) -> Path:
        """Where a fetched input is to be put: by content, so that steps share it."""
        target = self.root / "inputs" / artifact.digests.sha256 / PurePosixPath(artifact.path).name
        fsops.make_dir(target.parent)
        return target

    def run(
        self,
        executor: Executor,
        step: Step,
        image: str,
        inputs: Mapping[str, Path],
        outputs: Sequence[Output | str],
        *,
        exclude: Collection[str],
        mode: Mode,
        environment: Mapping[str, str] | None = None,
        label: str | None = None,
    ) -> StepResult:
        """Stage and run one step; its log lies at `log_of`."""
        from replay.execute.interface import StepRun
        from replay.execute.staging import stage

        with self._lock:
            self._staged += 1
            dest = self.root / "steps" / f"{self._staged:04d}"
        staged = stage(self.code, inputs, outputs, self._code.directory, dest, exclude=exclude, cwd=step.directory)
        run = StepRun(
            step=step,
            image=image,
            staged=staged,
            mode=mode,
            log_path=self.log_of(label or step.name),
            replay_id=self.name,
            environment=dict(environment or {}),
            known_paths=self.known_paths,
        )
        result = executor.run(run)
        with self._lock:
            self._staged_by_tree[result.tree] = (staged.known, staged.directory)
        return result

    def collect(
        self, label: str, result: StepResult, outputs: Sequence[str], *, kinds: Mapping[str, PathKind] | None
    ) -> Collected:
        """Move a run's declared outputs to the evidence; ``kinds`` are the recorded ones, when there is a record."""
        from replay.execute.collect import collect

        known, directory = self._staged_by_tree[result.tree]
        wanted = {path: (kinds or {}).get(path) for path in outputs}
        evidence = self.root / "evidence" / label.replace("/", "_")
        fsops.make_dir(evidence)
        return collect(result, known, directory, wanted, evidence)

    def log_of(self, label: str) -> Path:
        """The log of one run."""
        return self.root / "logs" / f"{label.replace('/', '_')}.log"

    def tracked_by_dvc(self, path: str) -> str | None:
        """The md5 under which DVC tracks ``path`` (in the workflow's directory) at the recorded commit."""
        return self._dvc_outs.get(path) or self._below_dvc_directory(path)

    @cached_property
    def known_paths(self) -> frozenset[str]:
        """Files that exist in the user's work tree, relative to the workflow's directory; to explain a failure."""
        base = self._session.root / self._code.directory
        tracked = set(self._dvc_outs)
        code = self.code / self._code.directory
        files = {p.relative_to(code).as_posix() for p in code.rglob("*") if p.is_file()} if code.is_dir() else set()
        here = {p.relative_to(base).as_posix() for p in _some_files(base)}
        return frozenset(tracked | files | here)

    @cached_property
    def _staged_by_tree(self) -> dict[Path, tuple[dict[str, frozenset[str]], str]]:
        return {}

    @cached_property
    def _dvc_outs(self) -> dict[str, str]:
        from replay.fetch.dvcfiles import outs_of

        found: dict[str, str] = {}
        base = PurePosixPath(self._code.directory)
        for file in sorted(self.code.rglob("*.dvc")):
            if not file.is_file():
                continue
            for out in outs_of(file.relative_to(self.code).as_posix(), file.read_bytes()):
                if out.md5 and not out.external and PurePosixPath(out.path).is_relative_to(base):
                    found[PurePosixPath(out.path).relative_to(base).as_posix()] = out.md5
        return found

    def _below_dvc_directory(self, path: str) -> str | None:
        """The md5 of a file inside a tracked directory, from the directory's listing in DVC's cache."""
        from replay.fetch.dvcconfig import find_dvc_dir, load

        parent = next((p for p in _parents(path) if self._dvc_outs.get(p, "").endswith(".dir")), None)
        dvc_dir = find_dvc_dir(self._session.root / self._code.directory, self._session.root)
        if parent is None or dvc_dir is None:
            return None
        oid = self._dvc_outs[parent]
        listing = load(dvc_dir).cache / "files" / "md5" / oid[:2] / oid[2:]
        if not listing.is_file():
            return None
        entries = json.loads(listing.read_bytes())
        return next((e["md5"] for e in entries if f"{parent}/{e['relpath']}" == path), None)


def _own(session: Session, name: str) -> Path:
    """Say whose workspace it is: beside it, before it is made and until it is gone, so that a killed one is found."""
    from replay.execute.owner import labels

    place = session.store.root / "workspaces" / f"{name}{_OWNER}"
    fsops.make_dir(place.parent)
    fsops.write_bytes(place, json.dumps(labels(name)).encode())
    return place


def sweep_workspaces(session: Session) -> None:
    """Remove the workspaces of processes that were killed; kept ones have no owner any more."""
    from replay.execute.owner import OWNER_LABEL, is_gone

    folder = session.store.root / "workspaces"
    fsops.make_dir(folder)
    with fsops.lock(session.store.root / "workspaces.lock"):  # one sweeper at a time
        fsops.sweep(folder)
        for owner in sorted(folder.glob(f"*{_OWNER}")):
            try:
                owned = json.loads(owner.read_bytes())
            except FileNotFoundError:  # its owner has finished just now
                continue
            if is_gone(owned[OWNER_LABEL]):
                fsops.remove_tree(folder / owner.name.removesuffix(_OWNER))
                owner.unlink(missing_ok=True)


def _parents(path: str) -> list[str]:
    return [str(parent) for parent in PurePosixPath(path).parents if str(parent) != "."]


def _some_files(base: Path, limit: int = 20_000) -> list[Path]:
    found: list[Path] = []
    for folder, folders, files in os.walk(base):
        folders[:] = [name for name in folders if name not in {".git", ".dvc", ".replay", ".venv"}]
        found += [Path(folder) / name for name in files]
        if len(found) > limit:
            break
    return found[:limit]


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        fsops.make_dir(target)
        for child in sorted(source.iterdir()):
            _copy(child, target / child.name)
    else:
        fsops.copy_file(source.resolve(), target, mode=0o444, durable=False)
