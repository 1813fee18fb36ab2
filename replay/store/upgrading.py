"""Bringing what an older release made up to date, on both databases."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import msgspec

from replay.errors import UsageError
from replay.progress import Progress
from replay.store import backends, building, fsops, migrating, sqlite, standing
from replay.store.database import Store
from replay.store.interface import REVISION
from replay.store.standing import Standing, State


class Upgraded(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, and what became of it."""

    place: str
    found: str
    """``revision …`` or ``release 0.1``."""
    revision: str = REVISION
    """That of this program."""
    changed: bool = False
    needed: bool = False
    """It was asked only what would be done, and this is what."""
    rows: dict[str, int] = {}
    """Of the file of release 0.1: how many rows each table had, or has now when it was written anew."""
    kept: str | None = None
    """What the old file is called now."""
    sha256: str | None = None
    """Of the old file."""
    notes: tuple[str, ...] = ()


def upgrade(root: Path, url: str | None, *, dry_run: bool, progress: Progress) -> Upgraded:
    """Bring the database of the store in ``root`` up to date.

    Args:
        root: The ``.replay`` folder.
        url: The PostgreSQL database that a setting names, instead of the one that the folder does.
        dry_run: Only say what would be done; a file of release 0.1 is checked all the same.
        progress: Who watches.

    Raises:
        UsageError: There is nothing to bring up to date, or it is another program's.
        StoreCorruptError: A file of release 0.1 is not as it was written.
        StoreError: A newer release made it; or it cannot be read or written. Then it is as it was before.
    """
    url = url or backends.url_of(root)
    if url is not None:
        return _upgrade(root, url, standing.of_server(url), dry_run=dry_run, progress=progress)
    if not (root / backends.FILE).exists():
        raise UsageError(f"{root}: no store here", hint="`replay store init` makes one")
    if dry_run:
        return _upgrade(root, url, standing.of_file(root / backends.FILE), dry_run=True, progress=progress)
    with fsops.lock(root / "create.lock"):  # with the journal's line about it, it is one step for others
        return _upgrade(root, url, standing.of_file(root / backends.FILE), dry_run=False, progress=progress)


def _upgrade(root: Path, url: str | None, found: Standing, *, dry_run: bool, progress: Progress) -> Upgraded:
    found.require_ours()
    if found.state is State.EMPTY:
        found.require_current()
    if found.state is State.VERSION_1:
        return _from_version_1(root, found.place, dry_run=dry_run, progress=progress)
    if found.state is State.CURRENT:
        return Upgraded(place=found.place, found=found.made_by, notes=() if dry_run or url else _finish(root))
    if dry_run:
        return Upgraded(place=found.place, found=found.made_by, needed=True)
    if url:
        migrating.upgrade_postgres(url)
    else:
        _upgrade_file(root / backends.FILE)
    with Store.open(root, url=url) as store:
        store.note("migrated", of=found.made_by, revision=REVISION)
    return Upgraded(place=found.place, found=found.made_by, changed=True)


def _upgrade_file(file: Path) -> None:
    with (
        fsops.turn(file.with_suffix(".lock"), sqlite.BUSY_SECONDS),
        contextlib.closing(sqlite.connect(file, write=True)) as connection,
    ):
        migrating.upgrade_sqlite(connection, file)


def _from_version_1(root: Path, place: str, *, dry_run: bool, progress: Progress) -> Upgraded:
    from replay.store.v1 import migrate

    if dry_run:
        return Upgraded(place=place, found="release 0.1", needed=True, rows=migrate.look(root))
    done = migrate.migrate(root, progress)
    rows: dict[str, int] = msgspec.to_builtins(done.counts)
    later = rows.pop("later")
    _tell(root, done.sha256)
    notes = (f"{later} transactions had a time before the one before them, and have that one's now",) if later else ()
    return Upgraded(
        place=place,
        found="release 0.1",
        changed=True,
        rows=rows,
        kept=str(done.kept),
        sha256=done.sha256,
        notes=notes,
    )


def _tell(root: Path, sha256: str) -> None:
    from replay.store.v1 import migrate

    with Store.open(root) as store:
        fields: dict[str, Any] = {"of": "release 0.1", "revision": REVISION, "kept": migrate.KEPT, "sha256": sha256}
        store.note(migrate.MIGRATED, **fields)


def _finish(root: Path) -> tuple[str, ...]:
    """Do what was left undone by a migration that was killed right after the file was in its place."""
    from replay.store.journal import Journal
    from replay.store.v1 import migrate

    building.sweep(root / backends.FILE)
    kept = root / migrate.KEPT
    if not kept.exists():
        return ()
    sha256 = migrate.sha256_of(kept)
    if migrate.is_told(Journal(root / "journal.jsonl"), sha256):
        return ()
    _tell(root, sha256)
    return ("the journal tells of it now: its line was missing",)
