"""A lineage answer as a tree on a terminal: each node once, nearest first, and below it what the answer leaves open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from replay.query import Answer
from replay.report.lineage.describe import Describe
from replay.report.lineage.grow import WAYS, Tree, Way, apart, grow, picked
from replay.report.lineage.labels import distinct, listed, question
from replay.report.lineage.notes import notes
from replay.report.lineage.rows import Part, Rows
from replay.report.words import STYLES, plural

if TYPE_CHECKING:
    from rich.console import Console

MAX_NODES = 400
MAX_CHILDREN = 40
MAX_NAMED = 12
"""Of other nodes that one node is joined to; of those that a remark speaks of; of ways."""
ALL = "--full shows all"

_HEADINGS: dict[Way, str] = {"up": "made from", "down": "what stands on it"}
_Row = tuple[list[Part], str]
"""A row below a node, and the uid of the node that it is about, if it has rows below itself."""


def render_tree(answer: Answer, console: Console, *, full: bool = False) -> None:
    """Print an answer as a tree.

    A node stands once, below the nearest node that leads to it; elsewhere it is only named. All recorded text is
    cleaned.

    Args:
        answer: The answer; told without edges, its nodes stand apart from the start.
        console: Where to print.
        full: Print everything, however long; otherwise at most `MAX_NODES` nodes and `MAX_CHILDREN` below one.
    """
    trees = []
    with Rows(console) as rows:
        rows.add([(question(answer), "bold underline")])
        if key := Describe(answer).key:
            rows.add([(key, "")])
        ways = WAYS[answer.query.direction]
        for way in ways:
            tree = grow(answer, way, rows.deepest)
            trees.append(tree)
            if len(ways) > 1:
                rows.space()
                rows.add([(_HEADINGS[way], "bold")])
            _Painter(answer, tree, rows, full=full).paint()
        most = None if full else MAX_NAMED
        _apart(answer, apart(answer, trees), rows, None if full else MAX_CHILDREN)
        _ways(answer, rows, most)
        rows.space()
        write_notes(answer, rows, most)


def render_notes(answer: Answer, console: Console) -> None:
    """Print what an answer says of itself, and nothing else."""
    with Rows(console) as rows:
        write_notes(answer, rows)


def write_notes(answer: Answer, rows: Rows, most: int | None = MAX_NAMED) -> None:
    """Write what an answer says of itself: complete or not, what is missing or odd, and how to go on."""
    names = distinct(answer.nodes)
    for note in notes(answer):
        mark = note.badge.plain if rows.ascii else note.badge.symbol
        rows.add([(f"{mark} {note.badge.word}", STYLES[note.badge.tone]), (note.line(names, most), "")], after="  ")
        if note.command:
            rows.whole(note.command, "  ")


def _apart(answer: Answer, uids: list[str], rows: Rows, most: int | None) -> None:
    if not uids:
        return
    describe = Describe(answer)
    rows.space()
    rows.add([("also found, without the edges that lead there", "bold")])
    for uid in uids[:most]:
        rows.add([*describe.node(uid), (f"{plural(answer.nodes[uid].depth, 'edge')} away", "")], "   ", "     ")
    if most is not None and len(uids) > most:
        rows.add([(f"… and {len(uids) - most:,} more ({ALL})", "")], "   ")


def _ways(answer: Answer, rows: Rows, most: int | None) -> None:
    if not answer.paths:
        return
    names = distinct(answer.nodes)
    rows.space()
    rows.add([("ways", "bold")])
    for way in answer.paths[:most]:
        rows.add([(" → ".join(names.get(uid, uid) for uid in way), "")], "   ", "     ")
    if most is not None and len(answer.paths) > most:
        rows.add([(f"… and {len(answer.paths) - most:,} more ({ALL})", "")], "   ")


class _Painter:
    """Prints one tree."""

    def __init__(self, answer: Answer, tree: Tree, rows: Rows, *, full: bool) -> None:
        self._answer, self._tree, self._rows = answer, tree, rows
        self._most = None if full else MAX_NAMED
        self._shown = picked(tree, most=None if full else MAX_NODES, each=None if full else MAX_CHILDREN)
        self._names = distinct(answer.nodes)
        self._describe = Describe(answer)
        self._waiting: list[str] = []

    def paint(self) -> None:
        """Print all of it; what stands too deep for the console is continued below."""
        for root in self._tree.roots:
            self._rows.add(self._describe.node(root), after="   ")
            self._below(root)
        for uid in self._waiting:  # grows while it is read
            self._rows.space()
            self._rows.add([("↳", ""), (self._names[uid], "bold"), ("continued", "")])
            self._below(uid)

    def _below(self, top: str) -> None:
        waiting = self._stacked(top, "", 0)
        while waiting:
            parts, uid, first, guide, level = waiting.pop()
            below = self._stacked(uid, guide, level) if uid else []
            self._rows.add(parts, first, guide + ("│  " if below else "   "))
            waiting += below

    def _stacked(self, uid: str, guide: str, level: int) -> list[tuple[list[Part], str, str, str, int]]:
        """The rows below a node, the last one first."""
        if level >= self._rows.deepest and self._tree.children.get(uid):
            self._waiting.append(uid)
            return [([("↓ continued below", "")], "", f"{guide}└─ ", f"{guide}   ", level)]
        made = []
        for number, (parts, child) in enumerate(reversed(list(self._items(uid)))):
            first, after = ("├─ ", "│  ") if number else ("└─ ", "   ")
            made.append((parts, child, guide + first, guide + after, level + 1))
        return made

    def _items(self, uid: str) -> Iterator[_Row]:
        yield from self._elsewhere(uid)
        left: Counter[str] = Counter()
        for branch in self._tree.children.get(uid, ()):
            if branch.node in self._shown:
                said = self._describe.branch(branch, uid)
                yield [(said, "cyan"), *self._describe.node(branch.node, uid)], branch.node
            else:
                left[str(self._answer.nodes[branch.node].kind)] += 1
        if left:
            kinds = ", ".join(f"{count:,} {kind}" for kind, count in left.most_common())
            yield [(f"… and {left.total():,} more: {kinds} ({ALL})", "")], ""

    def _elsewhere(self, uid: str) -> Iterator[_Row]:
        """What a node is joined to beside its children, by what it is to them."""
        groups: dict[tuple[str, str], list[str]] = {}
        for branch in self._tree.others.get(uid, ()):
            far = branch.node
            seen = self._tree.place[far] <= self._tree.place[uid]
            where = "not shown" if far not in self._shown else "↑ seen above" if seen else "↓ shown below"
            groups.setdefault((self._describe.branch(branch, uid), where), []).append(self._names[far])
        for (said, where), names in groups.items():
            yield [(said, "cyan"), (f"{where}: {listed(names, self._most)}", "")], ""
