"""Columns, order, heights: where boxes stand and how wires get around them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.report.drawing import backward, columns
from replay.report.lineage.layers import Wire, arrange
from replay.report.lineage.positions import Gaps, Size, ascending, heights

GAPS = Gaps(20.0, 10.0)


def wires(*ends: str) -> list[Wire]:
    return [Wire(left, right, "in") for left, right in ends]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[str], list[Wire]]:
    keys = [f"k{number}" for number in range(draw(st.integers(1, 12)))]
    ends = draw(st.lists(st.tuples(st.sampled_from(keys), st.sampled_from(keys), st.sampled_from("ab")), unique=True))
    return keys, [Wire(*end) for end in ends]


def test_a_box_stands_right_of_all_that_it_was_made_from():
    assert columns("abcd", {("a", "b"), ("b", "c"), ("a", "c"), ("d", "c")}) == {"a": 0, "b": 1, "c": 2, "d": 0}


def test_what_closes_a_cycle_is_found_and_the_rest_has_none():
    ends = {("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "d")}
    closing = backward("abcd", ends)
    assert closing == {("c", "a"), ("d", "d")}
    assert columns("abcd", ends - closing) == {"a": 0, "b": 1, "c": 2, "d": 3}


def test_sources_stand_next_to_what_uses_them():
    layers = arrange("abcdx", wires("ab", "bc", "cd", "xd"))
    assert layers.columns[2] == ["c", "x"] or layers.columns[2] == ["x", "c"]


def test_a_long_wire_has_a_place_in_every_column_that_it_passes():
    layers = arrange("abcdx", wires("ab", "bc", "cd", "ad", "ax", "xd"))
    way = layers.ways[Wire("a", "d", "in")]
    assert len(way) == 2
    for number, place in enumerate(way, start=1):
        assert place in layers.columns[number]


def test_long_wires_of_one_source_or_into_one_port_share_a_trunk():
    hub = arrange("habcd", wires("ab", "bc", "cd", "hb", "hc", "hd", "ah"))
    assert hub.ways[Wire("h", "d", "in")][0] == hub.ways[Wire("h", "c", "in")][0]
    sink = arrange("abcd", wires("ab", "bc", "cd", "ad", "bd"))
    assert sink.ways[Wire("a", "d", "in")][-1] == sink.ways[Wire("b", "d", "in")][-1]


def test_lines_that_need_not_cross_do_not():
    layers = arrange("abcxyz", wires("az", "by", "cx"))
    left, right = layers.columns
    assert [dict(zip("abc", "zyx", strict=True))[key] for key in left] == right


def test_ports_are_ordered_as_their_lines_arrive():
    crossing = [Wire("a", "r", "low"), Wire("b", "r", "high"), Wire("o", "a", ""), Wire("o", "b", "")]
    layers = arrange(["o", "b", "a", "r"], crossing)
    order = {"a": "low", "b": "high"}
    assert layers.ports["r"] == [order[key] for key in layers.columns[1]]


def test_values_that_would_pass_each_other_meet_in_the_middle():
    assert ascending([1.0, 2.0], [1, 1]) == [1.0, 2.0]
    assert ascending([3.0, 1.0], [1, 1]) == [2.0, 2.0]
    assert ascending([3.0, 1.0], [3, 1]) == [2.5, 2.5]
    assert ascending([5.0, 4.0, 0.0, 9.0], [1, 1, 1, 1]) == [3.0, 3.0, 3.0, 9.0]


def test_a_chain_is_a_straight_line():
    layers = arrange("abc", wires("ab", "bc"))
    size = Size(40.0, 30.0, {"in": 30.0})
    assert set(heights(layers, dict.fromkeys("abc", size), GAPS).values()) == {0.0}


@given(graphs())
def test_nothing_is_lost_and_nothing_overlaps(graph: tuple[list[str], list[Wire]]):
    keys, between = graph
    layers = arrange(keys, between)
    placed = [key for stack in layers.columns for key in stack]
    assert len(placed) == len(set(placed))
    assert set(keys) <= set(placed)
    rank = {key: number for number, stack in enumerate(layers.columns) for key in stack}
    closing = backward(keys, {wire.ends for wire in between})
    assert set(layers.ways) == {wire for wire in between if wire.ends not in closing}
    for wire, way in layers.ways.items():
        stops = [rank[stop] for stop in (wire.source, *way, wire.target)]
        assert stops == list(range(stops[0], stops[-1] + 1))
    sizes = {key: Size(50.0, 25.0, dict.fromkeys(layers.ports.get(key, ()), 30.0)) for key in keys}
    top = heights(layers, sizes, GAPS)
    assert min(top.values()) == pytest.approx(0.0)
    for stack in layers.columns:
        for upper, lower in pairwise(stack):
            room = 50.0 if upper in sizes else 0.0
            assert top[lower] - top[upper] >= room + (20.0 if {upper, lower} <= sizes.keys() else 10.0) - 1e-6
