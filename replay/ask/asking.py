"""From a question to its answer: walk, merge, choose, tell."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence, Set

from msgspec.structs import replace

from replay.ask import paths
from replay.ask.choose import choose, nothing_can_match, require_known
from replay.ask.interface import Ground
from replay.ask.merge import Graph
from replay.ask.own import own_above, own_below
from replay.ask.pages import Page, page_of
from replay.ask.times import instant
from replay.ask.walk import WAYS, Met, walk
from replay.errors import UsageError
from replay.query import Answer, Direction, Query

MAX_PATHS = 1000
_SHOWN = 5
_TIMES = ("as_of", "created_after", "created_before", "modified_after", "modified_before")


def ask(query: Query, ground: Ground) -> Answer:
    """Answer a question completely, or say exactly what is missing.

    Raises:
        UsageError: A bound, a cursor, a time, a type or a role is wrong; the message names the valid ones.
        NotRecordedError: A start is not recorded, or the asker may not see it: the two look the same.
        PolicyError: A policy of one's own store forbids to read a start.
    """
    query = _sane(query)
    return ground.ask(lambda whole: _ask(query, whole))


def _ask(query: Query, ground: Ground) -> Answer:
    page = page_of(query, ground)
    walks = walk(ground, query, page.last)
    graph = Graph(ground, walks)
    _require_starts(query, graph, ground)
    elsewhere = _strangers(query, ground, walks, graph)
    graph.drop(elsewhere)
    chosen = choose(query, graph)
    require_known(query, chosen, graph, ground)
    told = page.cut(chosen)
    ways = _ways(graph, query.direction)
    answer = Answer(query=query, found=told, nodes={}, elsewhere=len(elsewhere))
    answer = _with_paths(answer, ways)
    return _without(ground.missing, _finished(answer, graph, page, chosen, ways))


def _strangers(query: Query, ground: Ground, walks: Sequence[list[Met]], graph: Graph) -> set[str]:
    """What was met only because somebody else made the same bytes."""
    if query.same_bytes or query.direction == Direction.CONNECTED:
        return set()
    own: set[str] = set()
    for walked, (way,) in zip(walks, WAYS[query.direction], strict=True):
        met = graph if len(walks) == 1 else Graph(ground, [walked])
        if way == "up":
            own |= own_above(met, query.start)
        else:
            own |= own_below(met, query.start, lambda asked: _ask(replace(asked, as_of=query.as_of), ground))
    return set(graph.depth) - own


def _without(missing: Mapping[str, str], answer: Answer) -> Answer:
    """The answer, which says that it was given without some of the attached stores."""
    if not missing:
        return answer
    return replace(
        answer,
        complete=False,
        truncated_by=(*answer.truncated_by, *(f"store {name}" for name in missing)),
        findings=(*answer.findings, *(f"the attached store {name} was not asked: {missing[name]}" for name in missing)),
    )


def _finished(answer: Answer, graph: Graph, page: Page, chosen: Sequence[str], ways: dict[str, list[str]]) -> Answer:
    query = answer.query
    shown = dict.fromkeys([*query.start, *answer.found])
    if query.include_edges:
        everything = len(chosen) == len(graph.depth) - len(set(query.start)) and len(answer.found) == len(chosen)
        on_the_way = graph.depth if everything else paths.between(ways, query.start, answer.found)
        shown = {uid: None for uid in graph.depth if uid in on_the_way}
    for way in answer.paths:
        shown |= dict.fromkeys(way)
    left_out = set(chosen[page.skip + len(answer.found) :])
    because = [
        word
        for word, true in (
            ("depth", bool(graph.cut)),
            ("limit", bool(left_out)),
            ("paths", "paths" in answer.truncated_by),
            ("access", bool(graph.hidden)),
        )
        if true
    ]
    return replace(
        answer,
        nodes=graph.entries(shown),
        edges=tuple(graph.edges(shown)) if query.include_edges else (),
        complete=not because,
        truncated_by=tuple(because),
        frontier=_frontier(graph, ways, left_out),
        unresolved=tuple(sorted(graph.locators_used())),
        hidden=len(graph.hidden),
        findings=(*nothing_can_match(query), *_cycles(graph)),
        next=page.after(len(answer.found)) if left_out else None,
    )


def _sane(query: Query) -> Query:
    """The query with its times as records have them."""
    if not query.start:
        raise UsageError("got a question without a start, expected at least one node")
    for name, value, least in (("max_depth", query.max_depth, 0), ("limit", query.limit, 1)):
        if value is not None and value < least:
            raise UsageError(f"{name}: got {value}, expected at least {least}")
    given = {name: getattr(query, name) for name in _TIMES}
    return replace(query, **{name: instant(time) for name, time in given.items() if time is not None})


def _require_starts(query: Query, graph: Graph, ground: Ground) -> None:
    lost = [uid for uid in query.start if uid not in graph.depth]
    if lost:
        if ground.guard is not None:
            ground.guard.refuse(lost)
        when = f" at {query.as_of}" if query.as_of else ""
        named = ", ".join(lost[:_SHOWN])
        raise ground.not_recorded(
            f"no node {named} is recorded{when}", "`replay search` finds nodes by name and content"
        )


def _ways(graph: Graph, direction: Direction) -> dict[str, list[str]]:
    """Of each node those that the walk goes to from it."""
    ways: dict[str, list[str]] = {}
    for younger, older, _ in graph.links():
        if direction != Direction.DOWN:
            ways.setdefault(younger, []).append(older)
        if direction != Direction.UP:
            ways.setdefault(older, []).append(younger)
    return ways


def _with_paths(answer: Answer, ways: dict[str, list[str]]) -> Answer:
    query = answer.query
    if query.paths == "shortest":
        found = paths.shortest(ways, query.start, answer.found)
        return replace(answer, paths=tuple(found[uid] for uid in answer.found if uid in found))
    if query.paths == "all":
        every = (way for start in query.start for way in paths.simple_paths(ways, start, set(answer.found)))
        taken = tuple(itertools.islice(every, MAX_PATHS + 1))
        cut = ("paths",) if len(taken) > MAX_PATHS else ()
        return replace(answer, paths=taken[:MAX_PATHS], truncated_by=cut)
    return answer


def _frontier(graph: Graph, ways: dict[str, list[str]], left_out: Set[str]) -> tuple[str, ...]:
    """The nodes at which something was left out: by depth, or because a neighbour is on a later page."""
    before = {one for one, others in ways.items() if one not in left_out and not left_out.isdisjoint(others)}
    return tuple(uid for uid in graph.depth if uid in graph.cut or uid in before)


def _cycles(graph: Graph) -> list[str]:
    if not graph.has_late_edges():
        return []
    links = ((younger, older) for younger, older, same in graph.links() if not same)
    return [f"cycle: {' → '.join((*cycle, cycle[0]))}" for cycle in paths.cycles(links)]
