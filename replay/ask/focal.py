"""From what a person writes to the node that is meant."""

from __future__ import annotations

from pathlib import Path

from replay.ask.asking import ask
from replay.ask.interface import Ground
from replay.errors import ModelNotFoundError, ResolveError, UsageError
from replay.identity import ModelId
from replay.query import Entry, Query
from replay.store import reads
from replay.uid import raw_of, text_of, uid_of

_MANY = 20


def focal(text: str, ground: Ground, *, directory: Path) -> str:
    """The uid of the node that ``text`` means.

    It may be a model id, a uid, the digest of data or an image, a commit, a ULID, a prefix of these, the name of a
    path, experiment, deployment, feature view or agent, or a file whose bytes are recorded.

    Args:
        text: What was written.
        ground: Where to look.
        directory: What a file's path is relative to.

    Raises:
        ResolveError: Nothing is recorded that it means (or nothing that the asker may see).
        UsageError: It means several; the message has the candidates.
    """
    for look in (_exact, _model, lambda t, g: _file(t, g, directory), _prefix, _name):
        found = _visible(look(text, ground), ground)
        if len(found) == 1:
            return next(iter(found))
        if found:
            shown = "; ".join(map(_shown, list(found.values())[:_MANY]))
            raise UsageError(f"{text!r} can mean {len(found)} nodes: {shown}", hint="write more of the one you mean")
    raise ResolveError(
        f"nothing is recorded as {text!r}",
        hint="`replay models` lists the models, `replay search` finds everything else",
    )


def _exact(text: str, ground: Ground) -> set[str]:
    """A whole uid; ``sha256:…`` may be data or an image."""
    forms = [text, text.replace("sha256:", "image:", 1)] if text.startswith("sha256:") else [text]
    found = set()
    for form in forms:
        try:
            found.add(text_of(raw_of(form)))
        except UsageError:
            continue
    return _recorded(found, ground)


def _model(text: str, ground: Ground) -> set[str]:
    try:
        model = ModelId.parse(text)
    except UsageError:
        return set()
    found = set()
    for place in ground.places:
        try:
            found.add(place.store.model_version(model))
        except ModelNotFoundError:
            continue
    return found


def _file(text: str, ground: Ground, directory: Path) -> set[str]:
    path = directory / text
    if not path.exists():
        return set()
    from replay.store.hashing import describe

    return _recorded({uid_of({"sha256": describe(path).digests.sha256})}, ground)


def _prefix(text: str, ground: Ground) -> set[str]:
    prefix = text.removeprefix("rp_")
    return {node.uid for place in ground.places for node in place.store.find_prefix(prefix, limit=_MANY)}


def _name(text: str, ground: Ground) -> set[str]:
    return {node.uid for place in ground.places for node in place.store.find_name(text, limit=_MANY)}


def _recorded(uids: set[str], ground: Ground) -> set[str]:
    found: set[str] = set()
    for place in ground.places:
        with place.store.reading() as database:
            found |= set(reads.node_ids(database, uids))
    return found


def _visible(uids: set[str], ground: Ground) -> dict[str, Entry]:
    """Those that the asker may see."""
    found = {}
    for uid in sorted(uids):
        try:
            found[uid] = ask(Query(start=(uid,), max_depth=0, include_edges=False), ground).nodes[uid]
        except ResolveError:
            continue
    return found


def _shown(entry: Entry) -> str:
    return f"{entry.kind} {entry.name or entry.uid} ({entry.uid[:20]}…)" if entry.name else f"{entry.kind} {entry.uid}"
