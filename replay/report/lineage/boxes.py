"""What stands in the box of a node, and which wires arrive where at it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from replay.lineage import Edge, EdgeType, Evidence, Kind
from replay.query import Answer, Entry
from replay.report.lineage.labels import UPWARDS, distinct, doubts, fit, known, relation, said, short, sort, title
from replay.report.lineage.layers import Wire
from replay.report.lineage.looks import LOOKS, Look
from replay.report.lineage.positions import Size
from replay.report.words import utc

WIDTH = 228
BAND = 21
_LINE, _PORT = 14, 15
_TITLE, _BOLD, _SMALL = 25, 31, 35
"""Characters that fit into a box: of its title, of bold lines, of other lines."""
_SAID = 4


class Box(msgspec.Struct, frozen=True):
    """A node, ready to be drawn; heights are from its upper edge."""

    uid: str
    look: Look
    marks: tuple[str, ...]
    """``start``, ``unsure`` (not simply recorded), ``way`` (only on the way to what was asked for)."""
    sort: str
    date: str
    title: str
    lines: tuple[tuple[str, str], ...]
    """Text and style of each line below the title."""
    ports: tuple[tuple[str, str], ...]
    """Key and label of each port."""
    tooltip: str

    @property
    def size(self) -> Size:
        """How much room it needs."""
        upper = BAND + 26 + _LINE * len(self.lines)
        ports = {key: upper + 7.0 + _PORT * number for number, (key, _) in enumerate(self.ports)}
        height = upper + (_PORT * len(ports) + 4 if ports else 0)
        # as high as the middle of what arrives, so that a chain of boxes is a straight line
        return Size(height, sum(ports.values()) / len(ports) if ports else height / 2, ports)


class Bundle(msgspec.Struct, frozen=True):
    """All edges that one wire stands for."""

    wire: Wire
    edges: tuple[Edge, ...]
    tooltip: str

    @property
    def unsure(self) -> bool:
        """Whether none of them was simply recorded."""
        return all(edge.evidence is not Evidence.RECORDED for edge in self.edges)

    @property
    def mutual(self) -> bool:
        """Whether it has no direction: both ends are the same thing."""
        return all(edge.type is EdgeType.SAME_AS for edge in self.edges)


def folded(answer: Answer) -> dict[str, str]:
    """Locators that say no more than the one version they belong to, which has their name: locator → version."""
    touching = Counter(uid for edge in answer.edges for uid in (edge.source, edge.target))
    apart = {*answer.query.start, *answer.unresolved, *answer.frontier}
    asked = Kind.LOCATOR in answer.query.kinds
    found = {}
    for edge in answer.edges:
        locator, version = answer.nodes[edge.target], answer.nodes[edge.source]
        alone = edge.type is EdgeType.SPECIALIZES and touching[edge.target] == 1 and edge.target not in apart
        if alone and not asked and locator.kind is Kind.LOCATOR and title(locator) == title(version):
            found[edge.target] = edge.source
    return found


def bundles(answer: Answer, shown: Mapping[str, object]) -> list[Bundle]:
    """The wires between the nodes that are shown."""
    names = distinct(answer.nodes)
    plain = {uid: title(entry) for uid, entry in answer.nodes.items()}
    groups: dict[Wire, list[Edge]] = {}
    for edge in answer.edges:
        if edge.source in shown and edge.target in shown:
            groups.setdefault(Wire(edge.older, edge.younger, _port(edge)), []).append(edge)
    return [Bundle(wire, tuple(edges), _told(edges, names, plain)) for wire, edges in groups.items()]


def box(uid: str, answer: Answer, ports: Mapping[str, int], *, locator: str = "", left: int = 0) -> Box:
    """The box of a node.

    Args:
        uid: Which.
        answer: Where it is told of.
        ports: Its ports from top to bottom, with how many wires arrive at each.
        locator: The uid of a locator that has no box of its own.
        left: How many nodes that hang on this one are not drawn.
    """
    entry = answer.nodes[uid]
    marks = [
        mark
        for mark, true in (
            ("start", uid in answer.query.start),
            ("unsure", entry.evidence is not Evidence.RECORDED),
            ("way", uid not in answer.query.start and uid not in answer.found),
        )
        if true
    ]
    labels = {port: port if wires == 1 else f"{port} × {wires:,}" for port, wires in ports.items()}
    more = [(f"… and {left:,} more, not drawn", "doubt")] if left else []
    return Box(
        uid=uid,
        look=LOOKS[entry.kind],
        marks=tuple(marks),
        sort=fit(sort(entry), 22),
        date=utc(entry.created)[:10],
        title=fit(title(entry), _TITLE),
        lines=tuple(
            (fit(text, _BOLD if style == "said" else _SMALL), style) for text, style in [*_lines(entry, answer), *more]
        ),
        ports=tuple((port, fit(label, _SMALL)) for port, label in labels.items()),
        tooltip=_tooltip(entry, locator),
    )


def _lines(entry: Entry, answer: Answer) -> list[tuple[str, str]]:
    lines = [(short(entry.uid), "mono")]
    told = said(entry)
    kept = told if len(told) <= _SAID else told[: _SAID - 1]
    lines += [(text, "said") for text in kept]
    lines += [(f"… and {len(told) - len(kept)} more", "said")] if len(told) > len(kept) else []
    lines += [(text, "doubt") for text in doubts(entry, answer.frontier, answer.unresolved)]
    if entry.stores:
        lines.append((f"in {', '.join(name or 'this store' for name in entry.stores)}", ""))
    return lines


def _tooltip(entry: Entry, locator: str) -> str:
    told = [title(entry), f"{sort(entry)} {entry.uid}", f"recorded {utc(entry.created)}", *said(entry)]
    how = known(entry.evidence, entry.basis)
    told += [how] if how else []
    told += [f"a version of the locator {locator}"] if locator else []
    return "\n".join(told)


def _port(edge: Edge) -> str:
    head = edge.role.partition(":")[0]
    return f"{UPWARDS[edge.type]} · {head}" if head else UPWARDS[edge.type]


def _told(edges: Iterable[Edge], names: Mapping[str, str], plain: Mapping[str, str]) -> str:
    lines = []
    for edge in edges:
        word, _, role = relation(edge, edge.younger, plain).partition(" (")
        word = f"was {word}" if edge.type in {EdgeType.GENERATED, EdgeType.DERIVED_FROM} else word
        lines.append(f"{names[edge.younger]} {word} {names[edge.older]}{f' ({role}' if role else ''}")
    return "\n".join(lines)
