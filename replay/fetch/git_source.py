"""Artifacts that Git itself tracks."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path, PurePosixPath

from replay.errors import SourceNotFoundError, UsageError
from replay.fetch.bringing import local_type
from replay.fetch.command import check_id, check_source, strip_credentials
from replay.fetch.git import Mirror
from replay.fetch.interface import Source
from replay.fetch.tree import TreeEntry
from replay.recipe import Artifact, PathKind

_AT_ONCE = 500
"""Paths on one command line."""


class GitSource(Source):
    """Artifacts that Git itself tracks, out of the mirror at the recipe's commit."""

    name = "git"
    local = True

    def __init__(
        self,
        mirror: Mirror,
        commit: str,
        *,
        directory: str = "",
        sources: Sequence[str] = (),
        patch: bytes | None = None,
    ) -> None:
        """Say which commit.

        Args:
            mirror: Where commits are kept.
            commit: The recipe's commit.
            directory: The workflow's directory, which artifacts' paths are relative to.
            sources: Repositories to bring the commit from when the mirror lacks it; to stay offline give no URL.
            patch: The recorded diff of a dirty tree.
        """
        super().__init__()
        self._mirror, self._commit, self._sources, self._patch = mirror, check_id(commit), sources, patch
        self._directory = directory
        self._tree = ""
        self._known: dict[str, TreeEntry] = {}

    def expect(self, artifacts: Sequence[Artifact]) -> None:
        """Ask Git once for all of them: a process for each takes 2 ms."""
        if self._mirror.contains(self._commit):
            paths = [self._path(artifact) for artifact in artifacts]
            for start in range(0, len(paths), _AT_ONCE):
                self._known |= self._mirror.entries(self._root(), paths[start : start + _AT_ONCE])

    def locate(self, artifact: Artifact) -> str | None:
        """``commit 0123…`` when the mirror or a local repository has the path; nothing is fetched."""
        shown, path = f"commit {self._commit[:12]}", self._path(artifact)
        if self._mirror.contains(self._commit):
            entry = self._known.get(path) or self._mirror.entry(self._root(), path)
            return shown if entry and (entry.mode == "40000") == (artifact.kind is PathKind.DIRECTORY) else None
        if self._patch and f"+++ b/{path}\n".encode() in self._patch:
            return f"{shown} with its recorded patch"
        for source in self._sources:
            place, local = check_source(source)
            found = local_type(Path(place.removeprefix("file://")), f"{self._commit}:{path}") if local else ""
            if found == ("tree" if artifact.kind is PathKind.DIRECTORY else "blob"):
                return f"{shown} of {strip_credentials(source)}"
        remote = self._mirror.locate(self._commit, self._sources)
        return f"{shown} of {remote}" if remote and remote.endswith("(not asked)") else None

    def _fetch(self, artifact: Artifact, dest: Path) -> Generator[str]:
        self._mirror.ensure(self._commit, self._sources)
        if not self._mirror.write_path(self._root(), self._path(artifact), dest):
            raise SourceNotFoundError(f"{artifact.path}: commit {self._commit} has no such path")
        yield f"commit {self._commit[:12]}"

    def _root(self) -> str:
        if not self._tree:
            self._tree = (
                self._mirror.patched(self._commit, self._patch) if self._patch else self._mirror.tree_of(self._commit)
            )
        return self._tree

    def _path(self, artifact: Artifact) -> str:
        path = PurePosixPath(self._directory, artifact.path)
        if path.is_absolute() or ".." in path.parts:
            raise UsageError(f"got the path {artifact.path!r}, expected one inside the repository")
        return str(path)
