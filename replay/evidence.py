"""The recorded bytes that a replay is run from and judged by, brought and verified as far as they are to be had."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from replay.errors import DigestMismatchError, FetchError, SourceNotFoundError, SourceUnreachableError
from replay.recipe import Artifact, Step, Storage
from replay.workspace import Workspace

if TYPE_CHECKING:
    from replay.fetch import Fetcher


class Evidence:
    """Everything in ``files`` is verified; threads may share one."""

    def __init__(self, fetcher: Fetcher, workspace: Workspace, dropped: Collection[str] = ()) -> None:
        """Say where from and where to.

        Args:
            fetcher: The sources.
            workspace: Where the copies are put.
            dropped: Paths of intermediates that were dropped on purpose: no source need answer for them.
        """
        self.files: dict[str, Path] = {}
        self.absent: dict[str, str] = {}
        """Path → why its recorded bytes are not to be had."""
        self.damaged: dict[str, str] = {}
        """Path → the record's own bytes are no longer those that were recorded."""
        self._fetcher = fetcher
        self._dropped = dropped
        self._workspace = workspace
        self._fetching = threading.Lock()

    @property
    def findings(self) -> list[str]:
        """Damaged copies that were passed over for a good one."""
        return self._fetcher.findings

    def bring_inputs(self, steps: Collection[Step]) -> None:
        """Every recorded input: a source must be there; an intermediate that is gone is replayed instead.

        Raises:
            FetchError: A source input is gone, damaged or out of reach, or an intermediate is damaged.
        """
        made = {o.artifact.path for step in steps for o in step.outputs}
        for artifact in {a.path: a for step in steps for a in step.inputs}.values():
            try:
                self._bring(artifact)
            except (SourceNotFoundError, SourceUnreachableError) as error:
                gone = isinstance(error, SourceNotFoundError) or artifact.path in self._dropped
                if not (gone and any(artifact.path == path or artifact.path.startswith(f"{path}/") for path in made)):
                    raise
                self.absent[artifact.path] = str(error)

    def bring_outputs(self, steps: Collection[Step]) -> None:
        """Every recorded output: a damaged record is noticed even when the replay gives the recorded digests."""
        for artifact in (o.artifact for step in steps for o in step.outputs):
            self.bring_output(artifact)

    def bring_output(self, artifact: Artifact) -> Path | None:
        """One recorded output; ``None``, and noted why, when it is absent or damaged."""
        path = artifact.path
        if not (path in self.files or path in self.absent or path in self.damaged or artifact.storage is Storage.NONE):
            try:
                self._bring(artifact)
            except DigestMismatchError as error:
                self.damaged[path] = str(error)
            except FetchError as error:
                self.absent[path] = str(error)
        return self.files.get(path)

    def file(self, artifact: Artifact) -> Path:
        """The bytes of an input that was brought.

        Raises:
            SourceNotFoundError: It was not to be had.
        """
        if artifact.path not in self.files:
            raise SourceNotFoundError(self.absent.get(artifact.path, f"{artifact.path} was not brought"))
        return self.files[artifact.path]

    def _bring(self, artifact: Artifact) -> None:
        with self._fetching:
            place = self._workspace.input_place(artifact)
            if not place.exists():
                self._fetcher.fetch(artifact, place)
            self.files[artifact.path] = place


def inside(files: Mapping[str, Path], path: str) -> Path | None:
    """``path``, or the part of a made directory that it names."""
    if path in files:
        return files[path]
    parent = next((made for made in files if path.startswith(f"{made}/")), None)
    inner = files[parent] / path.removeprefix(f"{parent}/") if parent else None
    return inner if inner is not None and inner.exists() else None
