"""Materialise code and data by digest: Git, DVC and the store. Every byte is checked before it is used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from replay.errors import DigestMismatchError, FetchError, SourceNotFoundError, SourceUnreachableError
from replay.fetch.interface import Source
from replay.recipe import Artifact, Storage

__all__ = ["SOURCES", "Fetcher", "Source"]

SOURCES: dict[Storage, tuple[str, ...]] = {
    Storage.GIT: ("git", "store"),
    Storage.DVC: ("dvc", "store", "dvc-process"),
    Storage.STORE: ("store", "dvc"),
    Storage.NONE: ("store", "dvc"),
}
"""Which sources may hold what was recorded with a storage, by `Source.name`, in the order in which to ask them."""


class Fetcher:
    """Brings artifacts from whichever of its sources has them."""

    def __init__(self, sources: Sequence[Source], *, offline: bool = False) -> None:
        """Say whom to ask.

        Args:
            sources: At most one of each name. `DvcSource` has local and remote places: make it offline itself.
            offline: Leave out `dvc-process`, which always uses the network.
        """
        self._sources = {s.name: s for s in sources if not offline or s.local or s.name == "dvc"}

    @property
    def findings(self) -> list[str]:
        """Bad copies that were met so far, in all sources."""
        return [finding for source in self._sources.values() for finding in source.findings]

    def expect(self, artifacts: Sequence[Artifact]) -> None:
        """Say which artifacts `locate` will be asked for; it answers the same without, more slowly."""
        for name, source in self._sources.items():
            source.expect([artifact for artifact in artifacts if SOURCES[artifact.storage][0] == name])

    def locate(self, artifact: Artifact) -> str | None:
        """Where ``artifact`` would come from, cheaply; ``None`` when no source that answered has it.

        Raises:
            SourceUnreachableError: None has it, and one did not answer.
        """
        silent: SourceUnreachableError | None = None
        for source in self._asked(artifact):
            try:
                place = source.locate(artifact)
            except SourceUnreachableError as error:
                silent = silent or error
                continue
            if place is not None:
                return place
        if silent:
            raise silent
        return None

    def fetch(self, artifact: Artifact, dest: Path) -> str:
        """Copy ``artifact`` to ``dest`` (a free name in an existing directory), verified and read-only.

        Returns:
            The place that it came from.

        Raises:
            DigestMismatchError: Only damaged copies were found.
            SourceUnreachableError: None was found, and a source did not answer.
            SourceNotFoundError: Every source was asked and none has it.
        """
        failures: list[FetchError] = []
        for source in self._asked(artifact):
            try:
                return source.fetch(artifact, dest)
            except FetchError as error:
                failures.append(error)
        raise _telling(artifact, failures)

    def _asked(self, artifact: Artifact) -> list[Source]:
        return [self._sources[name] for name in SOURCES[artifact.storage] if name in self._sources]


def _telling(artifact: Artifact, failures: list[FetchError]) -> FetchError:
    """The failure that says most: damage, other trouble, silence, absence; several absences become one."""
    absent = [error for error in failures if isinstance(error, SourceNotFoundError)]
    silent = [error for error in failures if isinstance(error, SourceUnreachableError)]
    damaged = [error for error in failures if isinstance(error, DigestMismatchError)]
    other = [error for error in failures if error not in (*absent, *silent, *damaged)]
    for error in (*damaged, *other, *silent):
        return error
    told = "; ".join(map(str, absent)) or f"it was recorded with the storage '{artifact.storage}'"
    hint = next((error.hint for error in absent if error.hint), None)
    return SourceNotFoundError(f"{artifact.path} was not found: {told}", hint=hint)
