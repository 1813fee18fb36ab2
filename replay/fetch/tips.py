"""Single files at the tips of all local branches, read in bulk."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from replay.errors import FetchError
from replay.fetch.command import run, users_own

_FILE = ("100644", "100755")


def files_at_tips(root: Path, wanted: Callable[[str], bool]) -> dict[tuple[str, str], bytes]:
    """Branch and path → content, of every file with a wanted path at the tip of a local branch.

    Args:
        root: A work tree; where it is none, there are no branches.
        wanted: Says of a path from the repository's root whether its file is.

    Raises:
        FetchError: Git refuses to look.
    """
    if not (root / ".git").exists():
        return {}
    found = {
        (branch, path): id_
        for branch in map(str.strip, _lines(root, "for-each-ref", "--format=%(refname:lstrip=2)%00", "refs/heads"))
        for path, id_ in _tree(root, branch)
        if wanted(path)
    }
    contents = _contents(root, sorted(set(found.values())))
    return {place: contents[id_] for place, id_ in found.items()}


def _tree(root: Path, branch: str) -> list[tuple[str, str]]:
    files = []
    for line in _lines(root, "ls-tree", "-r", "-z", "--full-tree", f"refs/heads/{branch}"):
        head, _, path = line.partition("\t")
        mode, _, id_ = head.split(" ")
        if mode in _FILE:
            files.append((path, id_))
    return files


def _contents(root: Path, ids: list[str]) -> dict[str, bytes]:
    """What ``git cat-file --batch`` answers: a line with id, type and size, the content, and a line end, for each."""
    if not ids:
        return {}
    out = _git(root, "cat-file", "--batch", stdin="".join(f"{id_}\n" for id_ in ids).encode())
    found, at = {}, 0
    for id_ in ids:
        end = out.index(b"\n", at)
        size = int(out[at:end].split()[2])
        found[id_] = out[end + 1 : end + 1 + size]
        at = end + size + 2
    return found


def _lines(root: Path, *args: str) -> list[str]:
    return [line for line in os.fsdecode(_git(root, *args)).split("\0") if line.strip()]


def _git(root: Path, *args: str, stdin: bytes = b"") -> bytes:
    done = run(args, cwd=root, config=users_own(("safe.directory",)), stdin=stdin)
    if done.code != 0:
        raise FetchError(f"{root}: git {args[0]}: {done.reason}")
    return done.out
