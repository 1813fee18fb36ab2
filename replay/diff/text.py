"""A difference on a terminal: the headline, the causes, the effects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from replay.diff.tree import Change, CodeDiff, ConfigChange, DataChange, MetricsDiff, RecipeDiff
from replay.outcome import Match
from replay.report.ink import Ink
from replay.report.metrics import percent, signed
from replay.report.words import MATCHES, plural, size

if TYPE_CHECKING:
    from rich.console import Console

MAX_ROWS = 60
_CUT = 200


def render_diff(diff: RecipeDiff, console: Console) -> None:
    """Print a difference; causes first, effects after, the same things only counted. All foreign text is cleaned."""
    ink = Ink(console)
    ink.line(ink.text(diff.a.model_id, "bold"), " → " if not ink.ascii else " -> ", ink.text(diff.b.model_id, "bold"))
    ink.line(_arrow(ink, diff.headline), indent=2)
    _code(ink, diff.code)
    _data(ink, diff.data)
    _config(ink, diff)
    for title, found in (
        ("Parameters", diff.parameters),
        ("Seeds", diff.seeds),
        ("Commands", diff.commands),
        ("Environment", diff.environment.facts),
        ("Packages", diff.environment.packages),
        ("Machine and profile", diff.machine),
        ("Judgement of outputs", diff.judgement),
    ):
        _changes(ink, title, found)
    _outputs(ink, diff)
    for metrics in diff.metrics:
        _metrics(ink, metrics)


def _arrow(ink: Ink, text: str) -> str:
    return text.replace("→", "->") if ink.ascii else text


def _shown(text: str | None) -> str:
    if text is None:
        return "absent"
    return text if len(text) <= _CUT else f"{text[:_CUT]}… ({len(text):,} characters)"


def _changes(ink: Ink, title: str, found: Sequence[Change]) -> None:
    if not found:
        return
    ink.heading(title)
    table = ink.table("what", "a", "b")
    for change in found[:MAX_ROWS]:
        table.add_row(ink.text(change.key), ink.text(_shown(change.a)), ink.text(_shown(change.b)))
    ink.console.print(table, highlight=False)
    _more(ink, len(found))


def _more(ink: Ink, count: int) -> None:
    if count > MAX_ROWS:
        ink.line(f"and {count - MAX_ROWS:,} more; --json has all", indent=2)


def _code(ink: Ink, code: CodeDiff) -> None:
    _changes(ink, "Code", code.identity)
    if code.history:
        kinship = "" if code.history.direct else " (neither is an ancestor of the other)"
        ink.line(f"{plural(len(code.history.commits), 'commit')} between{kinship}", indent=2)
        for commit in code.history.commits[:MAX_ROWS]:
            ink.bullet(ink.text(commit.id[:12], "bold"), f" {_shown(commit.subject)}")
        _more(ink, len(code.history.commits))
        for file in code.history.files[:MAX_ROWS]:
            lines = "" if file.added is None else f"  +{file.added} -{file.removed}"
            ink.bullet(f"{file.status} {file.path}{lines}")
        _more(ink, len(code.history.files))
    elif any(change.key == "commit" for change in code.identity):
        ink.line("the commits between are unknown: the repository was not asked, or lacks them", indent=2)
    if code.identity and not code.inputs:
        ink.line("no code file that a step declares as input differs", indent=2)
    _changes(ink, "Code that the steps read (sha256)", code.inputs)


def _data(ink: Ink, data: Sequence[DataChange]) -> None:
    if not data:
        return
    ink.heading("Data")
    table = ink.table("what", "a", "b")
    for change in data[:MAX_ROWS]:
        sides = ((change.a_sha256, change.a_bytes), (change.b_sha256, change.b_bytes))
        cells = ["absent" if digest is None else f"{digest[:12]}, {size(count or 0)}" for digest, count in sides]
        table.add_row(ink.text(change.path), *map(ink.text, cells))
    ink.console.print(table, highlight=False)
    _more(ink, len(data))


def _config(ink: Ink, diff: RecipeDiff) -> None:
    for title, found in (("Config", diff.config), ("Overrides", diff.overrides)):
        if not found:
            continue
        ink.heading(title)
        table = ink.table("key", "a", "b", "steps")
        for change in found[:MAX_ROWS]:
            cells = (_key(change), _shown(change.a), _shown(change.b), ", ".join(change.steps))
            table.add_row(*map(ink.text, cells))
        ink.console.print(table, highlight=False)
        _more(ink, len(found))


def _key(change: ConfigChange) -> str:
    return change.key if change.config in {"", "config"} else f"{change.config}: {change.key}"


def _outputs(ink: Ink, diff: RecipeDiff) -> None:
    changed = [output for output in diff.outputs if not output.same]
    same = len(diff.outputs) - len(changed)
    ink.heading("Outputs")
    if changed:
        table = ink.table("step", "output", "match", "a", "b")
        for output in changed[:MAX_ROWS]:
            sides = ((output.a_sha256, output.a_bytes), (output.b_sha256, output.b_bytes))
            cells = ["absent" if digest is None else f"{digest[:12]}, {size(count or 0)}" for digest, count in sides]
            mark = ink.badge(MATCHES[Match.DIFFERENT])
            table.add_row(ink.text(output.step), ink.text(output.path), mark, *map(ink.text, cells))
        ink.console.print(table, highlight=False)
        _more(ink, len(changed))
    ink.line(f"{plural(same, 'output')} {'is' if same == 1 else 'are'} the same", indent=2)


def _metrics(ink: Ink, metrics: MetricsDiff) -> None:
    ink.heading(f"Metrics in {metrics.path}")
    if metrics.why:
        ink.line(f"not compared: {metrics.why}", indent=2)
        return
    table = ink.table("metric", "a", "b", "difference", "relative")
    for row in metrics.rows[:MAX_ROWS]:
        change = "" if row.absolute is None else signed(row.absolute)
        share = "" if row.relative is None else percent(row.relative)
        table.add_row(*map(ink.text, (row.key, _shown(row.a), _shown(row.b), change, share)))
    if metrics.rows:
        ink.console.print(table, highlight=False)
    _more(ink, len(metrics.rows))
    same = metrics.compared - len(metrics.rows)
    ink.line(f"{plural(same, 'metric')} {'is' if same == 1 else 'are'} the same", indent=2)
