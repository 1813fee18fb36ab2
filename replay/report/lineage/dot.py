"""A lineage answer as a graph in Graphviz's DOT language."""

from __future__ import annotations

from collections.abc import Iterator

from replay.lineage import Edge, EdgeType, Evidence
from replay.query import Answer, Entry
from replay.report.clean import clean
from replay.report.lineage.labels import distinct, known, question, role_of, said, short_id, sort, title
from replay.report.lineage.looks import LOOKS, legend
from replay.report.lineage.notes import notes
from replay.report.words import utc

_START = "#1b1f24"


def to_dot(answer: Answer) -> str:
    """The answer as DOT: from left (older) to right (younger), edges from what was used to what was made of it."""
    return "\n".join(_lines(answer)) + "\n"


def _lines(answer: Answer) -> Iterator[str]:
    yield f"// {clean(question(answer))}"
    yield "// Lines run from what was used to what was made of it. Dashed: inferred or asserted, not recorded."
    for kind, look in legend(entry.kind for entry in answer.nodes.values()):
        yield f"// {kind}: {look.dot}, {look.family.line}"
    yield f"// thick, {_START}: where the question started"
    names = distinct(answer.nodes)
    remarks = [f"{note.badge.symbol} {note.badge.word}: {clean(note.line(names, 12))}" for note in notes(answer)]
    for remark in remarks:
        yield f"// {remark}"
    yield "digraph lineage {"
    caption = "\\n".join(map(_escaped, (question(answer), *remarks)))
    yield f'  graph [rankdir=LR, labelloc=b, labeljust=l, fontname="Helvetica", label="{caption}"];'
    yield '  node [fontname="Helvetica", fontsize=10, style=filled];'
    yield '  edge [fontname="Helvetica", fontsize=8, color="#575e67"];'
    starts = set(answer.query.start)
    for entry in answer.nodes.values():
        yield f'  "{_escaped(entry.uid)}" [{_node(entry, entry.uid in starts)}];'
    plain = {uid: title(entry) for uid, entry in answer.nodes.items()}
    for edge in answer.edges:
        yield f'  "{_escaped(edge.older)}" -> "{_escaped(edge.younger)}" [{_edge(edge, plain)}];'
    yield "}"


def _node(entry: Entry, is_start: bool) -> str:
    look = LOOKS[entry.kind]
    lines = [title(entry), sort(entry), short_id(entry), *said(entry), known(entry.evidence, entry.basis)]
    fields = {
        "label": "\\n".join(_escaped(line) for line in lines if line),
        "tooltip": _escaped(f"{entry.uid}, recorded {utc(entry.created)}"),
        "shape": look.dot,
        "fillcolor": look.family.fill,
        "color": _START if is_start else look.family.line,
    }
    if is_start:
        fields["penwidth"] = "3"
    if entry.evidence is not Evidence.RECORDED:
        fields["style"] = "filled,dashed"
    return _fields(fields)


def _edge(edge: Edge, names: dict[str, str]) -> str:
    role = role_of(edge, names)
    fields = {"label": _escaped(f"{edge.type}: {role}" if role else edge.type)}
    if edge.type is EdgeType.SAME_AS:
        fields["dir"] = "both"
    if edge.evidence is not Evidence.RECORDED:
        fields |= {"style": "dashed", "tooltip": _escaped(known(edge.evidence, edge.basis))}
    return _fields(fields)


def _fields(fields: dict[str, str]) -> str:
    return ", ".join(f'{key}="{value}"' for key, value in fields.items())


def _escaped(text: str) -> str:
    r"""Text inside a quoted string of DOT, where a backslash begins an escape such as ``\N``."""
    return clean(text).replace("\\", "\\\\").replace('"', '\\"')
