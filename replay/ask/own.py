"""What really stands on a node, of all that a walk met.

Equal bytes are one node, whoever made them: so a walk that comes to an intermediate file goes on to every run that ever
made it, also to those of another execution. That is right for the bytes. But a model was made by the runs of its own
execution; that another commit makes the same intermediate does not make that commit a part of its history. Here, where
an execution made some bytes itself, they count as its own, and as another's only to those who did not make them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from replay.ask.merge import Graph
from replay.lineage import Edge, EdgeType, Kind
from replay.query import Answer, Direction, Query

Ask = Callable[[Query], Answer]

_MAKERS = (Kind.RUN, Kind.MODEL_VERSION)
_NOT_RUNS = tuple(kind for kind in Kind if kind is not Kind.RUN)
_NONE: frozenset[str] = frozenset()


def own_above(met: Graph, starts: Iterable[str]) -> set[str]:
    """Of what was met upstream the nodes that the start was made from, the start included."""
    if not met.has_rivals():
        return set(met.depth)
    graph = _Graph(_What.of(met), met.edges(met.depth))
    done: set[tuple[str, frozenset[str]]] = set()
    stack = [(uid, _NONE) for uid in starts]
    while stack:
        uid, makers = stack.pop()
        if (uid, makers) in done:
            continue
        done.add((uid, makers))
        own = graph.executions(uid) if graph.kind(uid) in _MAKERS else _NONE
        makers_here = makers & graph.makers(uid)
        for edge, other in graph.up(uid):
            if edge.type is EdgeType.GENERATED and makers_here and not makers_here & graph.executions(other):
                continue  # made by another execution as well
            stack.append((other, own))
    return {uid for uid, _ in done}


def own_below(met: Graph, starts: Iterable[str], ask: Ask) -> set[str]:
    """Of what was met downstream the nodes that were made from the start, the start included."""
    if not met.has_rivals(others=True):
        return set(met.depth)
    what, edges = _What.of(met), met.edges(met.depth)
    origins = _origins(what, edges, ask)
    if origins is not None:
        what = what.with_answer(origins)
        edges += origins.edges
    return _Below(_Graph(what, edges), met.depth).reached(starts)


def _origins(what: _What, edges: Iterable[Edge], ask: Ask) -> Answer | None:
    """Who made what was met, and in which execution: also those runs that the walk did not come by."""
    made = {edge.target for edge in edges if edge.type is EdgeType.GENERATED}
    wanted = [uid for uid, kind in what.kinds.items() if kind in _MAKERS or uid in made]
    if not wanted:
        return None
    return ask(
        Query(
            start=tuple(wanted),
            direction=Direction.UP,
            kinds=(Kind.COLLECTION, Kind.RUN),
            follow=(EdgeType.GENERATED, EdgeType.PART_OF, EdgeType.DERIVED_FROM),
            stop_at=_NOT_RUNS,
            same_bytes=True,
        )
    )


class _What:
    """What the nodes are."""

    def __init__(self, kinds: Mapping[str, Kind], types: Mapping[str, str]) -> None:
        self.kinds = kinds
        self.types = types

    @classmethod
    def of(cls, met: Graph) -> _What:
        return cls({uid: met.kind(uid) for uid in met.depth}, {uid: met.type(uid) for uid in met.depth})

    def with_answer(self, answer: Answer) -> _What:
        kinds = {uid: entry.kind for uid, entry in answer.nodes.items()}
        types = {uid: entry.type for uid, entry in answer.nodes.items()}
        return _What(kinds | dict(self.kinds), types | dict(self.types))


class _Graph:
    """Edges by their ends, and executions by who is part of them."""

    def __init__(self, what: _What, edges: Iterable[Edge]) -> None:
        self._what = what
        self._up: dict[str, list[tuple[Edge, str]]] = {}
        self._down: dict[str, list[tuple[Edge, str]]] = {}
        self._executions: dict[str, frozenset[str]] = {}
        self._makers: dict[str, frozenset[str]] = {}
        for edge in {(e.source, e.type, e.role, e.target): e for e in edges}.values():
            self._add(edge, edge.younger, edge.older)
            if edge.type is EdgeType.SAME_AS:
                self._add(edge, edge.older, edge.younger)

    def _add(self, edge: Edge, younger: str, older: str) -> None:
        self._up.setdefault(younger, []).append((edge, older))
        self._down.setdefault(older, []).append((edge, younger))

    def kind(self, uid: str) -> Kind:
        return self._what.kinds[uid]

    def up(self, uid: str) -> list[tuple[Edge, str]]:
        return self._up.get(uid, [])

    def down(self, uid: str) -> list[tuple[Edge, str]]:
        return self._down.get(uid, [])

    def executions(self, uid: str) -> frozenset[str]:
        """The executions that a run is part of, or that a model version was recorded from; else the node itself."""
        found = self._executions.get(uid)
        if found is None:
            wholes = [other for edge, other in self.up(uid) if self._is_execution(edge, other)]
            found = self._executions[uid] = frozenset(wholes or (uid,))
        return found

    def _is_execution(self, edge: Edge, other: str) -> bool:
        joins = edge.type is EdgeType.PART_OF or (edge.type is EdgeType.DERIVED_FROM and edge.role == "execution")
        return joins and self._what.types[other] == "execution"

    def makers(self, uid: str) -> frozenset[str]:
        """The executions that made some bytes."""
        found = self._makers.get(uid)
        if found is None:
            runs = [other for edge, other in self.up(uid) if edge.type is EdgeType.GENERATED]
            found = self._makers[uid] = _NONE.union(*map(self.executions, runs))
        return found


class _Below:
    """A walk downstream on which bytes are reached execution by execution."""

    def __init__(self, graph: _Graph, within: Mapping[str, object]) -> None:
        self._graph = graph
        self._within = within
        self._whole: set[str] = set()
        """Nodes that were reached for everybody."""
        self._by: dict[str, set[str]] = {}
        """Bytes that were reached as the work of some executions."""
        self._users: dict[str, dict[str, list[str]]] = {}
        self._stack: list[tuple[str, str]] = []

    def reached(self, starts: Iterable[str]) -> set[str]:
        self._stack += [(uid, "") for uid in starts]
        while self._stack:
            uid, execution = self._stack.pop()
            self._stack += self._made_by(uid, execution) if execution else self._after(uid)
        return self._whole | self._by.keys()

    def _after(self, uid: str) -> Iterator[tuple[str, str]]:
        """What a node that was reached for everybody leads to."""
        if uid in self._whole:
            return
        self._whole.add(uid)
        for edge, other in self._graph.down(uid):
            if other not in self._within:
                continue
            if edge.type is EdgeType.GENERATED and self._graph.kind(uid) is Kind.RUN:
                yield from ((other, execution) for execution in self._graph.executions(uid))
            else:
                yield other, ""

    def _made_by(self, uid: str, execution: str) -> Iterator[tuple[str, str]]:
        """What bytes lead to that were reached as the work of one execution."""
        known = self._by.setdefault(uid, set())
        if uid in self._whole or execution in known:
            return
        known.add(execution)
        users = self._users_of(uid)
        yield from ((other, "") for other in users.get(execution, ()))
        if len(known) == 1:
            yield from ((other, "") for other in users.get("", ()))
        for edge, other in self._graph.down(uid):
            if edge.type is EdgeType.SAME_AS and other in self._within:
                yield other, execution

    def _users_of(self, uid: str) -> dict[str, list[str]]:
        """Who used some bytes: by the execution in which they had made them themselves, the others under ''."""
        found = self._users.get(uid)
        if found is None:
            found = self._users[uid] = {}
            for edge, other in self._graph.down(uid):
                if other in self._within and edge.type is not EdgeType.SAME_AS:
                    maker = self._graph.kind(other) in _MAKERS
                    own = self._graph.executions(other) & self._graph.makers(uid) if maker else _NONE
                    for execution in own or ("",):
                        found.setdefault(execution, []).append(other)
        return found
