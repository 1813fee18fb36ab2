"""Read what a workflow wrote, in full and in memory, within bounds: regular files only, links never followed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from replay.errors import UsageError
from replay.outcome import Comparison, ReplayResult
from replay.report.words import size
from replay.store.fsops import open_regular


class Content(NamedTuple):
    """The bytes of a file, or why they cannot be shown."""

    data: bytes | None
    why: str = ""


class Pair(NamedTuple):
    """Both sides of a comparison."""

    recorded: Content
    replayed: Content

    @property
    def why(self) -> str:
        """Why not both sides can be shown; empty when they can."""
        return self.recorded.why or self.replayed.why


def read_bounded(path: Path, limit: int) -> Content:
    """The content of a regular file of at most ``limit`` bytes; anything else is an answer, not an error."""
    try:
        fd = open_regular(path)
    except UsageError as error:
        return Content(None, str(error))
    with os.fdopen(fd, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        return Content(None, f"{path}: larger than {size(limit)}, not shown")
    return Content(data)


def read_pair(result: ReplayResult, comparison: Comparison, limit: int) -> Pair:
    """The recorded and the replayed bytes of one output, as far as they were kept."""
    paths = (("recorded", comparison.recorded_path), ("replayed", comparison.replayed_path))
    return Pair(*(_side(result, path, name, limit) for name, path in paths))


def _side(result: ReplayResult, path: str | None, name: str, limit: int) -> Content:
    if path is None:
        return Content(None, f"the {name} bytes were not kept")
    return read_bounded(Path(result.workspace or "") / path, limit)
