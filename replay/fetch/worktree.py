"""The user's checkout, read only: which code version it is, and what in it was never committed."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec

from replay.errors import FetchError, UsageError
from replay.fetch.command import Ran, run, strip_credentials, users_own

_FROZEN = re.compile(r"recipes/(?:.+/)?[0-9]+\.json")
_NO_CODE_RUNS = ("--no-ext-diff", "--no-textconv", "--no-color")


class CodeState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a checkout holds at one moment."""

    commit: str
    tree: str
    """The tree of ``commit``."""
    url: str | None
    """The remote's URL, credentials stripped; ``origin`` when there is one, else the first by name."""
    directory: str
    """The given directory inside the repository; empty for its root."""
    dirty: tuple[str, ...]
    """Paths from the repository's root that differ from the commit; untracked ones too, ignored ones not."""
    patch: bytes
    """The binary diff from ``commit`` to the dirty state, untracked files as additions; empty when clean."""
    shallow: bool


class WorkTree:
    """A checkout that git looks at without running anything its own configuration names and without writing to it."""

    def __init__(self, path: Path) -> None:
        """Find the repository that ``path`` lies in.

        Raises:
            UsageError: ``path`` lies in no repository, or in one that git does not trust.
        """
        if not path.is_dir():
            raise UsageError(f"{path}: no such directory", hint="give the directory of a workflow")
        self._config = users_own(("safe.directory", "core.excludesFile"))
        found = run(["rev-parse", "--show-toplevel", "--show-prefix"], cwd=path, config=self._config)
        if found.code != 0:
            raise UsageError(f"{path}: {found.reason}", hint=_hint(found, path))
        top, prefix, *_ = os.fsdecode(found.out).split("\n")
        self.root = Path(top)
        self.directory = prefix.rstrip("/")
        self._config += self._disarmed()

    def _git(self, *args: str, stdin: bytes = b"", extra: dict[str, str] | None = None, ok: int = 0) -> bytes:
        done = run(args, cwd=self.root, config=self._config, stdin=stdin, extra=extra)
        if done.code > ok:
            raise FetchError(f"{self.root}: git {args[0]}: {done.reason}")
        return done.out

    def _disarmed(self) -> list[tuple[str, str]]:
        """Overrides for the filter drivers in the repository's own configuration: they are commands."""
        names = self._git("config", "-z", "--name-only", "--get-regexp", r"^filter\.", ok=1)
        keys = sorted(set(filter(None, names.decode("utf-8", "surrogateescape").split("\0"))))
        return [(key, "false" if key.endswith(".required") else "") for key in keys]

    def state(self, *, ignore: Collection[str] = (), patch: bool = True) -> CodeState:
        """The code version, and what differs from it.

        Args:
            ignore: Files and directories, from the repository's root, whose changes do not count.
            patch: Whether to compute the patch of a dirty tree.

        Raises:
            UsageError: The repository has no commit yet.
        """
        head = run(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"], cwd=self.root, config=self._config)
        if head.code != 0:
            raise UsageError(f"{self.root}: the repository has no commit yet", hint="git add -A && git commit")
        commit = head.out.decode().strip()
        more = self._git("rev-parse", f"{commit}^{{tree}}", "--is-shallow-repository").decode().split()
        dirty = self._dirty(ignore)
        return CodeState(
            commit=commit,
            tree=more[0],
            url=self._url(),
            directory=self.directory,
            dirty=dirty,
            patch=self._patch(commit, dirty) if patch and dirty else b"",
            shallow=more[1] == "true",
        )

    def tracked(self, paths: Iterable[str]) -> frozenset[str]:
        """The files that Git tracks among and below ``paths``, all relative to the workflow's directory."""
        wanted = list(paths)
        if not wanted:
            return frozenset()
        listed = run(
            ["ls-files", "-z", "--", *wanted],
            cwd=self.root / self.directory,
            config=self._config,
            extra={"GIT_LITERAL_PATHSPECS": "1"},
        )
        if listed.code != 0:
            raise UsageError(f"{self.root}: {listed.reason}", hint="paths must lie inside the repository")
        return frozenset(filter(None, os.fsdecode(listed.out).split("\0")))

    def is_ignored(self, path: str) -> bool:
        """Whether ``.gitignore`` keeps ``path``, relative to the workflow's directory, out of Git."""
        asked = run(["check-ignore", "-q", "--", path], cwd=self.root / self.directory, config=self._config)
        if asked.code > 1:
            raise UsageError(f"{path}: {asked.reason}", hint="the path must lie inside the repository")
        return asked.code == 0

    def _url(self) -> str | None:
        listed = self._git("config", "-z", "--get-regexp", r"^remote\..*\.url$", ok=1).decode("utf-8", "replace")
        urls = dict(item.split("\n", 1) for item in reversed(listed.split("\0")) if "\n" in item)
        chosen = urls.get("remote.origin.url") or next((urls[key] for key in sorted(urls)), None)
        return strip_credentials(chosen) if chosen else None

    def _dirty(self, ignore: Collection[str]) -> tuple[str, ...]:
        # a submodule's work tree is not looked into: git would obey that submodule's own configuration
        told = self._git(
            "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--ignore-submodules=dirty",
            "--", ":(top)", ":(top,exclude,literal).replay",
        )  # fmt: skip
        paths = sorted({os.fsdecode(item[3:]).rstrip("/") for item in told.split(b"\0") if item})
        return tuple(path for path in paths if not _FROZEN.fullmatch(path) and not _below(path, ignore))

    def _patch(self, commit: str, dirty: tuple[str, ...]) -> bytes:
        """Stage the dirty paths in a copy of the index and of nothing else, and let git compare two trees."""
        places = self._git("rev-parse", "--path-format=absolute", "--git-path", "index", "--git-path", "objects")
        index, objects, *_ = os.fsdecode(places).split("\n")
        with tempfile.TemporaryDirectory(prefix="replay-index-") as scratch:
            if Path(index).exists():
                # with its time: git looks into a file again that changed in the second in which the index was written
                shutil.copy2(index, f"{scratch}/index")
            extra = {
                "GIT_INDEX_FILE": f"{scratch}/index",
                "GIT_OBJECT_DIRECTORY": scratch,
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects,
            }
            listed = b"".join(os.fsencode(path) + b"\0" for path in dirty)
            self._git("update-index", "--add", "--remove", "-z", "--stdin", stdin=listed, extra=extra)
            tree = self._git("write-tree", extra=extra).decode().strip()
            return self._git(
                "diff-tree", "-r", "-p", "--binary", "--full-index", "--no-renames", *_NO_CODE_RUNS,
                "--src-prefix=a/", "--dst-prefix=b/", commit, tree, extra=extra,
            )  # fmt: skip


def _below(path: str, ignore: Collection[str]) -> bool:
    return any(path == item.rstrip("/") or path.startswith(item.rstrip("/") + "/") for item in ignore)


def _hint(found: Ran, path: Path) -> str:
    if "dubious ownership" in found.err:
        return f"git config --global --add safe.directory {path.resolve()}"
    return "run it inside a Git work tree, or `git init` and commit the workflow first"
