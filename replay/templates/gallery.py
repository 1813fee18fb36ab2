"""The templates that are shipped: one folder of ``recipes/`` each, with a project and its versions."""

from __future__ import annotations

import csv
import difflib
import gzip
import io
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from replay.errors import UsageError
from replay.identity import canonical_json, sha256_hex

VERSIONS = "variants.yaml"
_NOT_CONTENT = ("__pycache__",)
"""What Python leaves beside sources that were run where they lie."""


class Gallery:
    """A folder of templates."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        """The names of all templates."""
        return sorted(path.parent.name for path in self.root.glob(f"*/{VERSIONS}"))

    def template(self, name: str) -> Template:
        """The template of this name.

        Raises:
            UsageError: There is none; the hint lists those there are.
        """
        known = self.names()
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"there is no template {name!r}", hint=f"{meant}templates: {', '.join(known) or 'none'}")
        return Template(self.root / name)

    def chosen(self, text: str) -> tuple[Template, int]:
        """The template and version of ``name@version`` or ``name``, which means its newest version.

        Raises:
            UsageError: There is no such template or version; the hint lists those there are.
        """
        name, at, version = text.partition("@")
        template = self.template(name)
        if not at:
            return template, template.versions[-1]
        if version not in map(str, template.versions):
            known = ", ".join(f"{name}@{number}" for number in template.versions)
            raise UsageError(f"the template {name} has no version {version!r}", hint=f"versions: {known}")
        return template, int(version)


class Template:
    """A workflow project in several versions."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        self._folder = folder

    @cached_property
    def _told(self) -> dict[str, Any]:
        import yaml

        found: dict[str, Any] = yaml.safe_load((self._folder / VERSIONS).read_text())
        return found

    @property
    def versions(self) -> list[int]:
        """The versions in order."""
        return sorted(self._told["versions"])

    def message(self, version: int) -> str:
        """What a version is, in one line."""
        return str(self._told["versions"][version]["message"])

    @property
    def data(self) -> list[str]:
        """The paths of the data files, which DVC is to track."""
        return list(self._told["data"])

    def differing(self) -> set[str]:
        """The paths of all files that differ between versions."""
        return {path for spec in self._told["versions"].values() for path in spec["files"]} | set(self.data)

    def content(self, version: int) -> dict[str, bytes]:
        """Every file of a version by its path."""
        project = self._folder / "project"
        inside = {path.relative_to(project): path for path in sorted(project.rglob("*")) if path.is_file()}
        found = {
            path.as_posix(): place.read_bytes()
            for path, place in inside.items()
            if not set(_NOT_CONTENT).intersection(path.parts)
        }
        spec = self._told["versions"][version]
        found |= {path: text.encode() for path, text in spec["files"].items()}
        return found | {path: self._rows(source, spec["until"]) for path, source in self._told["data"].items()}

    def digest(self, version: int) -> str:
        """SHA-256 (hex) over the paths and digests of all files of a version."""
        listing = [[path, sha256_hex(data)] for path, data in sorted(self.content(version).items())]
        return sha256_hex(canonical_json(listing))

    def _rows(self, source: Mapping[str, str], last: str) -> bytes:
        """The header and the rows of a CSV up to and including the day ``last``, byte for byte."""
        data = gzip.decompress((self._folder / source["source"]).read_bytes())
        limit = datetime.fromisoformat(last)
        header, *rows = data.decode().splitlines(keepends=True)
        column = _cells(header).index(source["column"])
        kept = [row for row in rows if datetime.strptime(_cells(row)[column], source["format"]) <= limit]
        return "".join([header, *kept]).encode()


def gallery() -> Gallery:
    """The shipped templates: beside the package in a wheel, else the repository's ``recipes/``."""
    package = Path(__file__).resolve().parents[1]
    bundled = package / "_recipes"
    return Gallery(bundled if bundled.is_dir() else package.parent / "recipes")


def _cells(row: str) -> list[str]:
    return next(csv.reader(io.StringIO(row)))
