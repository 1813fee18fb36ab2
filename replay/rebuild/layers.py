"""A folder as one image layer whose bytes depend on the folder's contents alone."""

from __future__ import annotations

import hashlib
import os
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO

from replay.errors import ImageBuildError
from replay.rebuild.images import EPOCH

_DROPPED = {"__pycache__"}


def write_layer(source: Path, at: str, out: Path) -> str:
    """Write the tree ``source`` as it shall lie at ``at`` in the image; returns the diff id.

    Sorted by path, times 1980, owner 0:0, mode 755 or 644, no byte code: two equal trees give the same bytes.

    Raises:
        ImageBuildError: The tree holds something else than regular files and folders.
    """
    with out.open("wb") as raw:
        stream = _Hashing(raw)
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
            place = PurePosixPath(at.strip("/"))
            for parent in [*reversed(place.parents[:-1]), place]:
                tar.addfile(_folder(str(parent)))
            _add(tar, source, str(place))
    return f"sha256:{stream.hexdigest()}"


def _add(tar: tarfile.TarFile, folder: Path, place: str) -> None:
    with os.scandir(folder) as scan:
        entries = sorted(scan, key=lambda entry: os.fsencode(entry.name))
    for entry in entries:
        name = f"{place}/{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in _DROPPED:
                tar.addfile(_folder(name))
                _add(tar, Path(entry.path), name)
        elif entry.is_file(follow_symlinks=False):
            _add_file(tar, Path(entry.path), name)
        else:
            raise ImageBuildError(f"{entry.path}: got a link or a special file, expected files and folders only")


def _add_file(tar: tarfile.TarFile, path: Path, name: str) -> None:
    info = tarfile.TarInfo(name)
    with path.open("rb") as content:
        found = os.fstat(content.fileno())
        info.size, info.mtime = found.st_size, EPOCH
        info.mode = 0o755 if found.st_mode & 0o100 else 0o644
        tar.addfile(info, content)


def _folder(name: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.mtime = tarfile.DIRTYPE, 0o755, EPOCH
    return info


class _Hashing:
    """A write-only file that hashes what goes through."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._state = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self._state.update(data)
        return self._out.write(data)

    def tell(self) -> int:
        return self._out.tell()

    def hexdigest(self) -> str:
        return self._state.hexdigest()
