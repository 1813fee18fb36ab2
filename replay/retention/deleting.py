"""Deleting what was forgotten: after its tombstone, while nobody else can write, and as often as needed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from replay.lineage import Evidence, Facet
from replay.retention.looking import Seen, look
from replay.retention.world import STORE, Key, title
from replay.session import Session
from replay.store import fsops, reads
from replay.store.database import Decision
from replay.store.holders import newest
from replay.store.holdings import FORGOTTEN, blob_claims, dropped

DROPPED = "dropped"
"""The role of what an action of the type ``forget`` gave a tombstone."""
FINISHED = "finished"
"""The facet of such an action whose files are deleted."""


Found = tuple[str, Key, str]
"""A thing's uid, a file of it, and its name for people."""


class Rest(msgspec.Struct, frozen=True, kw_only=True):
    """Files that were forgotten and are here all the same: their process was killed, or a backup brought them back."""

    schema_version: str = "replay.forget-rest/1"
    really: bool
    """Whether they were deleted; else nothing was changed."""
    files: tuple[str, ...]


def finish(session: Session, *, only: str | None = None) -> tuple[str, ...]:
    """Delete what was forgotten and is still here, of all actions that are not finished or of one.

    Returns:
        What was deleted, for people.

    Raises:
        StoreError: A file cannot be deleted; running it again goes on.
        FetchError: It cannot be known what DVC uses.
    """
    done: list[str] = []
    for action in [only] if only else _unfinished(session):
        done += _finish(action, session)
    return tuple(done)


def clear(session: Session, *, really: bool) -> Rest:
    """Delete whatever was forgotten and is here: what is not finished, and blobs that have come back.

    Of DVC's cache only what is not finished: what came back there may be in use again.

    Raises:
        PolicyError: Who runs the command may not.
        StoreError: A file cannot be deleted; running it again goes on.
        FetchError: It cannot be known what DVC uses.
    """
    found = [one for action in _unfinished(session) for one in _left_of(action, session, _look(action, session))]
    found += _back(session, look(session, dvc="none"))
    if really:
        session.require("delete", list({uid for uid, _, _ in found}))
        finish(session)
        _delete_back(session)
    files = {key: f"{name} ({key.id[:12]}…)" for _, key, name in found}
    return Rest(really=really, files=tuple(files.values()))


def _unfinished(session: Session) -> list[str]:
    """The actions whose tombstones stand and whose files may not all be deleted: their process was killed."""
    with session.store.reading() as database:
        said = reads.facets_like(database, FORGOTTEN, FORGOTTEN)
    actions = list(dict.fromkeys(facet.action for facet in said if facet.action))
    about = session.store.histories(actions)
    return [uid for uid in actions if all(facet.key != FINISHED for facet in about.get(uid, []))]


def _things(action: str, session: Session) -> list[str]:
    return [target.uid for edge, target in session.store.neighbours(action) if edge.role == DROPPED]


def _look(action: str, session: Session) -> Seen:
    """Look again, with what the action was allowed to take from DVC's cache."""
    return look(session, dvc=str(session.store.node(action).attrs.get("dvc", "unused")))


def _left_of(action: str, session: Session, seen: Seen) -> list[Found]:
    """The files that an action has still to delete, as things are now."""
    world = seen.world
    keys = [(uid, key) for uid in _things(action, session) for key in world.keys.get(uid, ()) if world.free(key)]
    return [(uid, key, title(world.by_thing[uid][0][1])) for uid, key in keys]


def _is_held(action: str, session: Session, seen: Seen) -> bool:
    return any(seen.world.hold(key) for uid in _things(action, session) for key in seen.world.keys.get(uid, ()))


def _finish(action: str, session: Session) -> list[str]:
    before = _look(action, session)
    deleted: list[str] = []

    def build() -> Decision:
        seen = before if newest(session.store) == before.tx else _look(action, session)
        found = _left_of(action, session, seen)
        _delete(found, seen)
        for uid in _things(action, session):
            _delete_copies(uid, session)
        deleted.extend(dict.fromkeys(name for _, _, name in found))
        if _is_held(action, session, seen):  # it goes on when the hold ends
            return (), (), ()
        by, files = session.asker.user, len({key for _, key, _ in found})
        done = Facet(node=action, key=FINISHED, value={"files": files}, evidence=Evidence.ASSERTED, basis=by)
        return (), (), [done]

    session.store.decide(build)
    session.store.note("forgotten", action=action, things=len(deleted))
    return deleted


def _back(session: Session, seen: Seen) -> list[Found]:
    """The blobs that are here although whatever they are held as was forgotten."""
    claims = blob_claims(seen.world.holders, session.store.blobs)
    keys = [Key(STORE, sha256) for sha256 in sorted(dropped(claims)) if session.store.blobs.has(sha256)]
    first = {key: claims[key.id][0][1] for key in keys if key in seen.world.by_key and not seen.world.hold(key)}
    return [(thing.uid, key, title(thing)) for key, thing in first.items()]


def _delete_back(session: Session) -> None:
    found: list[Found] = []

    def build() -> Decision:
        seen = look(session, dvc="none")
        found.extend(_back(session, seen))
        _delete(found, seen)
        return (), (), ()

    session.store.decide(build)
    if found:
        session.store.note("forgotten-again", blobs=len(found))


def _delete(found: Iterable[Found], seen: Seen) -> None:
    folders: dict[Path, None] = {}
    for _, key, _ in found:
        for path in seen.shelves.paths(key):
            fsops.remove_tree(path)
            folders[path.parent] = None
    for folder in folders:
        with fsops.guard(folder):
            fsops.sync_directory(folder)


def _delete_copies(uid: str, session: Session) -> None:
    """What comparing two models left of a thing in the store's workspaces."""
    sha256 = uid.partition(":")[2]
    if uid.startswith("sha256:"):
        fsops.remove_tree(session.store.root / "workspaces" / "diff" / sha256)
