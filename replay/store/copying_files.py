"""Blobs and journal from one ``.replay`` folder into another, after its lineage was copied."""

from __future__ import annotations

from pathlib import Path

import msgspec

from replay.errors import StoreCorruptError, UsageError
from replay.progress import Progress
from replay.store import fsops
from replay.store.blobs import Blobs
from replay.store.findings import Finding
from replay.store.journal import Journal


class Files(msgspec.Struct, kw_only=True):
    """What was copied."""

    linked: int = 0
    copied: int = 0
    already: int = 0
    bytes: int = 0
    """Of all blobs that are there now."""
    lines: int = 0
    """That the journal has now."""
    damaged: list[Finding] = []
    """Blobs of the source that are not as they were recorded: they were left out."""


def require_continued(source: Path, target: Path) -> None:
    """Check that the target's journal, if it has one, is the beginning of the source's.

    Raises:
        UsageError: It goes another way.
    """
    ours, theirs = (_bytes(root / "journal.jsonl") for root in (source, target))
    if not ours.startswith(theirs) and not theirs.startswith(ours):
        raise UsageError(
            f"{target / 'journal.jsonl'}: is not the beginning of {source / 'journal.jsonl'}",
            hint="both were written to since they parted; copy without --blobs, or to a new place",
        )


def copy_files(source: Path, target: Path, progress: Progress) -> Files:
    """Bring blobs and journal over: blobs as hard links where that can be, each hashed; the journal as it is.

    Raises:
        UsageError: The target's journal goes another way.
        StoreError: The disk is full, not writable, or failed; what is there already stays.
    """
    done, task = Files(), "copy blobs"
    ours, theirs = Blobs(source / "blobs"), Blobs(target / "blobs")
    progress.started(task)
    for sha256 in ours.iter_ids():
        try:
            _copy_blob(sha256, ours, theirs, done)
            done.bytes += theirs.size(sha256)
        except StoreCorruptError as error:
            done.damaged.append(Finding(place=f"blob {sha256}", problem=str(error)))
        progress.advanced(task, f"{done.linked + done.copied} blobs", 1)
    progress.finished(task, f"{done.linked} linked, {done.copied} copied, {done.already} there already")
    done.lines = _copy_journal(source, target)
    return done


def _copy_blob(sha256: str, ours: Blobs, theirs: Blobs, done: Files) -> None:
    if theirs.has(sha256):
        theirs.verify(sha256)
        done.already += 1
        return
    ours.verify(sha256)
    place = theirs.path(sha256)
    fsops.make_dir(place.parent)
    if fsops.link_or_copy(ours.path(sha256), place, durable=True):
        done.linked += 1
    else:
        theirs.verify(sha256)
        done.copied += 1


def _copy_journal(source: Path, target: Path) -> int:
    ours, theirs = source / "journal.jsonl", target / "journal.jsonl"
    if not ours.exists():
        return 0
    with Journal(theirs).locked():
        require_continued(source, target)
        if len(_bytes(theirs)) < len(_bytes(ours)):
            fsops.write_bytes(theirs, _bytes(ours))
    return len(Journal(theirs).records())


def _bytes(path: Path) -> bytes:
    with fsops.guard(path):
        return path.read_bytes() if path.exists() else b""
