"""Which of the nodes that were met are told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from replay.ask.interface import Ground
from replay.ask.merge import Graph
from replay.errors import UsageError
from replay.lineage import TYPES, Kind
from replay.query import Entry, Query


def choose(query: Query, graph: Graph) -> list[str]:
    """The nodes that match every filter, nearest first, without the start."""
    kinds, types, starts = set(query.kinds), set(query.types), set(query.start)
    kept = [
        uid
        for uid in graph.depth
        if uid not in starts
        and (not kinds or graph.kind(uid) in kinds)
        and (not types or graph.type(uid) in types)
        and (not query.roles or _in_role(query.roles, graph.roles.get(uid, set())))
    ]
    if not _looks_inside(query):
        return kept
    entries = graph.entries(kept)
    return [uid for uid in kept if _matches(query, entries[uid])]


def _in_role(wanted: tuple[str, ...], met: set[str]) -> bool:
    return any(role in wanted or role.partition(":")[0] in wanted for role in met)


def _looks_inside(query: Query) -> bool:
    times = (query.created_after, query.created_before, query.modified_after, query.modified_before)
    return bool(query.where or query.where_any or any(times))


def _matches(query: Query, entry: Entry) -> bool:
    modified = entry.modified or entry.created
    return (
        _within(entry.created, query.created_after, query.created_before)
        and _within(modified, query.modified_after, query.modified_before)
        and all(property_of(entry, key) == value for key, value in query.where.items())
        and (not query.where_any or any(property_of(entry, k) == v for k, v in query.where_any.items()))
    )


def _within(time: str, after: str | None, before: str | None) -> bool:
    return (after is None or time >= after) and (before is None or time <= before)


def property_of(entry: Entry, key: str) -> str | None:
    """The text of a property: a facet (``tag:`` and ``property:`` may be left out), else ``a.b`` in the attributes."""
    if key == "name":
        return entry.name
    for name in (key, f"tag:{key}", f"property:{key}"):
        if name in entry.facets:
            return _text(entry.facets[name])
    value: object = entry.attrs
    rest = key
    while isinstance(value, dict) and rest:
        if rest in value:  # keys may have dots themselves, such as params.yaml:rate
            return _text(value[rest])
        head, _, rest = rest.partition(".")
        value = value.get(head)
    return None


def _text(value: object) -> str:
    from replay.flatten import leaf

    return leaf(value)


def nothing_can_match(query: Query) -> Iterator[str]:
    """Why a combination of filters can match nothing, whatever is recorded."""
    homes = {type_: [kind for kind, types in TYPES.items() if type_ in types] for type_ in query.types}
    for type_, kinds in homes.items():
        if query.kinds and kinds and not set(kinds) & set(query.kinds):
            wanted, known = " or ".join(query.kinds), " or ".join(kinds)
            yield f"nothing can match: {type_} is a type of {known}, asked for among {wanted}"
    for what in ("created", "modified"):
        after, before = getattr(query, f"{what}_after"), getattr(query, f"{what}_before")
        ends = [(name, time) for name, time in (("before", before), ("as of", query.as_of)) if time is not None]
        for name, time in ends:
            if after is not None and after > time:
                yield f"nothing can match: asked for what was {what} after {after} and {name} {time}"


def require_known(query: Query, chosen: Iterable[str], graph: Graph, ground: Ground) -> None:
    """Is every type and role that matched none of the ``chosen`` nodes one that exists at all?

    Raises:
        UsageError: One is none; the message has the valid ones.
    """
    if not query.types and not query.roles:
        return
    chosen = list(chosen)
    types = set(query.types) - {graph.type(uid) for uid in chosen}
    roles = [r for r in query.roles if not any(_in_role((r,), graph.roles.get(uid, set())) for uid in chosen)]
    if types:
        known = {type_ for every in TYPES.values() for type_ in every}
        known |= _distinct(ground, "SELECT DISTINCT type FROM nodes WHERE type <> ''")
        _require("type", [type_ for type_ in query.types if type_ in types], known)
    if roles:
        every = _distinct(ground, "SELECT DISTINCT role FROM edges WHERE role <> ''")
        heads = {role.partition(":")[0] for role in every}
        _require("role", [role for role in roles if role not in every], heads)


def _distinct(ground: Ground, sql: str) -> set[str]:
    found: set[str] = set()
    for place in ground.places:
        if place.name and ground.guard is not None:  # what words another team uses is not told
            continue
        with place.store.reading() as database:
            found |= {str(row[0]) for row in database.stream(sql)}
    return found


def _require(what: str, wanted: list[str], known: set[str]) -> None:
    unknown = [word for word in wanted if word not in known]
    if unknown:
        raise UsageError(
            f"unknown {what} {', '.join(map(repr, unknown))}", hint=f"valid here: {', '.join(sorted(known)) or 'none'}"
        )


def kind_of(text: str) -> Kind:
    """The kind of this name.

    Raises:
        UsageError: There is none; the hint has the valid ones.
    """
    try:
        return Kind(text)
    except ValueError:
        raise UsageError(f"unknown kind {text!r}", hint=f"valid: {', '.join(Kind)}") from None
