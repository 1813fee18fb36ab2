"""From what a person writes to the node that is meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from replay.ask.interface import Ground, Guard, Place
from replay.ask.seen import seen
from replay.errors import ModelNotFoundError, UsageError
from replay.identity import ModelId
from replay.lineage import EdgeType, Kind, Node
from replay.query import Entry
from replay.store import reads
from replay.store.database import Store
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
        NotRecordedError: Nothing is recorded that it means (or nothing that the asker may see).
        ResolveError: The same, and an attached store was not asked.
        PolicyError: It means one node of one's own store, which a policy forbids to read.
        UsageError: It means several; the message has the candidates.
    """
    return ground.ask(lambda whole: _focal(text, whole, directory))


def stores_with(model: str, ground: Ground) -> tuple[str, ...]:
    """The attached stores that show a model version to the asker.

    Raises:
        UsageError: ``model`` is no model id.
    """
    ModelId.parse(model)

    def look(whole: Ground) -> tuple[str, ...]:
        entries = seen(sorted(_model(model, whole)), whole).values()
        return tuple(dict.fromkeys(name for entry in entries for name in entry.stores if name))

    return ground.ask(look)


def _focal(text: str, ground: Ground, directory: Path) -> str:
    for look in (_exact, _model, lambda t, g: _file(t, g, directory), _prefix, _name):
        found = look(text, ground)
        readable = seen(sorted(found), ground)
        if len(readable) == 1:
            return next(iter(readable))
        if readable:
            shown = "; ".join(map(_shown, list(readable.values())[:_MANY]))
            raise UsageError(f"{text!r} can mean {len(readable)} nodes: {shown}", hint="write more of the one you mean")
        if found and ground.guard is not None:
            ground.guard.refuse(found)
    if ground.guard is None and not ground.missing:
        _near(text, ground)
    hint = "`replay models` lists the models, `replay search` finds everything else"
    raise ground.not_recorded(f"nothing is recorded as {text!r}", hint)


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
        if place.name and ground.guard is not None and model.version is None and model.alias is None:
            found |= _newest(model.name, place, ground.guard)
            continue
        try:
            found.add(place.store.model_version(model))
        except ModelNotFoundError:
            continue
    return found


def _near(text: str, ground: Ground) -> None:
    """Raise what the store says of a version that it has not, of a model that it has."""
    try:
        model = ModelId.parse(text)
    except UsageError:
        return
    store = ground.places[0].store
    if store.models(model.name):
        store.model_version(model)


def _newest(name: str, place: Place, guard: Guard) -> set[str]:
    """The newest version of a model that another team's store shows."""
    versions = [place.store.node(row.uid) for row in place.store.models(name)]
    readable = guard.readable(place, versions)
    return set([node.uid for node in versions if node.uid in readable][-1:])


def _file(text: str, ground: Ground, directory: Path) -> set[str]:
    path = directory / text
    try:
        if not path.exists():
            return set()
    except OSError:  # longer than a file's name can be, or in a folder that may not be looked into
        return set()
    from replay.store.hashing import describe

    return _recorded({uid_of({"sha256": describe(path).digests.sha256})}, ground)


def _prefix(text: str, ground: Ground) -> set[str]:
    prefix = text.removeprefix("rp_")
    return _first(ground, lambda place, limit: place.store.find_prefix(prefix, limit=limit))


def _name(text: str, ground: Ground) -> set[str]:
    return _first(ground, lambda place, limit: _current(place.store.find_name(text, limit=limit), place.store))


def _current(found: list[Node], store: Store) -> list[Node]:
    """The name of a place where models are deployed means what runs there now: its newest deployment."""
    places = [node for node in found if node.kind is Kind.LOCATOR and node.type == "endpoint"]
    newest = []
    for place in places:
        versions = [n for e, n in store.neighbours(place.uid, direction="down") if e.type is EdgeType.SPECIALIZES]
        newest += versions[-1:]
    if not newest:
        return found
    return [node for node in found if node not in places and node.kind is not Kind.DEPLOYMENT] + newest


def _first(ground: Ground, look: Callable[[Place, int], list[Node]]) -> set[str]:
    """The first ones that the asker may see in each store, as if the others were not there; else the others."""
    shown: set[str] = set()
    others: set[str] = set()
    for place in ground.places:
        limit, found = _MANY, look(place, _MANY)
        readable = _readable(place, found, ground)
        while len(readable) < _MANY and len(found) == limit:
            limit *= _MANY
            found = look(place, limit)
            readable = _readable(place, found, ground)
        shown |= set(readable[:_MANY])
        others |= {node.uid for node in found[:_MANY]}
    return shown or others


def _readable(place: Place, nodes: list[Node], ground: Ground) -> list[str]:
    uids = [node.uid for node in nodes]
    if ground.guard is None:
        return uids
    readable = ground.guard.readable(place, nodes)
    return [uid for uid in uids if uid in readable]


def _recorded(uids: set[str], ground: Ground) -> set[str]:
    found: set[str] = set()
    for place in ground.places:
        with place.store.reading() as database:
            found |= set(reads.node_ids(database, uids))
    return found


def _shown(entry: Entry) -> str:
    key, _, value = entry.uid.partition(":")  # a ULID's first ten characters are its time, which many have
    return f"{entry.kind} {entry.name} ({key}:{value[:16]}…)" if entry.name else f"{entry.kind} {entry.uid}"
