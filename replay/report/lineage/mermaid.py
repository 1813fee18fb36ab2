"""A lineage answer as a Mermaid flowchart, for pages that draw it themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator

from replay.lineage import Edge, EdgeType, Evidence
from replay.query import Answer, Entry
from replay.report.clean import clean
from replay.report.lineage.labels import distinct, known, question, role_of, said, short_id, sort, title
from replay.report.lineage.looks import FAMILIES, LOOKS, legend
from replay.report.lineage.notes import notes

MAX_EDGES, MAX_CHARACTERS = 500, 50_000
"""Mermaid itself refuses larger charts unless the page that draws them says otherwise."""
_START = "#1b1f24"
_SHAPES = {
    "[": "box", "[[": "box with double sides", "[(": "cylinder", "([": "stadium", "((": "circle", "{{": "hexagon",
    "[/": "slanted box", "[\\": "box slanted back", ">": "flag",
}  # fmt: skip
"""In words, by how Mermaid opens them."""
# Anything else could end the label, be read as an entity, or be a directive such as %%{init: …}%%.
_UNSAFE = re.compile(r"[^\w \-./:,@+=()→]")


def to_mermaid(answer: Answer) -> str:
    """The answer as a Mermaid flowchart, from left (older) to right (younger)."""
    lines = [*_comments(answer), "flowchart LR", *_nodes(answer), *_edges(answer), *_classes(answer)]
    text = "\n".join(lines) + "\n"
    if len(answer.edges) > MAX_EDGES or len(text) > MAX_CHARACTERS:
        text = (
            f"%% {len(answer.edges)} edges, {len(text)} characters: beyond {MAX_EDGES} edges or {MAX_CHARACTERS} "
            "characters the page must raise Mermaid's maxEdges and maxTextSize\n"
        ) + text
    return text


def _comments(answer: Answer) -> Iterator[str]:
    yield _comment(question(answer))
    yield _comment("Lines run from what was used to what was made of it. Dotted: inferred or asserted, not recorded.")
    for kind, look in legend(entry.kind for entry in answer.nodes.values()):
        yield _comment(f"{kind}: {_SHAPES[look.mermaid[0]]}, {look.family.line}")
    yield _comment(f"thick, {_START}: where the question started")
    names = distinct(answer.nodes)
    for note in notes(answer):
        yield _comment(f"{note.badge.symbol} {note.badge.word}: {note.line(names, 12)}")


def _comment(text: str) -> str:
    """A comment; braces and percent signs in it could be read as a directive."""
    return "%% " + re.sub(r"[{}%]", lambda found: {"{": "(", "}": ")", "%": "‰"}[found[0]], clean(text))


def _nodes(answer: Answer) -> Iterator[str]:
    for number, entry in enumerate(answer.nodes.values()):
        opening, closing = LOOKS[entry.kind].mermaid
        yield f'  n{number}{opening}"{_label(entry)}"{closing}:::{LOOKS[entry.kind].family.name}'


def _label(entry: Entry) -> str:
    lines = [title(entry), sort(entry), short_id(entry), *said(entry), known(entry.evidence, entry.basis)]
    return "<br/>".join(_escaped(line) for line in lines if line)


def _edges(answer: Answer) -> Iterator[str]:
    numbers = {uid: number for number, uid in enumerate(answer.nodes)}
    names = {uid: title(entry) for uid, entry in answer.nodes.items()}
    for edge in answer.edges:
        role = role_of(edge, names)
        label = _escaped(f"{edge.type}: {role}" if role else edge.type)
        yield f'  n{numbers[edge.older]} {_arrow(edge)}|"{label}"| n{numbers[edge.younger]}'


def _arrow(edge: Edge) -> str:
    arrow = "-->" if edge.evidence is Evidence.RECORDED else "-.->"
    return f"<{arrow}" if edge.type is EdgeType.SAME_AS else arrow


def _classes(answer: Answer) -> Iterator[str]:
    met = {LOOKS[entry.kind].family.name for entry in answer.nodes.values()}
    for family in FAMILIES:
        if family.name in met:
            yield f"  classDef {family.name} fill:{family.fill},stroke:{family.line},color:#1b1f24"
    entries = [(f"n{number}", entry) for number, entry in enumerate(answer.nodes.values())]
    unsure = [name for name, entry in entries if entry.evidence is not Evidence.RECORDED]
    starts = [name for name, entry in entries if entry.uid in answer.query.start]
    for name, style, members in (
        ("uncertain", "stroke-dasharray:5 4", unsure),
        ("start", f"stroke:{_START},stroke-width:4px", starts),
    ):
        if members:
            yield f"  classDef {name} {style}"
            yield f"  class {','.join(members)} {name}"


def _escaped(text: str) -> str:
    """Text inside a quoted label: whatever could mean something to Mermaid or HTML is written as its number."""
    return _UNSAFE.sub(lambda found: f"#{ord(found[0])};", clean(text))
