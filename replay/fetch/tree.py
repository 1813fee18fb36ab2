"""A Git tree as files: our own writer, so that no checkout filter, attribute, hook or link gets a say.

What is written is what the blobs hold, byte for byte; afterwards the tree's id is computed again *from the disk*.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

import msgspec

from replay.errors import FetchError, PolicyError

Read = Callable[[str], tuple[str, bytes]]
"""An object id → its type and content."""

_TREE, _LINK, _MODULE = "40000", "120000", "160000"
_LFS = b"version https://git-lfs.github.com/spec/"
_MAX_LINKS = 40
_MAX_TREES = 200_000  # ten nested trees of ten equal entries unfold into ten thousand million


class TreeEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of a tree; ``path`` is from the walked tree's root, non-UTF-8 bytes as surrogates."""

    mode: str
    path: str
    id: str


def walk(tree: str, read: Read) -> Iterator[TreeEntry]:
    """Every entry below ``tree`` that is no tree itself.

    Raises:
        FetchError: A tree is malformed or holds a name that no checkout may have.
    """
    pending, seen = [("", tree)], 0
    while pending:
        prefix, id_ = pending.pop()
        seen += 1
        if seen > _MAX_TREES:
            raise PolicyError(f"the tree {tree} unfolds into more than {_MAX_TREES} directories")
        kind, data = read(id_)
        if kind != "tree":
            raise FetchError(f"{prefix or '/'}: got a {kind}, expected a tree")
        for mode, name, child in parse_tree(data, len(tree) // 2):
            path = prefix + _checked_name(name, prefix)
            if mode == _TREE:
                pending.append((path + "/", child))
            else:
                yield TreeEntry(mode=mode, path=path, id=child)


def parse_tree(data: bytes, id_bytes: int) -> Iterator[tuple[str, str, str]]:
    """The entries of a raw tree object: mode, name, id."""
    position = 0
    while position < len(data):
        space, end = data.find(b" ", position), data.find(b"\0", position)
        if space < 0 or end < space or end + 1 + id_bytes > len(data):
            raise FetchError("a tree object is malformed")
        id_ = data[end + 1 : end + 1 + id_bytes].hex()
        yield data[position:space].decode("ascii", "replace"), os.fsdecode(data[space + 1 : end]), id_
        position = end + 1 + id_bytes


def _checked_name(name: str, prefix: str) -> str:
    if not name or "/" in name or name in {".", ".."} or name.lower().rstrip(". ") in {".git", "git~1"}:
        raise PolicyError(f"the tree holds the name {prefix + name!r}, which no checkout may have")
    return name


def write(entries: Iterable[TreeEntry], read: Read, dest: Path, *, empty: Collection[str] = ()) -> None:
    """Write ``entries`` below ``dest``, an empty directory; files are 0444 or 0555.

    Args:
        entries: What to write.
        read: Where blobs come from.
        dest: An existing empty directory.
        empty: Submodules that are known to have been empty when the tree was recorded.

    Raises:
        FetchError: A submodule, an LFS pointer, or a mode that Git does not know.
        PolicyError: A symbolic link that leaves the tree.
    """
    links: dict[str, str] = {}
    for entry in entries:
        target = dest / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        if entry.mode == _MODULE:
            _module(entry, target, empty)
            continue
        content = _blob(entry, read)
        if entry.mode == _LINK:
            links[entry.path] = os.fsdecode(content)
        else:
            _file(target, content, 0o555 if _executable(entry) else 0o444)
    check_links(links)
    for path, goal in links.items():  # last, so that nothing was ever written through one
        (dest / path).symlink_to(goal)


def _executable(entry: TreeEntry) -> bool:
    if entry.mode not in {"100644", "100755", "100664"}:
        raise FetchError(f"{entry.path}: got the mode {entry.mode}, expected a file, a link or a tree")
    return entry.mode == "100755"


def _module(entry: TreeEntry, target: Path, empty: Collection[str]) -> None:
    if entry.path not in empty:
        raise FetchError(
            f"{entry.path} is a Git submodule (commit {entry.id}), whose content this commit does not hold",
            hint="vendor it, or track it with DVC: a recipe pins one repository",
        )
    target.mkdir()


def _blob(entry: TreeEntry, read: Read) -> bytes:
    kind, content = read(entry.id)
    if kind != "blob":
        raise FetchError(f"{entry.path}: got a {kind}, expected a blob")
    if content.startswith(_LFS) and len(content) < 1024:
        raise FetchError(
            f"{entry.path} is a Git LFS pointer: the commit does not hold its content",
            hint="track it with DVC, or `git lfs migrate export` it",
        )
    return content


def _file(target: Path, content: bytes, mode: int) -> None:
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(handle, "wb") as file:  # noqa: PTH123 - a descriptor
        file.write(content)
        os.fchmod(handle, mode)


def check_links(links: dict[str, str]) -> None:
    """Follow every link the way the kernel does, other links included, and refuse one that leaves the tree.

    Raises:
        PolicyError: A link is absolute, climbs above the root, or turns in circles.
    """
    for path, goal in links.items():
        if not _stays(posixpath.dirname(path), goal, links):
            raise PolicyError(
                f"the symbolic link {path!r} → {goal!r} leaves the tree", hint="links must stay inside the repository"
            )


def _stays(start: str, goal: str, links: dict[str, str]) -> bool:
    here = [part for part in start.split("/") if part]
    todo = goal.split("/")[::-1]
    followed = 0
    if not goal or goal.startswith("/") or "\0" in goal:
        return False
    while todo:
        part = todo.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            if not here:
                return False
            here.pop()
            continue
        here.append(part)
        onward = links.get("/".join(here))
        if onward is not None:
            followed += 1
            if followed > _MAX_LINKS or onward.startswith("/"):
                return False
            here.pop()
            todo += onward.split("/")[::-1]
    return not here or here[0].lower() != ".git"


def measure(root: Path, entries: Iterable[TreeEntry], id_length: int) -> str:
    """The Git tree id of what lies on disk below ``root``; modes that a disk cannot hold come from ``entries``."""
    known = {entry.path: entry for entry in entries}
    algorithm = "sha1" if id_length == 40 else "sha256"
    ids: dict[str, str] = {}
    for folder, names, files in os.walk(root, topdown=False):
        base = os.path.relpath(folder, root)
        prefix = "" if base == "." else base + "/"
        items = []
        for name in [*names, *files]:
            path = prefix + name
            item = _measured(Path(folder, name), known.get(path), ids.get(path), algorithm)
            if item:
                items.append((os.fsencode(name), *item))
        items.sort(key=lambda item: item[0] + (b"/" if item[1] == _TREE else b""))
        data = b"".join(mode.encode() + b" " + name + b"\0" + bytes.fromhex(id_) for name, mode, id_ in items)
        ids["" if base == "." else base] = _object_id("tree", data, algorithm) if items or base == "." else ""
    return ids[""]


def _measured(path: Path, entry: TreeEntry | None, subtree: str | None, algorithm: str) -> tuple[str, str] | None:
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return _LINK, _object_id("blob", os.fsencode(os.readlink(path)), algorithm)  # noqa: PTH115 - bytes as they are
    if stat.S_ISDIR(status.st_mode):
        if entry is not None:
            return entry.mode, entry.id
        return (_TREE, subtree) if subtree else None
    mode = "100755" if status.st_mode & 0o100 else "100644"
    if entry is not None and entry.mode == "100664" and mode == "100644":
        mode = entry.mode
    return mode, _object_id("blob", path.read_bytes(), algorithm)


def _object_id(kind: str, data: bytes, algorithm: str) -> str:
    return hashlib.new(algorithm, f"{kind} {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()
