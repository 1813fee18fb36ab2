"""Git: the code version of a recipe, out of a bare mirror of our own. The only module that imports GitPython.

The mirror has no work tree and no configuration but ours; files are written from its blobs by `tree`. GitPython keeps
the one ``git cat-file --batch`` process that blobs are read from; it is imported when the first blob is wanted.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import threading
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from replay.errors import DigestMismatchError, FetchError
from replay.fetch import tree as trees
from replay.fetch.bringing import bring, gone, is_network, is_shallow, local_type, ref_of
from replay.fetch.command import Ran, check_id, check_source, environment, run, strip_credentials
from replay.fetch.tree import Read, TreeEntry
from replay.fetch.worktree import CodeState, WorkTree
from replay.identity import sha256_hex
from replay.store import fsops

__all__ = ["CodeState", "Mirror", "WorkTree", "mirror_path"]

_ONE_AT_A_TIME = threading.Lock()


def mirror_path(mirrors: Path, source: str) -> Path:
    """Where the mirror of ``source`` lies below ``mirrors``; credentials do not count."""
    return mirrors / f"{sha256_hex(strip_credentials(source).encode('utf-8', 'surrogateescape'))}.git"


class Mirror:
    """A bare repository of our own that holds every commit it was ever asked to bring, pinned by a ref each."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def contains(self, commit: str) -> bool:
        """Whether ``commit`` was brought here completely: its ref is written last."""
        try:
            return self._ref(check_id(commit)).read_text("ascii").strip() == commit
        except FileNotFoundError:
            return False

    def ensure(self, commit: str, sources: Sequence[str]) -> str | None:
        """Bring ``commit`` and its history here, unless it is here already.

        Returns:
            The source that gave it; ``None`` when nothing had to be asked.

        Raises:
            SourceNotFoundError: Every source answered and none has the commit.
            SourceUnreachableError: None had it, and at least one did not answer.
            FetchError: An object is malformed.
        """
        if self.contains(commit):
            return None
        with _ONE_AT_A_TIME:  # code and data are brought by threads of their own, and both may want it first
            return None if self.contains(commit) else self._bring(commit, sources)

    def _bring(self, commit: str, sources: Sequence[str]) -> str:
        asked, shallow, silent = [], False, False
        for source in sources:
            place, local = check_source(source)
            shown = strip_credentials(source)
            if local and not place.startswith("file://") and not Path(place).exists():
                asked.append(f"{shown} (no such directory)")
                continue
            self._create(commit)
            done = bring(self.path, commit, place, local=local)
            if self.contains(commit):
                return shown
            silent = silent or (not local and is_network(done))
            shallow = shallow or (local and is_shallow(Path(place.removeprefix("file://"))))
            asked.append(f"{shown} ({done.reason})")
        raise gone(commit, asked, shallow=shallow, silent=silent)

    def locate(self, commit: str, sources: Sequence[str]) -> str | None:
        """Where ``commit`` would come from; nothing is written and no network is used.

        A URL is named last, as ``URL (not asked)``: whether it has a commit is only known by fetching.
        """
        if self.contains(commit):
            return "mirror"
        checked = [(source, *check_source(source)) for source in sources]
        for source, place, local in checked:
            path = Path(place.removeprefix("file://"))
            if local and path.is_dir() and local_type(path, commit) == "commit":
                return strip_credentials(source)
        return next((f"{strip_credentials(s)} (not asked)" for s, _, local in checked if not local), None)

    def tree_of(self, commit: str) -> str:
        """The tree id of ``commit``."""
        return self._git("rev-parse", "--verify", f"{check_id(commit)}^{{tree}}").decode().strip()

    def commit_time(self, commit: str) -> int:
        """When ``commit`` was made: seconds since the epoch."""
        return int(self._git("show", "--no-patch", "--format=%ct", check_id(commit)).decode())

    def read(self, commit: str, path: str) -> bytes | None:
        """The blob at ``path`` of ``commit``; ``None`` when there is no file."""
        spec = f"{check_id(commit)}:{path}"
        if "\n" in path or self._run("cat-file", "-e", spec).code != 0:
            return None
        done = self._run("cat-file", "blob", spec)
        return done.out if done.code == 0 else None

    def ls(self, commit: str) -> list[TreeEntry]:
        """Every file, link and submodule of ``commit``, by path."""
        with self._objects() as read:
            return sorted(trees.walk(self.tree_of(commit), read), key=lambda entry: entry.path)

    def write_tree(
        self, commit: str, dest: Path, *, expect_tree: str, patch: bytes | None = None, empty: Collection[str] = ()
    ) -> None:
        """Write the files of ``commit`` into ``dest``, and prove on the disk that they are its tree.

        Args:
            commit: A commit that the mirror holds.
            dest: A directory that is empty or not there; removed when anything fails.
            expect_tree: The tree id that the recipe recorded.
            patch: The recorded diff of a dirty tree, applied to objects only.
            empty: Submodules that are known to have been empty.

        Raises:
            DigestMismatchError: The commit's tree, or what lies on the disk, is not the expected one.
            PolicyError: A link leaves the tree, or a name that no checkout may have.
            FetchError: A submodule, an LFS pointer, or a patch that does not apply.
        """
        tree = self.tree_of(commit)
        _compare(f"the tree of commit {commit}", check_id(expect_tree), tree)
        if patch:
            tree = self.patched(commit, patch)
        self.write(tree, dest, empty=empty)

    def write(self, tree: str, dest: Path, *, empty: Collection[str] = ()) -> None:
        """Write one tree object into ``dest`` (empty or not there) and measure it on the disk."""
        if dest.exists() and any(dest.iterdir()):
            raise FetchError(f"{dest}: got files, expected an empty directory")
        try:
            dest.mkdir(parents=True, exist_ok=True)
            with self._objects() as read:
                entries = list(trees.walk(tree, read))
                trees.write(entries, read, dest, empty=empty)
            _compare(f"the tree written to {dest}", tree, trees.measure(dest, entries, len(tree)))
        except BaseException:
            fsops.remove_tree(dest)
            raise

    def patched(self, commit: str, patch: bytes) -> str:
        """The id of the tree that ``patch`` makes of ``commit``; made in the object database, no file is touched.

        Raises:
            FetchError: The patch does not apply, or names a path outside the tree.
        """
        with tempfile.TemporaryDirectory(prefix="replay-index-") as scratch:
            extra = {"GIT_INDEX_FILE": f"{scratch}/index"}
            self._git("read-tree", check_id(commit), extra=extra)
            self._git("apply", "--cached", "--binary", "--whitespace=nowarn", "-", stdin=patch, extra=extra)
            return self._git("write-tree", extra=extra).decode().strip()

    def entry(self, tree: str, path: str) -> TreeEntry | None:
        """What ``path`` names inside ``tree``; a directory has the mode ``40000``."""
        return self.entries(tree, [path]).get(path)

    def entries(self, tree: str, paths: Sequence[str]) -> dict[str, TreeEntry]:
        """What several ``paths`` name inside ``tree``, asked at once; a directory with another one in it may lack."""
        done = self._git("ls-tree", "-z", "--full-tree", tree, "--", *paths, extra={"GIT_LITERAL_PATHSPECS": "1"})
        found: dict[str, TreeEntry] = {}
        for line in filter(None, os.fsdecode(done).split("\0")):
            head, _, path = line.partition("\t")
            mode, _, id_ = head.split(" ")
            found[path] = TreeEntry(mode=mode.lstrip("0"), path=path, id=id_)
        return found

    def write_path(self, tree: str, path: str, dest: Path) -> bool:
        """Write the file or directory that ``path`` names inside ``tree`` to ``dest``; false when there is none."""
        entry = self.entry(tree, path)
        if entry is None:
            return False
        if entry.mode == "40000":
            self.write(entry.id, dest)
            return True
        if not entry.mode.startswith("100"):
            raise FetchError(f"{path}: got the mode {entry.mode}, expected a file or a directory")
        with self._objects() as read:
            trees.write([TreeEntry(mode=entry.mode, path=dest.name, id=entry.id)], read, dest.parent)
        return True

    def commits_between(self, a: str, b: str) -> list[tuple[str, str]]:
        """The commits that lead from ``a`` to ``b``, newest first: short id and subject."""
        out = self._git("log", "-z", "--format=%h%x09%s", f"{check_id(a)}..{check_id(b)}", "--")
        lines = [line for line in out.decode("utf-8", "replace").split("\0") if line]
        return [(line.partition("\t")[0], line.partition("\t")[2]) for line in lines]

    def files_changed(self, a: str, b: str) -> list[tuple[str, str]]:
        """What differs between two commits: status letter (``A``, ``D``, ``M``, ``T``) and path."""
        out = self._git("diff-tree", "-r", "-z", "--name-status", "--no-renames", check_id(a), check_id(b))
        fields = os.fsdecode(out).split("\0")
        return list(zip(fields[0:-1:2], fields[1::2], strict=True))

    def _ref(self, commit: str) -> Path:
        return self.path / ref_of(commit)

    def _create(self, commit: str) -> None:
        if (self.path / "HEAD").exists():
            return
        form = "sha1" if len(commit) == 40 else "sha256"
        fsops.make_dir(self.path.parent)
        made = run(["init", "--quiet", "--bare", "--template=", f"--object-format={form}", self.path])
        if made.code != 0:
            raise FetchError(f"{self.path}: {made.reason}")

    def _run(self, *args: str, stdin: bytes = b"", extra: dict[str, str] | None = None) -> Ran:
        return run(args, git_dir=self.path, stdin=stdin, extra=extra)

    def _git(self, *args: str, stdin: bytes = b"", extra: dict[str, str] | None = None) -> bytes:
        done = self._run(*args, stdin=stdin, extra=extra)
        if done.code != 0:
            raise FetchError(f"git {args[0]}: {done.reason}")
        return done.out

    @contextlib.contextmanager
    def _objects(self) -> Iterator[Read]:
        """A reader of objects by id, over one ``cat-file --batch`` process that ends with the context."""
        import git

        repository = git.Repo(self.path)
        repository.git.update_environment(**environment(), GIT_DIR=str(self.path))
        process: Any = repository.git.execute(
            ["git", f"--git-dir={self.path}", "cat-file", "--batch"], as_process=True, istream=subprocess.PIPE
        )
        try:
            yield lambda id_: _object(process, id_)
        finally:
            process.stdin.close()
            process.stdout.close()
            process.stderr.close()
            process.proc.wait()
            repository.close()


def _object(process: Any, id_: str) -> tuple[str, bytes]:
    process.stdin.write(check_id(id_).encode() + b"\n")
    process.stdin.flush()
    header = process.stdout.readline().split()
    if len(header) != 3:
        raise FetchError(f"the mirror lacks the object {id_}", hint="delete the mirror; it is fetched anew")
    content: bytes = process.stdout.read(int(header[2]))
    if len(content) != int(header[2]) or process.stdout.read(1) != b"\n":
        raise FetchError(f"git broke off in the middle of the object {id_}")
    return header[1].decode(), content


def _compare(what: str, expected: str, actual: str) -> None:
    if expected != actual:
        raise DigestMismatchError(
            f"{what}: got {actual}, expected {expected}", expected=f"git-tree:{expected}", actual=f"git-tree:{actual}"
        )
