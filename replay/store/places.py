"""What FROM and TO of a copy name: an address, a file, or a ``.replay`` folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from replay.errors import StoreCorruptError, UsageError
from replay.progress import Progress
from replay.store import addresses, backends, building, fsops, sqlite, standing
from replay.store.database import NAME
from replay.store.interface import Database
from replay.store.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from replay.store.copying import Copied
    from replay.store.copying_files import Files

_SUFFIXES = {".db", ".sqlite", ".sqlite3"}


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a store is, or is to be."""

    text: str
    """As it was given."""
    url: str | None = None
    file: Path | None = None
    """The SQLite file; else the lineage is at ``url``."""
    root: Path | None = None
    """The ``.replay`` folder with blobs and journal, when it was named."""


def find(text: str) -> Place:
    """The store that is there.

    Raises:
        UsageError: There is none, or the text names none.
    """
    place = _named(text)
    if place.file is not None and not place.file.is_file():
        raise UsageError(
            f"{text}: no store here, expected a {NAME} folder, its {backends.FILE}, or {addresses.FORM}",
            hint="`replay store status` names the store of this repository",
        )
    return place


def aim(text: str) -> Place:
    """The place of a store that may have to be made.

    Raises:
        UsageError: Nothing can be made there.
    """
    place = _named(text, making=True)
    if place.file is not None and place.file.exists() and not place.file.is_file():
        raise UsageError(f"{place.file}: is no regular file", hint=f"name a {NAME} folder or a file")
    return place


@contextlib.contextmanager
def reading(place: Place) -> Iterator[Database]:
    """The database there, open for reading.

    Raises:
        StoreError: It cannot be read, or is of another revision.
        UsageError: It is no store.
    """
    _standing(place).require_current()
    database = _opened(place, read_only=True)
    with contextlib.closing(database):
        yield database


@contextlib.contextmanager
def writing(place: Place) -> Iterator[Database]:
    """The database there, open for writing, made if need be; a new file gets its name when the body ended well.

    Raises:
        StoreError: It cannot be made or written, or is of another revision.
        UsageError: It is another program's.
    """
    if place.root is not None:
        backends.make_directory(place.root)
        fsops.sweep(place.root)
    if place.file is not None and not place.file.exists():
        fsops.make_dir(place.file.parent)
        with building.beside(place.file) as work:
            backends.make_file(work / place.file.name)
            with contextlib.closing(SqliteDatabase(work / place.file.name)) as database:
                database.place = str(place.file)
                yield database
            fsops.move(work / place.file.name, place.file, exclusive=True)
        return
    found = _standing(place)
    if found.state is standing.State.EMPTY and place.url is not None:
        from replay.store.migrating import upgrade_postgres

        upgrade_postgres(place.url)
    else:
        found.require_current()
    if place.file is not None:
        building.sweep(place.file)
    with contextlib.closing(_opened(place)) as database:
        yield database


def copy(source: Place, target: Place, *, blobs: bool, progress: Progress) -> tuple[Copied, Files | None]:
    """Copy the lineage, and with ``blobs`` what lies beside it; see `copying` and `copying_files`.

    Raises:
        UsageError: Both are one; or ``blobs`` and one of them is no ``.replay`` folder.
        StoreError: As `reading` and `writing`; the target is as it was before.
    """
    from replay.store import copying, copying_files

    require_apart(source, target)
    roots = None
    if blobs:
        if source.root is None or target.root is None:
            raise UsageError(
                f"got {source.text if source.root is None else target.text} with --blobs, expected a {NAME} folder",
                hint="blobs and journal lie in .replay: name this folder, or copy the lineage alone",
            )
        roots = source.root, target.root
        copying_files.require_continued(*roots)
    with reading(source) as origin, writing(target) as aimed:
        copied = copying.copy(origin, aimed, progress)
    return copied, copying_files.copy_files(*roots, progress) if roots else None


def require_apart(source: Place, target: Place) -> None:
    """Check that the two are not one.

    Raises:
        UsageError: They are.
    """
    same = False
    if source.file is not None and target.file is not None:
        same = target.file.exists() and source.file.samefile(target.file)
    elif source.url is not None and target.url is not None:
        same = standing.identity_of(source.url) == standing.identity_of(target.url)
    if same:
        raise UsageError(f"{source.text} and {target.text}: are the same store", hint="copy to another place")


def _named(text: str, *, making: bool = False) -> Place:
    if addresses.is_address(text):
        return Place(text=text, url=addresses.require_address(text))
    path = Path(text)
    if not text or "\0" in text:
        raise UsageError(f"got {text!r}, expected a path or {addresses.FORM}")
    if path.is_dir():
        return _in_folder(text, path, making=making)
    if path.is_file() and path.name != backends.FILE:
        _require_sqlite(path)
    if path.is_file() or path.suffix in _SUFFIXES:
        return Place(text=text, file=path, root=path.parent if path.name == backends.FILE else None)
    return Place(text=text, file=path / backends.FILE, root=path)


def _require_sqlite(path: Path) -> None:
    try:
        sqlite.require_magic(path)
    except StoreCorruptError as error:
        raise UsageError(
            f"{path}: is no SQLite database", hint=f"name a {NAME} folder, its {backends.FILE}, or {addresses.FORM}"
        ) from error


def _in_folder(text: str, path: Path, *, making: bool) -> Place:
    inner = path / NAME
    root = path if _is_store(path) or not inner.is_dir() else inner
    if making and not _is_store(root) and root.name != NAME and any(root.iterdir()):
        raise UsageError(
            f"{text}: is a folder with other things in it, expected a store or a new place", hint=f"write {inner}"
        )
    url = backends.url_of(root)
    return Place(text=text, url=url, root=root) if url else Place(text=text, file=root / backends.FILE, root=root)


def _is_store(folder: Path) -> bool:
    return any((folder / name).exists() for name in (backends.FILE, backends.POINTER))


def _standing(place: Place) -> standing.Standing:
    if place.url is not None:
        return standing.of_server(place.url)
    if place.file is None:
        raise TypeError(place)
    return standing.of_file(place.file)


def _opened(place: Place, *, read_only: bool = False) -> Database:
    if place.url is not None:
        from replay.store.postgres import PostgresDatabase

        return PostgresDatabase(place.url)
    if place.file is None:
        raise TypeError(place)
    # Who may write there reads like any other: one who only reads cannot clear away what reading the log leaves.
    return SqliteDatabase(place.file, read_only=read_only and not sqlite.may_write(place.file))
