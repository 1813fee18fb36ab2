"""Brings a step's outputs from its tree into the evidence. The tree was written by untrusted code, whose processes
are gone: nothing is followed, nothing is opened that is not a regular file, everything is bounded before it is read.
"""  # noqa: D205

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import msgspec

from replay.errors import ExecuteError
from replay.execute.interface import StepResult
from replay.execute.logs import escape
from replay.execute.staging import CONTAINER_UID
from replay.recipe import Output, PathKind
from replay.store import fsops

MAX_BYTES = 256 << 30
MAX_FILES = 1_000_000
MAX_UNEXPECTED = 1000
_MAX_DEPTH = 100
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NAMED = {PathKind.FILE: "a regular file", PathKind.DIRECTORY: "a directory"}


class Collected(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was found of the declared outputs, and what else was left; paths relative to the workflow's directory."""

    found: dict[str, Path]
    """Declared output → where it lies in the evidence."""
    problems: dict[str, str]
    """Declared output → why it was not taken: missing, a link, a FIFO, the wrong kind, over budget …"""
    unexpected: tuple[str, ...]
    """Undeclared files left where the step may write, escaped for a terminal."""


class _Refused(Exception):  # noqa: N818  # becomes an entry of ``problems``, never leaves this module
    """Why an output is not taken."""


class _Budget:
    def __init__(self, size: int, files: int) -> None:
        self._size, self._files = size, files
        self._left, self._files_left = size, files

    def take(self, size: int) -> None:
        self._left -= size
        self._files_left -= 1
        if self._left < 0:
            raise _Refused(f"larger than the budget of {self._size} bytes for all outputs")
        if self._files_left < 0:
            raise _Refused(f"more than {self._files} files in all outputs")


def collect(
    result: StepResult,
    known: Mapping[str, frozenset[str]],
    directory: str,
    outputs: Sequence[Output] | Mapping[str, PathKind | None],
    evidence: Path,
    *,
    max_bytes: int = MAX_BYTES,
    max_files: int = MAX_FILES,
) -> Collected:
    """Move the declared outputs to ``evidence``, under their own paths, with permissions 0644.

    Args:
        result: Of the step; ``result.tree`` loses what is moved.
        known: ``Staged.known``.
        directory: ``Staged.directory``.
        outputs: As recorded; or path → kind, ``None`` where any kind will do.
        evidence: A directory that is there.
        max_bytes: Of all outputs together.
        max_files: Of all outputs together.

    Raises:
        ExecuteError: This process may not read an output.
        StoreError: The disk is full, not writable, or failed.
    """
    kinds = dict(outputs) if isinstance(outputs, Mapping) else {o.artifact.path: o.artifact.kind for o in outputs}
    budget, found, problems = _Budget(max_bytes, max_files), dict[str, Path](), dict[str, str]()
    with fsops.guard(evidence):
        for path, kind in kinds.items():
            inside = str(PurePosixPath(directory) / path)
            try:
                _check_refused(inside, result.refused)
                found[path] = _take(result.tree, inside, kind, evidence / path, budget)
            except _Refused as why:
                problems[path] = escape(str(why))
        declared = {str(PurePosixPath(directory) / path) for path in kinds}
        return Collected(found=found, problems=problems,
                         unexpected=_unexpected(result, known, declared, directory))  # fmt: skip


def _check_refused(path: str, refused: Mapping[str, str]) -> None:
    for entry, what in refused.items():
        if entry == path:
            raise _Refused(f"got {what}, expected a file or a directory")
        if entry.startswith(f"{path}/"):
            raise _Refused(f"{entry.removeprefix(f'{path}/')} in it is {what}, expected regular files only")


@contextlib.contextmanager
def _opened(name: str | Path, flags: int, parent: int | None = None) -> Iterator[int]:
    try:
        fd = os.open(name, flags, dir_fd=parent)
    except PermissionError as error:
        raise ExecuteError(
            f"{name}: the step left it unreadable for this user", hint="set executor.transport=archive"
        ) from error
    try:
        yield fd
    finally:
        os.close(fd)


def _take(tree: Path, path: str, kind: PathKind | None, target: Path, budget: _Budget) -> Path:
    with contextlib.ExitStack() as stack:
        here = stack.enter_context(_opened(tree, _DIRECTORY))
        *parents, name = PurePosixPath(path).parts
        for part in parents:
            if not stat.S_ISDIR(mode := _mode(here, part, "the step did not write it")):
                raise _Refused(f"{part} on the way to it is {fsops.kind_of(mode)}")
            here = stack.enter_context(_opened(part, _DIRECTORY, here))
        mode = _mode(here, name, "the step did not write it")
        actual = PathKind.DIRECTORY if stat.S_ISDIR(mode) else PathKind.FILE if stat.S_ISREG(mode) else None
        if actual is None or (kind is not None and actual is not kind):
            expected = _NAMED[kind] if kind else "a file or a directory"
            raise _Refused(f"got {fsops.kind_of(mode)}, expected {expected}")
        target.parent.mkdir(parents=True, exist_ok=True)
        if actual is PathKind.FILE:
            _take_file(here, name, target, budget)
        else:
            try:
                _take_directory(here, name, target, budget, 0)
            except _Refused:
                fsops.remove_tree(target)
                raise
    return target


def _mode(parent: int, name: str, missing: str) -> int:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    except FileNotFoundError:
        raise _Refused(missing) from None


def _take_directory(parent: int, name: str, target: Path, budget: _Budget, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise _Refused(f"deeper than {_MAX_DEPTH} directories")
    target.mkdir()
    with _opened(name, _DIRECTORY, parent) as here:
        for child in _names(here):
            _check_name(child)
            mode = _mode(here, child, f"{child} vanished")
            if stat.S_ISDIR(mode):
                _take_directory(here, child, target / child, budget, depth + 1)
            elif stat.S_ISREG(mode):
                _take_file(here, child, target / child, budget)
            else:
                raise _Refused(f"{child} in it is {fsops.kind_of(mode)}, expected regular files only")


def _names(directory: int) -> list[str]:
    return sorted(os.listdir(directory), key=os.fsencode)


def _check_name(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise _Refused(f"the name {os.fsencode(name)!r} in it is not UTF-8") from None
    if not name.isprintable():
        raise _Refused(f"the name {name!r} in it has control characters")


def _take_file(parent: int, name: str, target: Path, budget: _Budget) -> None:
    """Move one file by its open descriptor: what is checked is what is taken."""
    with _opened(name, _FILE, parent) as fd:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise _Refused(f"{name} is {fsops.kind_of(status.st_mode)}, expected a regular file")
        budget.take(status.st_size)
        if status.st_nlink > 1 or not _moved(parent, name, target, status):
            with fsops.temporary(target.parent) as (temp, copy):
                while os.sendfile(copy, fd, None, 64 << 20):
                    pass
                fsops.publish(temp, copy, target, mode=0o644, durable=False)
            return
        os.fchmod(fd, 0o644)
        if status.st_uid == CONTAINER_UID and os.geteuid() == 0:
            os.fchown(fd, 0, os.getegid())


def _moved(parent: int, name: str, target: Path, status: os.stat_result) -> bool:
    try:
        os.rename(name, target, src_dir_fd=parent)
    except OSError:  # another disk, or a directory that the container's user made: copied instead
        return False
    after = target.lstat()
    if (after.st_dev, after.st_ino) != (status.st_dev, status.st_ino):
        target.unlink()
        raise _Refused(f"{name} was exchanged while it was taken")
    return True


def _unexpected(
    result: StepResult, known: Mapping[str, frozenset[str]], declared: set[str], directory: str
) -> tuple[str, ...]:
    expected = declared | set(known) | {str(parent) for path in known for parent in PurePosixPath(path).parents}
    found = [path for path in sorted(result.refused) if path not in declared and not _below(path, declared)]
    with _opened(result.tree, _DIRECTORY) as root:
        for place, names in known.items():
            with contextlib.suppress(_Refused, FileNotFoundError, NotADirectoryError), _descend(root, place) as here:
                for name in (n for n in _names(here) if n not in names):
                    path = str(PurePosixPath(place) / name)
                    if path not in expected:
                        found += _listed(here, name, path, 0)
    shown = [escape(os.path.relpath(path, directory or ".")) for path in sorted(set(found), key=os.fsencode)]
    more = len(shown) - MAX_UNEXPECTED
    return tuple(shown[:MAX_UNEXPECTED] + ([f"… and {more} more"] if more > 0 else []))


def _below(path: str, declared: set[str]) -> bool:
    return any(str(parent) in declared for parent in PurePosixPath(path).parents)


@contextlib.contextmanager
def _descend(root: int, path: str) -> Iterator[int]:
    with contextlib.ExitStack() as stack:
        here = root
        for part in PurePosixPath(path).parts:
            here = stack.enter_context(_opened(part, _DIRECTORY, here))
        yield here


def _listed(parent: int, name: str, path: str, depth: int) -> list[str]:
    mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    if not stat.S_ISDIR(mode) or depth > _MAX_DEPTH:
        return [path]
    found: list[str] = []
    with _opened(name, _DIRECTORY, parent) as here:
        for child in _names(here):
            found += _listed(here, child, f"{path}/{child}", depth + 1)
            if len(found) > MAX_UNEXPECTED * 10:
                break
    return found or [f"{path}/"]
