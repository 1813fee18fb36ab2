"""Ways and cycles, against networkx."""

from __future__ import annotations

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from replay.ask import paths

EDGES = st.lists(st.tuples(st.sampled_from("abcdefg"), st.sampled_from("abcdefg")), max_size=14)


def ways_of(edges: list[tuple[str, str]]) -> dict[str, list[str]]:
    ways: dict[str, list[str]] = {}
    for one, other in dict.fromkeys(edges):
        ways.setdefault(one, []).append(other)
    return ways


@given(EDGES)
def test_a_cycle_is_found_when_there_is_one_and_is_one(edges: list[tuple[str, str]]) -> None:
    graph = nx.DiGraph(edges)
    found = paths.cycles(edges)
    assert bool(found) == (not nx.is_directed_acyclic_graph(graph))
    for cycle in found:
        assert all(graph.has_edge(a, b) for a, b in zip(cycle, (*cycle[1:], cycle[0]), strict=True))
    nodes = [node for cycle in found for node in cycle]
    assert len(nodes) == len(set(nodes))


@given(EDGES, st.sets(st.sampled_from("abcdefg"), min_size=1))
def test_what_lies_between(edges: list[tuple[str, str]], found: set[str]) -> None:
    graph = nx.DiGraph(edges)
    graph.add_nodes_from("abcdefg")
    below = {"a", *nx.descendants(graph, "a")}
    reached = found & below
    expected = {"a"} | {n for n in below if any(n == end or nx.has_path(graph, n, end) for end in reached)}
    inside = {one: [other for other in others if one in below] for one, others in ways_of(edges).items()}
    assert paths.between({k: v for k, v in inside.items() if k in below}, ["a"], reached) == expected


@given(EDGES, st.sampled_from("bcdefg"))
def test_ways_are_those_of_networkx(edges: list[tuple[str, str]], end: str) -> None:
    graph = nx.DiGraph(edges)
    graph.add_nodes_from("abcdefg")
    ways = ways_of(edges)
    every = {tuple(way) for way in nx.all_simple_paths(graph, "a", end)}
    assert set(paths.simple_paths(ways, "a", {end})) == every
    shortest = paths.shortest(ways, ["a"], [end])
    assert (end in shortest) == nx.has_path(graph, "a", end)
    if every:
        assert shortest[end] in every
        assert len(shortest[end]) == min(map(len, every))
