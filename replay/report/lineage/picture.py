"""The layout of a lineage answer as a picture: boxes in columns from older to younger, wires around them, words."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from replay.query import Answer
from replay.report.clean import clean
from replay.report.drawing import Point, bend, over
from replay.report.lineage.boxes import WIDTH, Box, Bundle, box, bundles, folded
from replay.report.lineage.grow import WAYS, Tree, apart, grow, picked
from replay.report.lineage.labels import distinct, question
from replay.report.lineage.layers import Layers, Wire, arrange
from replay.report.lineage.looks import Look, legend
from replay.report.lineage.notes import notes
from replay.report.lineage.positions import Gaps, heights
from replay.report.words import plural

MAX_BOXES, MAX_CHILDREN, MAX_WIRES = 200, 24, 1500
GUTTER, MARGIN = 72, 24
LANE = 14
"""Between lines that run backwards above all boxes."""
_GAPS = Gaps(26.0, 13.0)
_TIP = 6
"""Length of an arrow's tip."""
_LEAST = 920
_LETTER = 6.6
"""Pixels that a letter of the running text needs, about."""


class Placed(msgspec.Struct, frozen=True):
    """A box and its upper left corner."""

    box: Box
    x: float
    y: float


class Drawn(msgspec.Struct, frozen=True):
    """A wire as SVG path data."""

    path: str
    bundle: Bundle


class Words(msgspec.Struct, frozen=True):
    """A line of text above the picture."""

    y: float
    tone: str
    text: str


class Key(msgspec.Struct, frozen=True):
    """One sign of the legend."""

    x: float
    y: float
    sign: str
    """``kind``, ``start``, ``line``, ``dashed`` or ``way``."""
    text: str
    look: Look | None = None


class Picture(msgspec.Struct, frozen=True):
    """All that is drawn."""

    width: int
    height: int
    title: str
    words: tuple[Words, ...]
    boxes: tuple[Placed, ...]
    wires: tuple[Drawn, ...]
    keys: tuple[Key, ...]
    summary: str
    """The same in some sentences, for who cannot see it."""


def picture(answer: Answer) -> Picture:
    """Lay an answer out: the nearest `MAX_BOXES` nodes, at most `MAX_CHILDREN` of those that hang on one node alone."""
    inside = folded(answer)
    trees = [grow(answer, way, len(answer.nodes)) for way in WAYS[answer.query.direction]]
    shown, left = _shown(answer, trees, inside)
    wires = bundles(answer, shown)
    joined = {(uid, branch.node) for tree in trees for uid, branches in tree.children.items() for branch in branches}
    kept = sorted(wires, key=lambda one: joined.isdisjoint([one.wire.ends, one.wire.ends[::-1]]))[:MAX_WIRES]
    layers = arrange(list(shown), [bundle.wire for bundle in kept])
    locators = {version: locator for locator, version in inside.items()}
    arriving = Counter((bundle.wire.target, bundle.wire.port) for bundle in kept)
    made = {}
    for uid in shown:
        ports = {port: arriving[uid, port] for port in layers.ports.get(uid, ())}
        made[uid] = box(uid, answer, ports, locator=locators.get(uid, ""), left=left.get(uid, 0))
    tops = heights(layers, {uid: one.size for uid, one in made.items()}, _GAPS)
    across = max(_LEAST, len(layers.columns) * (WIDTH + GUTTER) - GUTTER + 2 * MARGIN)
    drawn_inside = sum(version in shown for version in inside.values())
    limits = _limits((len(shown), len(answer.nodes) - len(inside)), (len(kept), len(wires)), drawn_inside)
    return _composed(answer, layers, made, tops, kept, across, limits)


def _shown(answer: Answer, trees: Sequence[Tree], inside: Mapping[str, str]) -> tuple[dict[str, None], dict[str, int]]:
    """The nodes that get a box, and of each how many that hang on it get none."""
    shown: dict[str, None] = {}
    for tree in trees:
        room = MAX_BOXES // len(trees)
        shown |= picked(tree, most=room, each=MAX_CHILDREN, without=inside)
    for uid in apart(answer, trees):
        if len(shown) < MAX_BOXES and uid not in inside:
            shown[uid] = None
    left: Counter[str] = Counter()
    for tree in trees:
        for uid, branches in tree.children.items():
            left[uid] += sum(branch.node not in shown and branch.node not in inside for branch in branches)
    return shown, left


def _limits(nodes: tuple[int, int], wires: tuple[int, int], inside: int) -> list[tuple[str, str]]:
    """What the picture leaves out, and what it draws together: tone and words.

    Args:
        nodes: How many are drawn, and how many there are.
        wires: The same of the lines between them.
        inside: How many locators are part of another box.
    """
    said = []
    narrow = "narrow the question with --depth, --kind or --stop-at, or see all with --table or --tree --full"
    if nodes[0] < nodes[1]:
        said.append(("bad", f"✗ picture cut: the nearest {nodes[0]:,} of {nodes[1]:,} nodes are drawn; {narrow}"))
    if wires[0] < wires[1]:
        said.append(("bad", f"✗ picture cut: {wires[0]:,} of {wires[1]:,} lines are drawn; {narrow}"))
    if inside:
        verb = "is" if inside == 1 else "are"
        said.append(("", f"{plural(inside, 'locator')} that only one version has {verb} drawn as part of its box"))
    return said


def _composed(
    answer: Answer,
    layers: Layers,
    made: Mapping[str, Box],
    tops: Mapping[str, float],
    wires: Sequence[Bundle],
    across: int,
    limits: list[tuple[str, str]],
) -> Picture:
    words, below = _words(answer, across, limits)
    backwards = [bundle.wire for bundle in wires if bundle.wire not in layers.ways]
    start = below + 34 + LANE * len(backwards)
    spread = len(layers.columns) * (WIDTH + GUTTER) - GUTTER
    left = max(MARGIN, (across - spread) / 2)
    corner = {
        key: (left + number * (WIDTH + GUTTER), start + tops[key])
        for number, stack in enumerate(layers.columns)
        for key in stack
    }
    lanes = {wire: below + 20 + LANE * number for number, wire in enumerate(backwards)}
    drawn = tuple(Drawn(_path(bundle.wire, layers, made, corner, lanes), bundle) for bundle in wires)
    boxes = tuple(Placed(made[uid], *corner[uid]) for uid in made)
    deepest = max((placed.y + placed.box.size.height for placed in boxes), default=start)
    keys, bottom = _keys(answer, made, across, deepest + 40, unsure=any(one.unsure for one in wires))
    return Picture(
        width=across,
        height=round(bottom + MARGIN),
        title=question(answer),
        words=words,
        boxes=boxes,
        wires=drawn,
        keys=keys,
        summary=". ".join(line.text for line in words),
    )


def _words(answer: Answer, across: int, limits: list[tuple[str, str]]) -> tuple[tuple[Words, ...], float]:
    names = distinct(answer.nodes)
    said = [(note.badge.tone, f"{note.badge.symbol} {note.badge.word}: {note.line(names, 12)}"
             + (f" {note.command}" if note.command else "")) for note in notes(answer)]  # fmt: skip
    made = []
    y = 68.0
    for tone, text in [*said, *limits]:
        for piece in textwrap.wrap(clean(text), int((across - 2 * MARGIN) / _LETTER)) or [""]:
            made.append(Words(y, tone, piece))
            y += 17
    return tuple(made), y - 12


def _path(
    wire: Wire,
    layers: Layers,
    made: Mapping[str, Box],
    corner: Mapping[str, Point],
    lanes: Mapping[Wire, float],
) -> str:
    """From the right side of one box through its trunks to a port."""
    source, target = made[wire.source].size, made[wire.target].size
    begin = (corner[wire.source][0] + WIDTH, corner[wire.source][1] + source.out)
    end = (corner[wire.target][0] - _TIP, corner[wire.target][1] + target.ports[wire.port])
    if wire in lanes:
        return over(begin, end, lanes[wire], GUTTER)
    path, here = f"M{begin[0]:.1f} {begin[1]:.1f}", begin
    for place in layers.ways[wire]:
        there = corner[place]
        path += f"{bend(here, there, GUTTER / 2)}H{there[0] + WIDTH:.1f}"
        here = (there[0] + WIDTH, there[1])
    return path + bend(here, end, GUTTER / 2)


def _keys(
    answer: Answer, made: Mapping[str, Box], across: int, y: float, *, unsure: bool
) -> tuple[tuple[Key, ...], float]:
    """The legend in rows, and where it ends."""
    signs: list[tuple[str, str, Look | None]] = [("start", "where the question started", None)]
    signs += [("kind", str(kind), look) for kind, look in legend(answer.nodes[uid].kind for uid in made)]
    signs.append(("line", "from what was used to what was made of it", None))
    if unsure or any("unsure" in one.marks for one in made.values()):
        signs.append(("dashed", "inferred or asserted, not recorded", None))
    if any("way" in one.marks for one in made.values()):
        signs.append(("way", "only on the way to what was asked for", None))
    keys = []
    x = float(MARGIN)
    for sign, text, look in signs:
        width = 34 + 6.3 * len(text) + 22
        if x + width > across - MARGIN and x > MARGIN:
            x, y = float(MARGIN), y + 26
        keys.append(Key(x, y, sign, text, look))
        x += width
    return tuple(keys), y + 18
