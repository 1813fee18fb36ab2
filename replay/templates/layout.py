"""A version of a template as a Git and DVC repository on the disk."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from replay.templates.gallery import Template

Run = Callable[..., object]
"""Runs a command in the folder of the project; raises when it fails."""

STORAGE = ".storage"
"""Where DVC keeps what is pushed until the project gets a remote of its own."""


class Layout:
    """The files of a template in one folder."""

    def __init__(self, template: Template, directory: Path, run: Run) -> None:
        self._template = template
        self._directory = directory
        self._run = run

    def begin(self, version: int, *init: str) -> None:
        """Write all files into an empty folder, make it a Git and DVC repository, and let DVC track the data.

        Args:
            version: Which version.
            init: Further arguments of ``git init``.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        data = self._template.data
        self._put({path: found for path, found in self._template.content(version).items() if path not in data})
        self._run("git", "init", "--quiet", *init)
        self._run("dvc", "init", "--quiet")
        with (self._directory / ".gitignore").open("a") as ignored:
            ignored.write(f"/{STORAGE}\n")
        self._run("dvc", "remote", "add", "--quiet", "--default", "storage", STORAGE)
        self.write(version)

    def write(self, version: int) -> None:
        """Make the files those of a version, and let DVC track the data."""
        content = self._template.content(version)
        self._put({path: content[path] for path in self._template.differing() if path in content})
        self._run("dvc", "add", "--quiet", *self._template.data)

    def _put(self, files: dict[str, bytes]) -> None:
        for path, data in sorted(files.items()):
            target = self._directory / path
            if not target.is_file() or target.read_bytes() != data:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.unlink(missing_ok=True)  # DVC's copies may be links, and may not be written to
                target.write_bytes(data)


def is_free(directory: Path) -> bool:
    """Whether a folder is not there yet, or empty."""
    return not directory.exists() or (directory.is_dir() and not _entries(directory))


def _entries(directory: Path) -> Collection[Path]:
    return list(directory.iterdir())
