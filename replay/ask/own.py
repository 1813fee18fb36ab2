"""What really stands on a node, of all that a walk met.

Equal bytes are one node, whoever made them: so a walk that comes to an intermediate file goes on to every run that ever
made it, also to those of another execution. That is right for the bytes. But a model was made by the runs of its own
execution; that another commit makes the same intermediate does not make that commit a part of its history. Here, where
an execution made some bytes itself, they count as its own, and as another's only to those who did not make them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from replay.ask.asking import ask
from replay.ask.interface import Ground
from replay.lineage import Edge, EdgeType, Kind
from replay.query import Answer, Direction, Entry, Query

_MAKERS = (Kind.RUN, Kind.MODEL_VERSION)
_NOT_RUNS = tuple(kind for kind in Kind if kind is not Kind.RUN)
_NONE: frozenset[str] = frozenset()


def own_above(answer: Answer) -> set[str]:
    """Of a complete answer upstream (with edges) the nodes that the start was made from, the start included."""
    graph = _Graph(answer.nodes, answer.edges)
    done: set[tuple[str, frozenset[str]]] = set()
    stack = [(uid, _NONE) for uid in answer.query.start]
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


def own_below(answer: Answer, ground: Ground) -> set[str]:
    """Of a complete answer downstream (with edges) the nodes that were made from the start, the start included."""
    origins = _origins(answer, ground)
    nodes, edges = answer.nodes, answer.edges
    if origins is not None:
        nodes, edges = origins.nodes | nodes, (*edges, *origins.edges)
    return _Below(_Graph(nodes, edges), answer.nodes).reached(answer.query.start)


def _origins(answer: Answer, ground: Ground) -> Answer | None:
    """Who made what was met, and in which execution: also those runs that the walk did not come by."""
    made = {edge.target for edge in answer.edges if edge.type is EdgeType.GENERATED}
    wanted = [uid for uid, entry in answer.nodes.items() if entry.kind in _MAKERS or uid in made]
    if not wanted:
        return None
    query = Query(
        start=tuple(wanted),
        direction=Direction.UP,
        kinds=(Kind.COLLECTION, Kind.RUN),
        follow=(EdgeType.GENERATED, EdgeType.PART_OF, EdgeType.DERIVED_FROM),
        stop_at=_NOT_RUNS,
        as_of=answer.query.as_of,
    )
    return ask(query, ground)


class _Graph:
    """Edges by their ends, and executions by who is part of them."""

    def __init__(self, nodes: Mapping[str, Entry], edges: Iterable[Edge]) -> None:
        self._nodes = nodes
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
        return self._nodes[uid].kind

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
        return joins and self._nodes[other].type == "execution"

    def makers(self, uid: str) -> frozenset[str]:
        """The executions that made some bytes."""
        found = self._makers.get(uid)
        if found is None:
            runs = [other for edge, other in self.up(uid) if edge.type is EdgeType.GENERATED]
            found = self._makers[uid] = _NONE.union(*map(self.executions, runs))
        return found


class _Below:
    """A walk downstream on which bytes are reached execution by execution."""

    def __init__(self, graph: _Graph, within: Mapping[str, Entry]) -> None:
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
