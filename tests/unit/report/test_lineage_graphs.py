"""DOT and Mermaid: valid, escaped, and in the direction of making."""

from __future__ import annotations

import re
import warnings

import pydot
import pytest
from unit.report.answers import SHAPES, STORY, levels, story, uid

from replay.lineage import EdgeType, Kind
from replay.query import Answer
from replay.report.clean import HOSTILE as BAD
from replay.report.lineage import to_dot, to_mermaid
from replay.report.lineage.looks import LOOKS
from replay.report.lineage.mermaid import MAX_EDGES

MODEL, RUN = STORY[0].uid, STORY[2].uid
_NODE = re.compile(
    r'  n(\d+)(\[\[|\[\(|\[/|\[\\|\(\[|\(\(|\{\{|\[|>)"([^"]*)"(\]\]|\)\]|/\]|\\\]|\]\)|\)\)|\}\}|\]):::(\w+)'
)
_EDGE = re.compile(r'  n(\d+) (<?-\.?->)\|"([^"]*)"\| n(\d+)')
_STYLE = re.compile(r"  class(Def)? [\w,]+ [\w:#,.\- ]+")
_SAFE = re.compile(r"(?:[\w \-./:,@+=()→]|#\d+;|<br/>)*")


def parsed(of: Answer) -> pydot.Dot:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pydot's own, about how it uses its parser
        graphs = pydot.graph_from_dot_data(to_dot(of))
    assert graphs is not None
    assert len(graphs) == 1
    return graphs[0]


def unquoted(text: str) -> str:
    return text.removeprefix('"').removesuffix('"')


@pytest.mark.parametrize("name", SHAPES)
def test_dot_is_valid_and_has_every_node_and_edge(name: str):
    graph, of = parsed(SHAPES[name]), SHAPES[name]
    named = {unquoted(node.get_name()) for node in graph.get_nodes()} - {"graph", "node", "edge"}
    assert named == set(of.nodes)
    drawn = sorted((unquoted(e.get_source()), unquoted(e.get_destination())) for e in graph.get_edges())
    assert drawn == sorted((edge.older, edge.younger) for edge in of.edges)


def test_dot_runs_from_what_was_used_to_what_was_made():
    drawn = {
        (unquoted(e.get_source()), unquoted(e.get_destination())): unquoted(e.get_label())
        for e in parsed(story()).get_edges()
    }
    assert drawn[RUN, uid("model.txt")] == "generated: output"
    assert drawn[uid("labels.csv"), RUN] == "used: input:elsewhere.csv"
    assert drawn[uid("model.txt"), MODEL] == "derived_from: model"


def test_dot_marks_the_start_the_kinds_and_what_is_not_recorded():
    graph = parsed(story(complete=False, truncated_by=("depth",)))
    nodes = {unquoted(node.get_name()): node.get_attributes() for node in graph.get_nodes()}
    assert nodes[MODEL]["penwidth"] == '"3"'
    assert "penwidth" not in nodes[RUN]
    assert nodes[uid("prices.csv")]["shape"] == '"cylinder"'
    assert nodes[uid("labels.csv")]["style"] == '"filled,dashed"'
    styles = {unquoted(e.get_source()): e.get_attributes().get("style") for e in graph.get_edges()}
    assert styles[uid("labels.csv")] == '"dashed"'
    assert styles[uid("prices.csv")] is None
    assert "cut off by depth" in graph.get_attributes().get("label", "") + str(graph.get_graph_defaults())


def test_dot_has_a_legend_of_what_occurs():
    comments = [each for each in to_dot(story()).splitlines() if each.startswith("// ")]
    assert "// dataset: cylinder, #2f6fb7" in comments
    assert not [each for each in comments if each.startswith("// deployment")]


def test_dot_escapes_what_could_end_a_text_or_mean_something():
    text = to_dot(SHAPES["hostile"])
    label = next(each for each in text.splitlines() if 'shape="cylinder"' in each)
    assert '\\"];\\\\N %%{init' in label
    assert "\\\\x1b[31m\\\\n\\\\u202e" in label
    assert set(BAD.findall(text)) == {"\n"}


@pytest.mark.parametrize("name", SHAPES)
def test_mermaid_has_every_node_and_edge_and_nothing_else(name: str):
    of, text = SHAPES[name], to_mermaid(SHAPES[name])
    body = [each for each in text.splitlines() if not each.startswith("%% ")]
    assert body[0] == "flowchart LR"
    nodes = [found for each in body if (found := _NODE.fullmatch(each))]
    edges = [found for each in body if (found := _EDGE.fullmatch(each))]
    rest = [each for each in body[1:] if not _NODE.fullmatch(each) and not _EDGE.fullmatch(each)]
    assert all(_STYLE.fullmatch(each) for each in rest), rest
    assert len(nodes) == len(of.nodes)
    uids = list(of.nodes)
    assert [(uids[int(e[1])], uids[int(e[4])]) for e in edges] == [(edge.older, edge.younger) for edge in of.edges]
    assert all(_SAFE.fullmatch(found[3]) for found in (*nodes, *edges))


def test_mermaid_comments_hold_no_directive():
    comments = [each for each in to_mermaid(SHAPES["hostile"]).splitlines() if each.startswith("%% ")]
    assert [each for each in comments if "init" in each]
    assert not [each for each in comments if re.search(r"[{}]|%%.*%%", each)]


def test_mermaid_marks_the_start_and_dots_what_is_not_recorded():
    text = to_mermaid(story())
    numbers = {key: number for number, key in enumerate(story().nodes)}
    assert f"  class n{numbers[MODEL]} start" in text
    assert f"  class n{numbers[uid('labels.csv')]} uncertain" in text
    assert f'  n{numbers[uid("labels.csv")]} -.->|"used: input:elsewhere.csv"| n{numbers[RUN]}' in text
    assert f'  n{numbers[RUN]} -->|"generated: output"| n{numbers[uid("model.txt")]}' in text


def test_mermaid_says_when_a_page_must_allow_more():
    assert to_mermaid(story()).startswith("%% What")
    assert to_mermaid(levels(3, 30)).startswith("%% 1830 edges, ")
    assert f"beyond {MAX_EDGES} edges" in to_mermaid(levels(3, 30))


def test_sameness_has_no_direction():
    of = story()
    same = type(of.edges[0])(source=of.edges[0].source, target=of.edges[0].target, type=EdgeType.SAME_AS)
    both = type(of)(query=of.query, found=of.found, nodes=of.nodes, edges=(same,))
    assert '<-->|"same_as"|' in to_mermaid(both)
    assert 'dir="both"' in to_dot(both)


def test_every_kind_has_a_look():
    assert set(LOOKS) == set(Kind)
