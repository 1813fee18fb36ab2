"""Where forgotten content still lies beyond what is deleted: DVC's remotes, Git, the work tree, kept workspaces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from replay.errors import DigestMismatchError, FetchError, UsageError
from replay.fetch.command import strip_credentials
from replay.fetch.dvcconfig import Remote
from replay.fetch.objects import Place, keys, place_of
from replay.identity import Digests
from replay.recipe import Artifact, Code, PathKind, Storage
from replay.retention.world import title
from replay.session import Session
from replay.store.hashing import verify
from replay.store.holdings import Holder, Thing

_THREADS = 8


class Still(msgspec.Struct, frozen=True, kw_only=True):
    """Content that is not deleted, and where it lies."""

    what: str
    where: str


class Remains(msgspec.Struct, frozen=True, kw_only=True):
    """What of some content is left elsewhere, as far as is known."""

    still: tuple[Still, ...]
    unknown: tuple[str, ...]
    """Places that were not asked or did not answer."""


def remains(
    chosen: Sequence[Holder], leaving: Sequence[Holder], things: Iterable[Thing], session: Session, *, offline: bool
) -> Remains:
    """Look for content of ``things`` of ``chosen``, and for what Git keeps of ``leaving``, where nothing is deleted."""
    wanted = {thing.uid for thing in things}
    still: list[Still] = []
    unknown: list[str] = []
    for holder in chosen:
        mine = [thing for thing in holder.things if thing.uid in wanted and thing.role]
        still += _in_work_tree(holder, mine, session)
        try:
            found = session.dvc_of(code_of(holder))
        except FetchError as error:
            unknown.append(f"DVC's remotes: {error}")
            continue
        for remote, place in _places(found[1].remotes, offline=offline) if found else ():
            if place is None:
                unknown.append(f"{remote}: was not asked")
            else:
                still += _on(place, remote, mine, unknown)
    still += [Still(what=title(thing), where=f"Git, commit {h.commit[:12]}") for h in leaving for thing in in_git(h)]
    kept = sorted(path for path in (session.store.root / "workspaces").glob("r*") if path.is_dir())
    unknown += [f"{path}: a kept workspace, which may hold copies" for path in kept]
    if session.store.database.shared:
        unknown.append("other stores with this lineage may hold copies: `replay forget --finish` there deletes them")
    return Remains(still=tuple(dict.fromkeys(still)), unknown=tuple(dict.fromkeys(unknown)))


def in_git(holder: Holder) -> list[Thing]:
    """Its artifacts that Git itself keeps: they are not ours to delete."""
    return [thing for thing in holder.things if thing.storage == Storage.GIT]


def code_of(holder: Holder) -> Code:
    """The code version of a model version, as far as places are concerned."""
    return Code(commit=holder.commit, tree="", url=holder.url, directory=holder.directory)


def _in_work_tree(holder: Holder, things: Iterable[Thing], session: Session) -> Iterator[Still]:
    for thing in things:
        place = session.root / holder.directory / thing.name
        try:
            if thing.blake3 and place.exists():
                verify(place, _artifact(thing))
                yield Still(what=title(thing), where="the work tree")
        except (DigestMismatchError, UsageError):  # other content, or nothing that is ever recorded
            continue


def _places(remotes: Iterable[Remote], *, offline: bool) -> Iterator[tuple[str, Place | None]]:
    """Every remote, and how to ask it; ``None`` for one that only DVC can read, or that is beyond the network."""
    for remote in remotes:
        place = place_of(remote)
        name = f"remote {remote.name} ({strip_credentials(remote.url)})"
        yield name, place if place is not None and (place.local or not offline) else None


def _on(place: Place, name: str, things: Sequence[Thing], unknown: list[str]) -> list[Still]:
    with ThreadPoolExecutor(_THREADS) as pool:
        try:
            found = list(pool.map(lambda thing: _has(place, thing), things))
        except FetchError as error:
            unknown.append(f"{name}: did not answer ({error})")
            return []
    return [Still(what=title(thing), where=name) for thing, there in zip(things, found, strict=True) if there]


def _has(place: Place, thing: Thing) -> bool:
    oid = f"{thing.md5}.dir" if thing.directory and not thing.md5.endswith(".dir") else thing.md5
    return bool(oid) and any(place.size(key) is not None for key in keys(oid))


def _artifact(thing: Thing) -> Artifact:
    return Artifact(
        path=thing.name,
        kind=PathKind.DIRECTORY if thing.directory else PathKind.FILE,
        size=thing.size or 0,
        files=thing.files,
        digests=Digests(sha256=thing.sha256[0], blake3=thing.blake3, md5=thing.md5),
        storage=Storage(thing.storage),
    )
