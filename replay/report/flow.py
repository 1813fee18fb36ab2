"""The workflow as a picture from left to right: data, steps, model. Layout only; the template draws it."""

from __future__ import annotations

import msgspec

from replay.outcome import Match, Mode, ReplayResult
from replay.recipe import PathKind, Recipe, Step, Storage
from replay.report.drawing import backward, bend, columns, over
from replay.report.standing import modes, ordered, standings
from replay.report.words import MATCHES, Badge, duration, plural

MAX_STEPS = 60
BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y, MARGIN = 172, 86, 52, 22, 8
LANE = 16
"""Height of the lane of one wire that passes over other columns."""


class Box(msgspec.Struct, frozen=True):
    """A node: ``kind`` is ``data``, ``step`` or ``model``; ``x`` and ``y`` are its upper left corner."""

    kind: str
    x: float
    y: float
    title: str
    badge: Badge | None
    lines: tuple[str, ...]
    tooltip: str
    width: int = BOX_WIDTH
    height: int = BOX_HEIGHT


class Wire(msgspec.Struct, frozen=True):
    """An edge: SVG path data from the right side of one box to the left side of another, and what travels on it."""

    path: str
    tooltip: str


class Flow(msgspec.Struct, frozen=True):
    """The whole picture; empty ``boxes`` when there are too many steps to draw."""

    boxes: tuple[Box, ...]
    wires: tuple[Wire, ...]
    width: int
    height: int
    words: str
    """The same in one sentence, for who cannot see it."""


class _Node(msgspec.Struct):
    key: str
    kind: str
    feeds: dict[str, str]
    """Key of each node that uses it → the paths that it uses."""


def flow(result: ReplayResult, recipe: Recipe) -> Flow:
    """Lay out the workflow: a node stands one column right of the last node that feeds it."""
    if len(recipe.steps) > MAX_STEPS:
        return Flow((), (), 0, 0, f"{len(recipe.steps)} steps are too many to draw; the table of outputs has them all.")
    nodes = _nodes(recipe)
    ends = [(a.key, b, what) for a in nodes.values() for b, what in a.feeds.items()]
    pairs = {(a, b) for a, b, _ in ends}
    place = columns(nodes, pairs - backward(nodes, pairs))
    long = [(a, b) for a, b, _ in ends if place[b] - place[a] > 1]
    roof = LANE * len(long)
    corners = _corners(place, roof)
    boxes = tuple(_box(node, corners[node.key], result, recipe) for node in nodes.values())
    lanes = {pair: roof - LANE * (row + 0.5) for row, pair in enumerate(long)}
    wires = tuple(Wire(_curve(corners[a], corners[b], lanes.get((a, b))), what) for a, b, what in ends)
    width = max(x for x, _ in corners.values()) + BOX_WIDTH
    height = max(y for _, y in corners.values()) + BOX_HEIGHT
    return Flow(boxes, wires, round(width) + 2 * MARGIN, round(height) + 2 * MARGIN, _words(result, recipe))


def _corners(place: dict[str, int], roof: int) -> dict[str, tuple[float, float]]:
    """Upper left corners: columns are centred below the lanes of the wires that pass over other columns."""
    stacks: dict[int, list[str]] = {}
    for key, column in place.items():
        stacks.setdefault(column, []).append(key)
    pitch = BOX_HEIGHT + GAP_Y
    tallest = max(len(stack) for stack in stacks.values())
    return {
        key: (column * (BOX_WIDTH + GAP_X), roof + (tallest - len(stack)) * pitch / 2 + row * pitch)
        for column, stack in stacks.items()
        for row, key in enumerate(stack)
    }


def _nodes(recipe: Recipe) -> dict[str, _Node]:
    nodes: dict[str, _Node] = {}
    for step in recipe.steps:
        nodes[f"step {step.name}"] = _Node(f"step {step.name}", "step", {})
    sources: dict[str, _Node] = {}
    for step in recipe.steps:
        for artifact in step.inputs:
            maker = _maker(recipe, artifact.path)
            if maker is None and artifact.storage is not Storage.GIT:
                key = f"data {artifact.path}"
                sources.setdefault(key, _Node(key, "data", {})).feeds[f"step {step.name}"] = artifact.path
            elif maker and maker.name != step.name:
                feeds = nodes[f"step {maker.name}"].feeds
                before = feeds.get(f"step {step.name}")
                feeds[f"step {step.name}"] = f"{before}, {artifact.path}" if before else artifact.path
    if len(sources) > 12:
        feeds = {target: f"{len(sources)} sources" for node in sources.values() for target in node.feeds}
        sources = {"data": _Node("data", "data", feeds)}
    maker = recipe.producer(recipe.model)
    if maker:
        nodes[f"step {maker.name}"].feeds["model"] = recipe.model
        nodes["model"] = _Node("model", "model", {})
    return sources | nodes


def _maker(recipe: Recipe, path: str) -> Step | None:
    """The step that makes ``path``, or a directory that holds it, or a file below it."""
    exact = recipe.producer(path)
    if exact:
        return exact
    for step in recipe.steps:
        for output in step.outputs:
            made = output.artifact.path
            if path.startswith(f"{made}/") or made.startswith(f"{path}/"):
                return step
    return None


def _box(node: _Node, corner: tuple[float, float], result: ReplayResult, recipe: Recipe) -> Box:
    x, y = corner
    if node.kind == "data":
        return _data_box(node, x, y, recipe)
    if node.kind == "model":
        mine = [c.match for c in ordered(result, recipe) if c.path == recipe.model]
        badge = MATCHES[mine[-1] if mine else Match.UNCOMPARED]
        return Box("model", x, y, recipe.model_id, badge, (recipe.model,), f"{recipe.model_id}: {recipe.model}")
    name = node.key.removeprefix("step ")
    views = [next(s for s in standings(result, recipe, mode) if s.step == name) for mode in modes(result)]
    first = views[0]
    lines = [first.detail]
    if len(views) > 1 and views[1].seconds is not None:
        lines.append(f"chained: {views[1].badge.symbol} {views[1].badge.word}")
    elif first.seconds is not None:
        lines.append(duration(first.seconds))
    return Box("step", x, y, name, first.badge, tuple(lines), f"{name}: {first.badge.word}, {first.detail}")


def _data_box(node: _Node, x: float, y: float, recipe: Recipe) -> Box:
    if node.key == "data":
        what = next(iter(node.feeds.values()))
        return Box("data", x, y, what, None, ("data, in the table below",), what)
    path = node.key.removeprefix("data ")
    artifact = next(a for step in recipe.steps for a in step.inputs if a.path == path)
    files = f"{plural(artifact.files, 'file')}, " if artifact.kind is PathKind.DIRECTORY else ""
    return Box("data", x, y, path, None, (f"{files}sha256 {artifact.digests.sha256[:8]}…", "data"), path)


def _curve(start: tuple[float, float], stop: tuple[float, float], lane: float | None) -> str:
    """From the right side of one box to the left side of another; over ``lane`` when other columns lie between."""
    begin = (start[0] + BOX_WIDTH, start[1] + BOX_HEIGHT / 2)
    end = (stop[0] - 5, stop[1] + BOX_HEIGHT / 2)
    if lane is not None:
        return over(begin, end, lane, GAP_X)
    return f"M{begin[0]:.1f} {begin[1]:.1f}{bend(begin, end, GAP_X / 2)}"


def _words(result: ReplayResult, recipe: Recipe) -> str:
    mode = modes(result)[0]
    inputs = "recorded inputs" if mode is Mode.ISOLATED else "replayed inputs"
    parts = (f"{s.step} {s.badge.word}" for s in standings(result, recipe, mode))
    return f"Steps, each from its {inputs}: " + ", ".join(parts) + "."
