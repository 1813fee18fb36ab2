"""What DVC itself uses of its cache: objects that the checkout or the tip of a local branch names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from replay.fetch.dvcfiles import outs_of, stages_of
from replay.fetch.tips import files_at_tips
from replay.retention.shelves import Shelves
from replay.retention.world import STORE, Key

MODES = ("unused", "all", "none")
"""Which objects of a DVC cache may be deleted: those that nothing names, all, or none."""

USED_BY_DVC = "so DVC still uses it"

_NOT_OURS = {".git", ".dvc", ".replay", ".venv", "node_modules"}


def in_use(shelves: Shelves, mode: str) -> Mapping[Key, str]:
    """Of the files that were found in DVC's caches: those that must stay, and why.

    Raises:
        FetchError: A file of DVC cannot be read, so what it uses is not known.
    """
    keys = [key for key in shelves.pieces if key.place != STORE]
    if mode == "all" or not keys:
        return {}
    if mode == "none":
        return dict.fromkeys(keys, "it is in DVC's cache, which is left alone (--dvc-cache none)")
    named = dict(_named(shelves))
    found: dict[Key, str] = {}
    for key in keys:
        if not Path(key.place).resolve().is_relative_to(shelves.root.resolve()):
            found[key] = f"the DVC cache {key.place} is shared: other projects may use it"
        elif key.id in named:
            found[key] = f"{named[key.id]} names it, {USED_BY_DVC}"
    return found


def _named(shelves: Shelves) -> Iterator[tuple[str, str]]:
    """Object and the file that names it; the checkout goes before branches."""
    for (branch, path), data in files_at_tips(shelves.root, _is_of_dvc).items():
        yield from _objects(shelves, path, data, f"{path} at the tip of branch {branch}")
    for file in _files(shelves.root):
        path = file.relative_to(shelves.root).as_posix()
        yield from _objects(shelves, path, file.read_bytes(), f"{path} of the checkout")


def _objects(shelves: Shelves, path: str, data: bytes, where: str) -> Iterator[tuple[str, str]]:
    if PurePosixPath(path).name == "dvc.lock":
        outs = [out for stage in stages_of(path, data) for out in (*stage.deps, *stage.outs)]
    else:
        outs = list(outs_of(path, data))
    for md5 in dict.fromkeys(out.md5 for out in outs if out.md5):
        for cache in shelves.caches:
            yield from ((one, where) for one in shelves.named(cache, md5))


def _is_of_dvc(path: str) -> bool:
    name = PurePosixPath(path).name
    return name == "dvc.lock" or (name.endswith(".dvc") and name != ".dvc")


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _NOT_OURS)
        for name in names:
            file = Path(folder, name)
            if _is_of_dvc(name) and file.is_file() and not file.is_symlink():
                yield file
