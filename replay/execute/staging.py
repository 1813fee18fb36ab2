"""Lays out a step's tree on this machine, so that file permissions alone protect what the step may only read.

The container's user owns nothing in the tree. Files are read-only, directories too; a directory that has to receive
an output is mode 1777: new files are welcome, and its sticky bit keeps the others from being renamed or removed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from replay.errors import ExecuteError, PolicyError
from replay.execute.interface import Staged
from replay.recipe import Output
from replay.store import fsops

CONTAINER_UID = 65534
_HOOK = Path(__file__).parent / "hook"
_READ_ONLY, _STICKY = 0o555, 0o1777


def stage(
    tree: Path,
    inputs: Mapping[str, Path],
    outputs: Sequence[Output | str],
    directory: str,
    dest: Path,
    *,
    exclude: Collection[str] = (),
    cwd: str = "",
) -> Staged:
    """Make ``dest`` the tree that one step sees.

    Files are linked where that is possible and safe, else copied: no source is changed, and none is followed through
    a link. A declared output that is a directory is not made: commands make theirs, as under DVC.

    Args:
        tree: The code version's whole tree.
        inputs: Path in the workflow's directory → verified file or directory.
        outputs: What the step may write, relative to the workflow's directory.
        directory: Where the workflow lies in ``tree``; empty for its root.
        dest: The new directory; its parent is there.
        exclude: Paths in the workflow's directory that must not be seen unless they are inputs: outputs of any step.
        cwd: The step's working directory in the workflow's directory; made when it is not there.

    Raises:
        ExecuteError: An input is neither a file nor a directory, or a path leads through a link.
        PolicyError: This process runs as the user of the containers.
        StoreError: The disk is full, not writable, or failed.
    """
    if os.geteuid() == CONTAINER_UID:
        raise PolicyError(f"got uid {CONTAINER_UID}, expected another user than that of the containers")
    base = PurePosixPath(directory)
    targets = [_join(base, o if isinstance(o, str) else o.artifact.path) for o in outputs]
    hidden = {_join(base, path) for path in exclude} | set(targets)
    placed = {_join(base, path): source for path, source in inputs.items()}
    with fsops.guard(dest):
        for part in (dest, dest / "work", dest / "hook", dest / "out"):
            part.mkdir()
        work = dest / "work"
        _place_tree(tree, work, hidden)
        for path, source in sorted(placed.items()):
            _place_input(source, work, path)
        writable = {str(PurePosixPath(path).parent) for path in targets}
        writable |= {path for path in targets if _is_directory(work, path)}
        for path in (*writable, _join(base, cwd)):
            _real_directory(work, path)
        known = {path: frozenset(p.name for p in (work / path).iterdir()) for path in sorted(writable)}
        _protect(work, writable)
        _place_hook(dest)
    return Staged(dest=dest, directory=directory, inputs=tuple(sorted(placed)), outputs=tuple(targets), known=known)


def _join(base: PurePosixPath, path: str) -> str:
    return str(base / path)


def _is_directory(work: Path, path: str) -> bool:
    try:
        return stat.S_ISDIR((work / path).lstat().st_mode)
    except OSError:
        return False


def _entries(root: Path, hidden: Collection[str] = (), under: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Everything below ``root`` with its path, parents first, sorted, links not followed, without what is hidden."""
    with os.scandir(root) as scan:
        found = sorted(scan, key=lambda entry: os.fsencode(entry.name))
    for entry in found:
        path = f"{under}{entry.name}"
        if path in hidden:
            continue
        yield path, entry
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(Path(entry.path), hidden, f"{path}/")


def _place_tree(tree: Path, work: Path, hidden: Collection[str]) -> None:
    for path, entry in _entries(tree, hidden):
        target = work / path
        if entry.is_dir(follow_symlinks=False):
            target.mkdir()
        elif entry.is_symlink():  # harmless here: it is only ever resolved inside the container
            target.symlink_to(Path(entry.path).readlink())
        else:
            _place_file(Path(entry.path), target)


def _place_input(source: Path, work: Path, path: str) -> None:
    target = work / path
    _real_directory(work, str(PurePosixPath(path).parent))
    if target.is_symlink() or target.exists():
        fsops.remove_tree(target)  # the code version's own: what was verified takes its place
    mode = source.lstat().st_mode
    if stat.S_ISREG(mode):
        _place_file(source, target)
    elif stat.S_ISDIR(mode):
        target.mkdir()
        for below, entry in _entries(source):
            if entry.is_dir(follow_symlinks=False):
                (target / below).mkdir()
            else:
                _place_file(Path(entry.path), target / below)
    else:
        raise ExecuteError(f"input {path}: got {fsops.kind_of(mode)}, expected a file or a directory")


def _place_file(source: Path, target: Path) -> None:
    status = source.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise ExecuteError(f"{source}: got {fsops.kind_of(status.st_mode)}, expected a regular file")
    readable = status.st_mode & stat.S_IROTH and not status.st_mode & stat.S_IWOTH
    foreign = CONTAINER_UID in (status.st_uid, status.st_gid)
    if readable and not foreign and status.st_dev == target.parent.stat().st_dev:
        fsops.link_or_copy(source, target)
    else:
        fsops.copy_file(source, target, mode=0o555 if status.st_mode & stat.S_IXUSR else 0o444, durable=False)


def _real_directory(work: Path, path: str) -> None:
    """Make ``path`` below ``work``; a link on the way would lead out of the tree."""
    here = work
    for part in PurePosixPath(path).parts:
        here /= part
        try:
            mode = here.lstat().st_mode
        except FileNotFoundError:
            here.mkdir()
            continue
        if not stat.S_ISDIR(mode):
            raise ExecuteError(f"{path}: {part!r} is {fsops.kind_of(mode)} in the code version, expected a directory")


def _protect(work: Path, writable: Collection[str]) -> None:
    """Give every directory its mode, the deepest first."""
    directories = [path for path, entry in _entries(work) if entry.is_dir(follow_symlinks=False)]
    for path in (*reversed(directories), "."):
        (work / path).chmod(_STICKY if path in writable else _READ_ONLY)


def _place_hook(dest: Path) -> None:
    for source in sorted(_HOOK.glob("*.py")):
        fsops.copy_file(source, dest / "hook" / source.name, mode=0o444, durable=False)
    (dest / "hook").chmod(_READ_ONLY)
    (dest / "out").chmod(_STICKY)
    dest.chmod(0o755)
