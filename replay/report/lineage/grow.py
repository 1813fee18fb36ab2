"""From an answer's graph to a tree: every node has one place, as near to the start as it can be."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Literal

import msgspec

from replay.lineage import Edge, EdgeType
from replay.query import Answer, Direction

Way = Literal["up", "down", "both"]
WAYS: dict[Direction, tuple[Way, ...]] = {
    Direction.UP: ("up",),
    Direction.DOWN: ("down",),
    Direction.UPDOWN: ("up", "down"),
    Direction.CONNECTED: ("both",),
}
"""The trees that show an answer."""


class Branch(msgspec.Struct, frozen=True):
    """What leads from one node to another: all edges between the two."""

    node: str
    edges: tuple[Edge, ...]


class Tree(msgspec.Struct, frozen=True):
    """Nodes below their roots, each once."""

    roots: tuple[str, ...]
    children: dict[str, list[Branch]]
    others: dict[str, list[Branch]]
    """Of each node what else it is joined to: nodes that have their place elsewhere."""
    place: dict[str, int]
    """When each node is met, reading from top to bottom; what is too deep is continued after everything else."""
    nearest: tuple[str, ...]
    """The same nodes, nearest first."""


def grow(answer: Answer, way: Way, deepest: int) -> Tree:
    """The tree of an answer in one direction; a node stands below the first of its nearest parents.

    Args:
        answer: The answer, told with edges.
        way: Which edges lead on: to older nodes, to younger ones, or both.
        deepest: How many levels below a node are read before what is deeper; see `Tree.place`.
    """
    near = _adjacent(answer.edges, way)
    roots = tuple(dict.fromkeys(uid for uid in answer.query.start if uid in answer.nodes))
    parents: dict[str, str | None] = dict.fromkeys(roots)
    order = list(roots)
    for uid in order:  # grows while it is read
        for far in near.get(uid, ()):
            if far not in parents and far in answer.nodes:
                parents[far] = uid
                order.append(far)
    children: dict[str, list[Branch]] = {}
    for uid in order:
        parent = parents[uid]
        if parent is not None:
            children.setdefault(parent, []).append(Branch(uid, tuple(near[parent][uid])))
    place = _read(roots, children, deepest)
    return Tree(roots, children, _others(near, parents, place, way), place, tuple(order))


def apart(answer: Answer, trees: Iterable[Tree]) -> list[str]:
    """The nodes that no tree reaches by the edges told, nearest first."""
    reached = {uid for tree in trees for uid in tree.place}
    return sorted((uid for uid in answer.nodes if uid not in reached), key=lambda uid: answer.nodes[uid].depth)


def picked(tree: Tree, *, most: int | None, each: int | None, without: Collection[str] = ()) -> dict[str, None]:
    """The nodes that are shown: nearest first, at most ``most``, and at most ``each`` below one node.

    Args:
        tree: Where they stand.
        most: Nodes in all; ``None`` for no bound.
        each: Nodes below one node; ``None`` for no bound.
        without: Nodes that are not shown, nor is what stands below them.
    """
    shown = dict.fromkeys(tree.roots)
    for uid in tree.nearest:
        if uid in shown:
            below = [branch.node for branch in tree.children.get(uid, ()) if branch.node not in without]
            for child in below[:each]:
                if most is not None and len(shown) >= most:
                    return shown
                shown[child] = None
    return shown


def _adjacent(edges: Iterable[Edge], way: Way) -> dict[str, dict[str, list[Edge]]]:
    """Of each node those one edge away in the direction of the walk, with the edges."""
    found: dict[str, dict[str, list[Edge]]] = {}
    for edge in edges:
        same = edge.type is EdgeType.SAME_AS
        if way != "down" or same:
            found.setdefault(edge.younger, {}).setdefault(edge.older, []).append(edge)
        if (way != "up" or same) and not (way == "both" and edge.younger == edge.older):
            found.setdefault(edge.older, {}).setdefault(edge.younger, []).append(edge)
    return found


def _read(roots: Iterable[str], children: Mapping[str, list[Branch]], deepest: int) -> dict[str, int]:
    place: dict[str, int] = {}
    tops = list(roots)
    for top in tops:  # grows while it is read
        waiting = [(top, 0)]
        while waiting:
            uid, level = waiting.pop()
            place.setdefault(uid, len(place))
            below = children.get(uid, [])
            if level >= deepest and below:
                tops.append(uid)
            else:
                waiting += [(branch.node, level + 1) for branch in reversed(below)]
    return place


def _others(
    near: Mapping[str, Mapping[str, list[Edge]]],
    parents: Mapping[str, str | None],
    place: Mapping[str, int],
    way: Way,
) -> dict[str, list[Branch]]:
    """Every edge that is no branch, told at the node from which the walk takes it; if from both, at the later one."""
    found: dict[str, list[Branch]] = {}
    for uid in place:
        for far, edges in near.get(uid, {}).items():
            if far not in place or parents[far] == uid:
                continue
            both = [e for e in edges if way == "both" or e.type is EdgeType.SAME_AS]
            told_there = parents[uid] == far or place[far] > place[uid]
            left = tuple(e for e in edges if e not in both or not told_there)
            if left:
                found.setdefault(uid, []).append(Branch(far, left))
    return found
