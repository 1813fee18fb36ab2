"""What a source of recorded bytes is: it offers copies, and the base class checks every byte of them."""

from __future__ import annotations

import abc
import contextlib
import os
import stat
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import ClassVar

from replay.errors import DigestMismatchError, FetchError, ReplayError, SourceNotFoundError
from replay.recipe import Artifact
from replay.store import fsops


class Source(abc.ABC):
    """A place, or several of one kind, that artifacts can be copied from.

    Attributes:
        name: The name by which `SOURCES` knows it.
        local: Whether it works without a network.
        findings: Bad copies that were met and passed over, for people.
    """

    name: ClassVar[str]
    local: ClassVar[bool] = True

    def __init__(self) -> None:
        self.findings: list[str] = []

    def expect(self, artifacts: Sequence[Artifact]) -> None:  # noqa: B027  # most sources look up one as fast as many
        """Hear which artifacts `locate` will be asked for; a source may look them up at once."""

    @abc.abstractmethod
    def locate(self, artifact: Artifact) -> str | None:
        """Where the artifact would come from, or ``None``; copies nothing and hashes nothing large.

        Raises:
            SourceUnreachableError: It is not where could be looked, and some place did not answer.
        """

    @abc.abstractmethod
    def _fetch(self, artifact: Artifact, dest: Path) -> Generator[str]:
        """Write one candidate after another to ``dest``, each time yielding its place.

        The iteration goes on only when the candidate was refused and ``dest`` is free again.

        Raises:
            SourceNotFoundError: No place had anything to offer.
            SourceUnreachableError: Likewise, and some place did not answer.
        """

    def fetch(self, artifact: Artifact, dest: Path) -> str:
        """Copy ``artifact`` to ``dest``, which must not exist, and verify the copy; files become read-only.

        Returns:
            The place that it came from.

        Raises:
            SourceNotFoundError: No place has it.
            SourceUnreachableError: No place that answered has it.
            DigestMismatchError: Every copy that was found is not the recorded one.
            FetchError: Any other trouble.
        """
        if os.path.lexists(dest):
            raise FetchError(f"{dest}: is there already, expected a free name")
        try:
            with contextlib.closing(self._candidates(artifact, dest)) as candidates:
                place = next(candidates)
            _seal(dest)
        except BaseException as error:
            fsops.remove_tree(dest)
            if isinstance(error, ReplayError) or not isinstance(error, Exception):
                raise
            raise FetchError(f"{artifact.path}: {self.name}: {type(error).__name__}: {error}") from error
        return place

    def _candidates(self, artifact: Artifact, dest: Path) -> Generator[str]:
        """The candidates that have the recorded digest; raises when there is none."""
        from replay.store.hashing import verify

        bad: DigestMismatchError | None = None
        try:
            with contextlib.closing(self._fetch(artifact, dest)) as offers:
                for place in offers:
                    try:
                        verify(dest, artifact)
                    except DigestMismatchError as error:
                        bad = _named(error, artifact, place)
                        self.findings.append(str(bad))
                        fsops.remove_tree(dest)
                    else:
                        yield place
        except FetchError as error:
            raise bad or error from error.__cause__
        raise bad or SourceNotFoundError(f"{artifact.path}: {self.name} has nothing to offer")


def _named(error: DigestMismatchError, artifact: Artifact, place: str) -> DigestMismatchError:
    return DigestMismatchError(
        f"{artifact.path} from {place}: got {error.actual}, expected {error.expected}",
        expected=error.expected,
        actual=error.actual,
        hint=f"the copy in {place} is damaged or was replaced; nothing was changed there",
    )


def _seal(dest: Path) -> None:
    """Make every file read-only; a set x bit stays."""
    files = [dest] if dest.is_file() else [Path(base, name) for base, _, names in os.walk(dest) for name in names]
    for file in files:
        mode = file.lstat().st_mode
        if not stat.S_ISLNK(mode):
            file.chmod(0o555 if mode & 0o100 else 0o444)
