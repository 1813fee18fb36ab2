"""DVC's objects, read by our own reader: it verifies what it reads, writes nothing and deletes nothing.

DVC itself trusts its cache and its remotes, and removes a damaged object from a writable remote: evidence would be
lost by looking at it. A damaged object is passed over here when another place has a good one, and always reported.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import md5
from pathlib import Path, PurePosixPath

import msgspec

from replay.errors import DigestMismatchError, FetchError, SourceNotFoundError, SourceUnreachableError
from replay.fetch.dvcconfig import DvcConfig
from replay.fetch.interface import Source
from replay.fetch.objects import Directory, Place, has_hash, keys, place_of
from replay.recipe import Artifact, PathKind

_THREADS = 8


class _Listed(msgspec.Struct, frozen=True):
    """One file of a ``.dir`` object."""

    relpath: str
    md5: str


class DvcSource(Source):
    """Objects by md5 out of the local cache, local remotes and S3 remotes, in this order."""

    name = "dvc"
    local = False

    def __init__(
        self,
        config: DvcConfig,
        *,
        offline: bool = False,
        keys: Mapping[str, str] | None = None,
    ) -> None:
        """Say where to look.

        Args:
            config: Cache and remotes.
            offline: Never leave this machine.
            keys: Artifact path → the hash under which DVC keeps it where that is not the plain md5: what DVC 2
                recorded of text with CR LF (see `dvcfiles.DvcOut.hash`).
        """
        super().__init__()
        remotes = (place_of(remote) for remote in config.remotes)
        places = [Directory("the DVC cache", config.cache), *filter(None, remotes)]
        self.places: Sequence[Place] = sorted(
            (place for place in places if place.local or not offline), key=lambda place: not place.local
        )
        self._keys = dict(keys or {})

    def locate(self, artifact: Artifact) -> str | None:
        """The places that hold every object of the artifact with the right size; no content but listings is read."""
        search = _Search(self)
        found = self._located(artifact, search)
        if found is None:
            search.complain()
        return found

    def _located(self, artifact: Artifact, search: _Search) -> str | None:
        is_file = artifact.kind is PathKind.FILE
        found = search.where(self._oid(artifact), artifact.size if is_file else None)
        if found is None or is_file:
            return found.name if found else None
        try:
            listed = self._listing(self._oid(artifact), search)
        except SourceNotFoundError:
            return None
        with ThreadPoolExecutor(_THREADS) as pool:
            places = [found, *pool.map(lambda item: search.where(item.md5, None), listed)]
        names = dict.fromkeys(place.name for place in places if place)
        return ", ".join(names) if None not in places else None

    def _oid(self, artifact: Artifact) -> str:
        oid = self._keys.get(artifact.path, artifact.digests.md5)
        directory = artifact.kind is PathKind.DIRECTORY and not oid.endswith(".dir")
        return f"{oid}.dir" if directory else oid

    def _fetch(self, artifact: Artifact, dest: Path) -> Generator[str]:
        search = _Search(self)
        if artifact.kind is PathKind.DIRECTORY:
            yield self._directory(artifact, dest, search)
            return
        oid = self._oid(artifact)
        for place, key, size in search.each(oid):
            if size != artifact.size:
                search.refuse(f"{artifact.path} from {place.name}: {key}", f"size:{size}", f"size:{artifact.size}")
                continue
            if search.copy(place, key, dest):
                yield place.name
        raise search.failure(artifact.path, oid)

    def _directory(self, artifact: Artifact, dest: Path, search: _Search) -> str:
        listed = self._listing(self._oid(artifact), search, artifact.path)
        if len(listed) != artifact.files:
            raise FetchError(f"{artifact.path}: its listing has {len(listed)} files, the recipe {artifact.files}")
        dest.mkdir()
        for folder in sorted({(dest / item.relpath).parent for item in listed}):
            folder.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(_THREADS) as pool:
            used = list(pool.map(lambda item: self._one(artifact.path, item, dest, search), listed))
        return ", ".join(dict.fromkeys(used)) or "its listing"

    def _one(self, path: str, item: _Listed, dest: Path, search: _Search) -> str:
        target = dest / item.relpath
        for place, key, _ in search.each(item.md5):
            if not search.copy(place, key, target):
                continue
            actual = has_hash(target, item.md5)
            if actual is None:
                return place.name
            target.unlink()
            search.refuse(f"{path}/{item.relpath} from {place.name}: {key}", f"md5:{actual}", f"md5:{item.md5}")
        raise search.failure(f"{path}/{item.relpath}", item.md5)

    def _listing(self, oid: str, search: _Search, path: str = "") -> list[_Listed]:
        for place, key, size in search.each(oid):
            data = place.listing(key, size)
            actual = md5(data, usedforsecurity=False).hexdigest() + ".dir"
            if actual == oid:
                return _decoded(data, f"{place.name}: {key}")
            search.refuse(f"{path or oid} from {place.name}: {key}", f"md5:{actual}", f"md5:{oid}")
        raise search.failure(path or oid, oid)


class _Search:
    """One hunt through the places: what was asked, what was bad, who did not answer."""

    def __init__(self, source: DvcSource) -> None:
        self._source = source
        self._silent: dict[str, SourceUnreachableError] = {}
        self._bad: DigestMismatchError | None = None

    def each(self, oid: str) -> Iterator[tuple[Place, str, int]]:
        """Place, key and size of each copy of an object; a place that does not answer is asked only once."""
        for place in self._source.places:
            for key in keys(oid):
                try:
                    size = None if place.name in self._silent else place.size(key)
                except SourceUnreachableError as error:
                    self._silent[place.name] = error
                    break
                if size is not None:
                    yield place, key, size

    def copy(self, place: Place, key: str, dest: Path) -> bool:
        """Copy one object; false when the place stopped answering."""
        try:
            place.copy(key, dest)
        except SourceUnreachableError as error:
            self._silent[place.name] = error
            return False
        return True

    def where(self, oid: str, size: int | None) -> Place | None:
        """The first place with the object, of the right size when that is known."""
        return next((place for place, _, found in self.each(oid) if size is None or found == size), None)

    def refuse(self, what: str, actual: str, expected: str) -> None:
        """Note a copy that is not the recorded one."""
        self._bad = DigestMismatchError(
            f"{what}: got {actual}, expected {expected}",
            expected=expected,
            actual=actual,
            hint="the object is damaged or was replaced; nothing was changed there",
        )
        self._source.findings.append(str(self._bad))

    def complain(self) -> None:
        """Raise when a place did not answer: it might have had it."""
        for error in self._silent.values():
            raise error

    def failure(self, what: str, oid: str) -> FetchError:
        """The error that says most: a damaged copy, then silence, then absence."""
        if self._bad:
            return self._bad
        if self._silent:
            told = "; ".join(map(str, self._silent.values()))
            hint = next(iter(self._silent.values())).hint
            return SourceUnreachableError(f"{what} (md5 {oid}): no place that answered has it; {told}", hint=hint)
        asked = ", ".join(place.name for place in self._source.places)
        return SourceNotFoundError(
            f"{what} (md5 {oid}) was not found; asked: {asked}",
            hint="`dvc push` it from a machine that has it, or `dvc remote add` the remote that does",
        )


def _decoded(data: bytes, origin: str) -> list[_Listed]:
    """The files of a directory listing.

    Raises:
        FetchError: It is none, or a path in it leaves the directory.
    """
    try:
        listed = msgspec.convert(json.loads(data), type=list[_Listed])
    except (ValueError, msgspec.ValidationError, RecursionError) as error:
        raise FetchError(f"{origin}: no directory listing of DVC: {error}") from error
    for item in listed:
        path = PurePosixPath(item.relpath)
        plain = item.relpath == str(path) and path.parts and not path.is_absolute() and ".." not in path.parts
        if not plain or "\0" in item.relpath or len(item.md5) != 32 or not set(item.md5) <= set("0123456789abcdef"):
            raise FetchError(f"{origin}: got the path {item.relpath!r} and md5 {item.md5!r}, expected a path inside")
    if len({item.relpath for item in listed}) != len(listed):
        raise FetchError(f"{origin}: a path is listed twice")
    return listed
