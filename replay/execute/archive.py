"""Trees as tar streams: packed for an engine that sees other files than this process, unpacked with suspicion."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO

from replay.errors import ExecuteError
from replay.store import fsops

_BLOCK = 1 << 20
_RECORD = 512
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def pack(trees: Mapping[str, Path], skip: Collection[str] = ()) -> Iterator[bytes]:
    """Trees as one tar stream, all of it owned by root with the permissions it has on disk.

    Args:
        trees: What each is called in the stream → where it is.
        skip: Paths in the stream that are left out, with all that is in them.

    Raises:
        ExecuteError: A file changed while it was read, or is neither file, directory nor link.
    """
    for name, root in trees.items():
        yield from _pack(root, name, skip)
    yield bytes(2 * _RECORD)


def _pack(path: Path, name: str, skip: Collection[str]) -> Iterator[bytes]:
    status = path.lstat()
    info = tarfile.TarInfo(name)
    info.mode, info.mtime = stat.S_IMODE(status.st_mode), int(status.st_mtime)
    if stat.S_ISDIR(status.st_mode):
        info.type = tarfile.DIRTYPE
        yield _header(info)
        for child in sorted((p.name for p in path.iterdir()), key=os.fsencode):
            if (inner := f"{name}/{child}") not in skip:
                yield from _pack(path / child, inner, skip)
    elif stat.S_ISLNK(status.st_mode):
        info.type, info.linkname = tarfile.SYMTYPE, str(path.readlink())
        yield _header(info)
    elif stat.S_ISREG(status.st_mode):
        info.size = status.st_size
        yield _header(info)
        yield from _content(path, status.st_size)
    else:
        raise ExecuteError(f"{path}: got {fsops.kind_of(status.st_mode)}, expected a file, directory or link")


def _header(info: tarfile.TarInfo) -> bytes:
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _content(path: Path, size: int) -> Iterator[bytes]:
    left = size
    with path.open("rb") as file:
        while chunk := file.read(min(_BLOCK, left)):
            left -= len(chunk)
            yield chunk
    if left:
        raise ExecuteError(f"{path}: got {size - left} bytes, expected {size}", hint="it changed meanwhile")
    yield bytes(-size % _RECORD)


class _Reader:
    """A tar stream's chunks as what tarfile reads from."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks, self._rest = iter(chunks), b""

    def read(self, size: int) -> bytes:
        parts, have = [self._rest], len(self._rest)
        while have < size and (chunk := next(self._chunks, b"")):
            parts.append(chunk)
            have += len(chunk)
        data = b"".join(parts)
        self._rest = data[size:]
        return data[:size]

    def drain(self) -> None:
        for _ in self._chunks:
            pass


def unpack(
    chunks: Iterable[bytes], dest: Path, *, max_bytes: int, skip: Callable[[str], bool] = lambda _: False
) -> dict[str, str]:
    """Write the regular files and directories of an untrusted tar stream below ``dest``, an empty directory.

    The stream's first path component is dropped, as the engine's API puts it there. Links, devices and FIFOs are not
    made; nothing is ever written outside ``dest`` or over something that is there.

    Args:
        chunks: The stream.
        dest: Where to.
        max_bytes: Of all files together; what is beyond is refused before a byte of it is written.
        skip: Says of a path whether it is left out.

    Returns:
        What was refused: path → what it is.

    Raises:
        ExecuteError: The stream is broken.
        StoreError: The disk is full, not writable, or failed.
    """
    refused: dict[str, str] = {}
    reader, left = _Reader(chunks), max_bytes
    try:
        with tarfile.open(fileobj=reader, mode="r|", errorlevel=2) as archive:  # type: ignore[call-overload]
            for member in archive:
                path = "/".join(PurePosixPath(member.name).parts[1:])
                if skip(path):
                    continue
                what = _trouble(member, left)
                if what:
                    refused[path or member.name] = what
                    continue
                left -= member.size
                _write(archive, member, dest / path)
        reader.drain()
    except tarfile.TarError as error:
        raise ExecuteError(f"the engine's archive is broken: {error}") from error
    return refused


def _trouble(member: tarfile.TarInfo, left: int) -> str:
    pure = PurePosixPath(member.name)
    if pure.is_absolute() or ".." in pure.parts or "\0" in member.name:
        return "a path that leads outside"
    if member.isdir():
        return ""
    if member.isreg():
        return "larger than the budget for all outputs" if member.size > left else ""
    kinds = {tarfile.SYMTYPE: "a symbolic link", tarfile.LNKTYPE: "a hard link", tarfile.FIFOTYPE: "a FIFO",
             tarfile.CHRTYPE: "a character device", tarfile.BLKTYPE: "a block device"}  # fmt: skip
    return kinds.get(member.type, "an unknown kind of file")


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    with fsops.guard(target):
        if member.isdir():
            target.mkdir(exist_ok=True)
            return
        source: IO[bytes] | None = archive.extractfile(member)
        if source is None:
            raise ExecuteError(f"the engine's archive is broken: {member.name!r} has no content")
        with os.fdopen(os.open(target, _NEW, 0o644), "wb") as file:
            shutil.copyfileobj(source, file, _BLOCK)
