"""Where recorded content lies on this machine: the store's blobs and DVC's caches. Looks, and reads listings only."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import msgspec

from replay.fetch.dvcconfig import find_dvc_dir, load
from replay.fetch.objects import keys as layouts
from replay.retention.world import STORE, Key, Piece
from replay.session import Session
from replay.store.blobs import Blobs
from replay.store.holdings import Holder, Thing, listing

_MD5 = re.compile(r"[0-9a-f]{32}(?:\.dir)?")


class _Listed(msgspec.Struct, frozen=True):
    """One file of a ``.dir`` object."""

    md5: str


class Shelves:
    """The places of one repository; everything is looked at once."""

    def __init__(self, session: Session) -> None:
        self.root = session.root
        self.blobs: Blobs = session.store.blobs
        self.pieces: dict[Key, Piece] = {}
        self.absent: set[str] = set()
        """Uids of things that are not completely here."""
        self.unknown: list[str] = []
        self._caches: dict[str, Path | None] = {}
        self._listings: dict[tuple[str, str], tuple[str, ...] | None] = {}

    @property
    def caches(self) -> list[Path]:
        """The DVC caches that were looked into."""
        return list(dict.fromkeys(cache for cache in self._caches.values() if cache))

    def cache_of(self, directory: str) -> Path | None:
        """The DVC cache of the workflow in a directory of the repository; ``None`` where DVC is not in use."""
        if directory not in self._caches:
            found = find_dvc_dir(self.root / directory, self.root)
            self._caches[directory] = load(found).cache if found else None
        return self._caches[directory]

    def keys_of(self, holders: Iterable[Holder]) -> dict[str, tuple[Key, ...]]:
        """Of each thing that somebody holds: the files that hold it here."""
        places: dict[str, tuple[Thing, set[Path]]] = {}
        for holder in holders:
            cache = self.cache_of(holder.directory)
            for thing in holder.things:
                places.setdefault(thing.uid, (thing, set()))[1].update({cache} if cache else set())
        return {uid: tuple(self._keys(thing, sorted(caches))) for uid, (thing, caches) in places.items()}

    def paths(self, key: Key) -> list[Path]:
        """Where a file lies: a DVC cache may hold it twice, in the layouts of DVC 3 and of DVC 2."""
        if key.place == STORE:
            return [path for path in (self.blobs.path(key.id),) if _regular(path)]
        return self._in_cache(Path(key.place), key.id)

    def named(self, cache: Path, md5: str) -> tuple[str, ...]:
        """The objects that an object of DVC stands for: itself, and what lies in it when it is a directory."""
        return (md5, *(self._dvc_listing(cache, md5) or ())) if md5.endswith(".dir") else (md5,)

    def _keys(self, thing: Thing, caches: Collection[Path]) -> Iterator[Key]:
        complete = False
        for place, wanted in self._wanted(thing, caches):
            found = [key for one in wanted or () if self._look(key := Key(place, one))]
            complete |= wanted is not None and len(found) == len(set(wanted))
            yield from dict.fromkeys(found)
        if not complete:
            self.absent.add(thing.uid)

    def _wanted(self, thing: Thing, caches: Collection[Path]) -> Iterator[tuple[str, tuple[str, ...] | None]]:
        """Place, and the files that a thing consists of there; ``None`` when that is not known."""
        if thing.directory:
            known = listing(self.blobs, thing.sha256[0])
            yield STORE, None if known is None else tuple(sha256 for _, _, sha256 in known)
        else:
            yield STORE, thing.sha256
        for cache in caches if _MD5.fullmatch(thing.md5) else ():
            yield str(cache), self._dvc_listing(cache, thing.md5) if thing.directory else (thing.md5,)

    def _look(self, key: Key) -> bool:
        """Whether a file is there; it is noted."""
        if key not in self.pieces:
            found = [status for path in self.paths(key) if (status := _regular(path))]
            if not found:
                return False
            frees = sum(status.st_size for status in found if status.st_nlink == 1)
            self.pieces[key] = Piece(size=sum(status.st_size for status in found), frees=frees)
        return True

    def _in_cache(self, cache: Path, md5: str) -> list[Path]:
        """The object in the layouts of DVC 3 and of DVC 2, as far as it is there."""
        return [path for key in layouts(md5) if _regular(path := cache / key)]

    def _dvc_listing(self, cache: Path, md5: str) -> tuple[str, ...] | None:
        """What a directory consists of, as DVC's cache lists it; ``None`` when the listing is not there."""
        oid = md5 if md5.endswith(".dir") else f"{md5}.dir"
        if (str(cache), oid) not in self._listings:
            self._listings[str(cache), oid] = self._read_listing(cache, oid)
        return self._listings[str(cache), oid]

    def _read_listing(self, cache: Path, oid: str) -> tuple[str, ...] | None:
        for path in self._in_cache(cache, oid):
            try:
                items = msgspec.json.decode(path.read_bytes(), type=list[_Listed])
            except (OSError, msgspec.MsgspecError) as error:
                self.unknown.append(f"{path}: the listing of a directory cannot be read: {error}")
                continue
            if all(_MD5.fullmatch(item.md5) for item in items):  # what is read here becomes a path to delete
                return tuple(dict.fromkeys(item.md5 for item in items))
            self.unknown.append(f"{path}: the listing of a directory names something that is no object")
        return None


def _regular(path: Path) -> os.stat_result | None:
    try:
        status = path.lstat()
    except OSError:  # not there, or not ours to look at: then not ours to delete
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def measured(folder: Path, *, without: Collection[str] = ()) -> int:
    """Bytes of all files in a folder; links are not followed, and a file with several names counts once."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for base, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not (Path(base) == folder and name in without)]
        for name in names:
            status = _regular(Path(base, name))
            if status and (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                total += status.st_size
    return total
