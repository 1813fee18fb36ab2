"""One self-contained HTML page: no script, no network, readable on paper and in ten years."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec

from replay.outcome import Comparison, Execution, Match, Mode, ReplayResult
from replay.recipe import Output, OutputRole, Recipe
from replay.report import facts, standing, words
from replay.report.chart import Chart, chart
from replay.report.clean import tail
from replay.report.files import read_pair
from replay.report.flow import flow
from replay.report.metrics import MAX_BYTES as METRICS_BYTES
from replay.report.metrics import MetricRow, metric_rows, percent, read_metrics, signed
from replay.report.pictures import MAX_BYTES as PICTURE_BYTES
from replay.report.pictures import SUFFIXES as PICTURES
from replay.report.pictures import Picture, compare_pictures
from replay.report.series import MAX_BYTES as SERIES_BYTES
from replay.report.series import SUFFIXES as TABLES
from replay.report.series import read_series
from replay.report.templating import breakable, elide, environment

if TYPE_CHECKING:
    import jinja2

LOG_LINES = 40
MAX_FIGURES = 6
"""Outputs of which charts are drawn, and outputs of which images are shown; the others are named."""


class Row(msgspec.Struct, frozen=True):
    """One comparison with what the recipe says about its output."""

    comparison: Comparison
    output: Output | None
    tolerance: str
    measures: str


class Metrics(msgspec.Struct, frozen=True):
    """The metrics of one file on both sides, or why they cannot be shown."""

    comparison: Comparison
    rows: tuple[MetricRow, ...]
    why: str


class Charts(msgspec.Struct, frozen=True):
    """The charts of one table."""

    comparison: Comparison
    charts: tuple[Chart, ...]
    columns: int
    differing: int
    why: str


class Images(msgspec.Struct, frozen=True):
    """The pictures of one image output."""

    comparison: Comparison
    picture: Picture


class Log(msgspec.Struct, frozen=True):
    """The end of one execution's log."""

    execution: Execution
    badge: words.Badge
    ending: str
    text: str


def render_html(result: ReplayResult, recipe: Recipe) -> str:
    """The page as text; the same result and recipe and the same kept files give the same bytes.

    Recorded and replayed files are read where ``Comparison.recorded_path`` and ``replayed_path`` name regular files;
    where they do not, the page says so.
    """
    return _environment().get_template("report.html.j2").render(_context(result, recipe))


def load(recipe: Recipe) -> None:
    """Import and compile beforehand what `render_html` will need for ``recipe``; may run in any thread."""
    _environment().get_template("report.html.j2")
    suffixes = {PurePosixPath(o.artifact.path).suffix.lower() for step in recipe.steps for o in step.outputs}
    if not suffixes.isdisjoint(TABLES):
        import pyarrow as pa

        import_module("pyarrow.parquet")
        pa.array([0.0]).cast(pa.int64())  # the first conversion imports more: compute, and pandas where there is one
    if not suffixes.isdisjoint(PICTURES):
        from PIL import Image

        Image.preinit()


@cache
def _environment() -> jinja2.Environment:
    shared = environment()
    shared.filters |= {
        "size": words.size, "duration": words.duration, "utc": words.utc, "plural": words.plural, "signed": signed,
        "percent": percent, "elide": elide, "command": words.command_text, "breakable": breakable,
    }  # fmt: skip
    return shared


def _context(result: ReplayResult, recipe: Recipe) -> dict[str, Any]:
    from importlib.metadata import PackageNotFoundError, version

    try:
        tool = version("replay-engine")
    except PackageNotFoundError:
        tool = "unknown (run from a source tree)"
    comparisons = standing.ordered(result, recipe)
    says, not_says = words.CLAIMS[result.verdict]
    why, command = words.next_command(result)
    charts, pictures = _charts(result, comparisons), _pictures(result, comparisons)
    return {
        "result": result, "recipe": recipe, "tool": tool, "says": says, "not_says": not_says,
        "grade_words": words.GRADES[recipe.grade],
        "verdict": words.VERDICTS[result.verdict], "matches": words.MATCHES, "next_why": why, "next_command": command,
        "rows": [_row(recipe, c) for c in comparisons], "flow": flow(result, recipe), "modes": standing.modes(result),
        "tally": standing.tally(result.comparisons), "counts": _counts(result), "unjudged": _unjudged(result, recipe),
        "divergence": result.first_divergence and standing.divergence(result.first_divergence),
        "metrics": _metrics(result, recipe, comparisons), "charts": charts, "pictures": pictures,
        "groups": facts.groups(result, recipe), "sources": facts.sources(recipe), "configs": facts.configs(recipe),
        "logs": [_log(e) for e in result.executions], "CHAINED": Mode.CHAINED, "IDENTICAL": Match.IDENTICAL,
        "failures": [log for log in map(_log, result.executions) if log.badge.tone == "bad"],
    }  # fmt: skip


def _row(recipe: Recipe, comparison: Comparison) -> Row:
    output = standing.recorded_output(recipe, comparison)
    return Row(comparison, output, standing.tolerance_text(output), standing.measures(comparison))


def _counts(result: ReplayResult) -> list[tuple[int, words.Badge]]:
    judged = [c for c in standing.worst_of_each(result.comparisons) if not c.volatile]
    counts = [(sum(c.match is match for c in judged), words.MATCHES[match]) for match in Match]
    return [(count, badge) for count, badge in counts if count]


def _unjudged(result: ReplayResult, recipe: Recipe) -> list[str]:
    seen = {(c.step, c.path) for c in result.comparisons}
    return [
        f"{step.name}: {output.artifact.path}"
        for step in recipe.steps
        for output in step.outputs
        if (step.name, output.artifact.path) not in seen
    ]


def _log(execution: Execution) -> Log:
    badge, ending = words.ENDINGS[execution.ending], standing.ending_text(execution)
    return Log(execution, badge, ending, tail(execution.log, LOG_LINES) if execution.log else "")


def _suffix(comparison: Comparison) -> str:
    return PurePosixPath(comparison.path).suffix.lower()


def _metrics(result: ReplayResult, recipe: Recipe, comparisons: list[Comparison]) -> list[Metrics]:
    found = []
    for comparison in _distinct(comparisons):
        output = standing.recorded_output(recipe, comparison)
        if not output or output.role is not OutputRole.METRICS or _suffix(comparison) != ".json":
            continue
        pair = read_pair(result, comparison, METRICS_BYTES)
        sides = [read_metrics(side.data) if side.data is not None else None for side in pair]
        if sides[0] is None or sides[1] is None:
            found.append(Metrics(comparison, (), pair.why or "no JSON object"))
        else:
            found.append(Metrics(comparison, tuple(metric_rows(sides[0], sides[1])), ""))
    return found


def _distinct(comparisons: list[Comparison]) -> list[Comparison]:
    """Without chained comparisons of the very bytes that the isolated one met: one picture of both is enough."""
    found: dict[tuple[str, str, str], Comparison] = {}
    for item in comparisons:
        found.setdefault((item.step, item.path, item.replayed.sha256 if item.replayed else item.mode.value), item)
    return list(found.values())


def _figures(comparisons: list[Comparison], suffixes: tuple[str, ...]) -> list[Comparison]:
    """What is drawn first when there is too much: what differs, then the rest, each in reading order."""
    wanted = [c for c in _distinct(comparisons) if _suffix(c) in suffixes and c.recorded and c.replayed]
    kept = sorted(wanted, key=lambda c: c.match in {Match.IDENTICAL, Match.EQUIVALENT})[:MAX_FIGURES]
    return [c for c in wanted if c in kept]


def _charts(result: ReplayResult, comparisons: list[Comparison]) -> list[Charts]:
    found = []
    for comparison in _figures(comparisons, TABLES):
        recorded, replayed = pair = read_pair(result, comparison, SERIES_BYTES)
        if recorded.data is None or replayed.data is None:
            found.append(Charts(comparison, (), 0, 0, pair.why))
            continue
        series = read_series(recorded.data, replayed.data, _suffix(comparison))
        drawn = tuple(chart(one) for one in series.series)
        found.append(Charts(comparison, drawn, series.columns, series.differing, series.why))
    return found


def _pictures(result: ReplayResult, comparisons: list[Comparison]) -> list[Images]:
    found = []
    for comparison in _figures(comparisons, PICTURES):
        recorded, replayed = pair = read_pair(result, comparison, PICTURE_BYTES)
        if recorded.data is None or replayed.data is None:
            found.append(Images(comparison, Picture(why=pair.why)))
        else:
            found.append(Images(comparison, compare_pictures(recorded.data, replayed.data)))
    return found
