"""The result of a replay on a terminal: verdict first, then what differs, then where the evidence lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from replay.outcome import Comparison, Deviation, Ending, Execution, Mode, ReplayResult, Verdict
from replay.recipe import Gap, Recipe
from replay.report.clean import tail
from replay.report.ink import Ink
from replay.report.junit import CheckRow
from replay.report.standing import divergence, ending_text, measures, modes, ordered, tally
from replay.report.words import (
    CLAIMS,
    ENDINGS,
    MATCHES,
    NOT_RUN,
    STYLES,
    VERDICTS,
    Badge,
    duration,
    next_command,
    plural,
    utc,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

LOG_LINES = 20


def render_result(result: ReplayResult, recipe: Recipe, console: Console) -> None:
    """Print a result: words and symbols carry the meaning, colour only repeats it; all foreign text is cleaned."""
    ink = Ink(console)
    _verdict(ink, result, recipe)
    _divergence(ink, result)
    _failures(ink, result)
    _outputs(ink, result, recipe)
    _lists(ink, result, recipe)
    _places(ink, result)


def _verdict(ink: Ink, result: ReplayResult, recipe: Recipe) -> None:
    ink.line(ink.text(result.model_id, "bold"), "  ", ink.badge(VERDICTS[result.verdict]))
    ink.line(result.reason, indent=2)
    runs = plural(len(result.executions), "execution")
    ink.facts(
        [
            ("replay", f"{result.replay_id}, {utc(result.started)}, {duration(result.seconds)}, {runs}"),
            ("recipe", f"{result.recipe_id[:12]}, grade {recipe.grade.value}, profile {recipe.profile or 'unknown'}"),
            ("outputs", tally(result.comparisons)),
            ("not claimed", CLAIMS[result.verdict][1]),
        ]
    )


def _divergence(ink: Ink, result: ReplayResult) -> None:
    if result.first_divergence:
        ink.heading("First divergence")
        ink.bullet(divergence(result.first_divergence), badge=MATCHES[result.first_divergence.match])


def _failures(ink: Ink, result: ReplayResult) -> None:
    for run in result.executions:
        if run.ending is Ending.SUCCEEDED:
            continue
        ink.heading(f"Step {run.step}")
        ink.bullet(f"{ending_text(run)}{': ' if run.reason else ''}{run.reason}", badge=ENDINGS[run.ending])
        for line in tail(run.log, LOG_LINES).split("\n") if run.log else ():
            ink.whole(line, indent=4)
        if run.log_path:
            ink.whole(f"log: {run.log_path}", indent=2)


def _outputs(ink: Ink, result: ReplayResult, recipe: Recipe) -> None:
    both = len(modes(result)) > 1
    table = ink.table("step", *(["inputs"] if both else []), "output", "match", "difference")
    for comparison in ordered(result, recipe):
        mode = [ink.text("recorded" if comparison.mode is Mode.ISOLATED else "replayed")] if both else []
        names = ink.text(comparison.step), *mode, ink.text(comparison.path)
        table.add_row(*names, _match(ink, comparison), _difference(ink, comparison))
    for step, badge in _silent_steps(result, recipe):
        names = ink.text(step), *([ink.text("")] if both else []), ink.text("none judged")
        table.add_row(*names, ink.badge(badge), ink.text(""))
    if table.row_count:
        ink.heading("Outputs")
        ink.console.print(table, highlight=False)


def _match(ink: Ink, comparison: Comparison) -> Text:
    badge = MATCHES[comparison.match]
    if not comparison.volatile:
        return ink.badge(badge)
    return ink.badge(Badge(badge.symbol, badge.plain, badge.word, "dim")).append("\nvolatile")


def _difference(ink: Ink, comparison: Comparison) -> Text:
    sizes = measures(comparison)
    return ink.text(f"{comparison.finding.summary} ({sizes})" if sizes else comparison.finding.summary)


def _silent_steps(result: ReplayResult, recipe: Recipe) -> list[tuple[str, Badge]]:
    compared = {c.step for c in result.comparisons}
    ended: dict[str, Execution] = {e.step: e for e in result.executions}
    silent = [step.name for step in recipe.steps if step.name not in compared]
    return [(name, ENDINGS[ended[name].ending] if name in ended else NOT_RUN) for name in silent]


def _lists(ink: Ink, result: ReplayResult, recipe: Recipe) -> None:
    render_deviations(ink, "Deviations from the record", result.deviations)
    render_gaps(ink, recipe.gaps)
    if result.notes:
        ink.heading("Notes")
        for note in result.notes:
            ink.bullet(note)


def render_deviations(ink: Ink, title: str, deviations: Sequence[Deviation]) -> None:
    """Print facets that are not as recorded, each with what follows."""
    if deviations:
        ink.heading(title)
    for item in deviations:
        sides = f"recorded {item.recorded or 'unknown'}, here {item.actual or 'unknown'}"
        ink.bullet(f"{item.facet}: {sides}; {item.consequence}")


def render_gaps(ink: Ink, gaps: Sequence[Gap]) -> None:
    """Print the gaps of a recipe, each with its consequence."""
    if gaps:
        ink.heading("Gaps in the recipe")
    for gap in gaps:
        ink.bullet(f"{gap.step + ': ' if gap.step else ''}{gap.item}; {gap.consequence}")


def _places(ink: Ink, result: ReplayResult) -> None:
    ink.console.print()
    for label, place in (("report", result.report), ("workspace", result.workspace)):
        if place:
            ink.whole(f"{label + ':':<11}{place}")
    why, command = next_command(result)
    ink.whole(f"{'next:':<11}{command}   # {why}")


def check_line(row: CheckRow, console: Console) -> None:
    """Print one recipe's check as one line: symbol, word, model, time, and the reason when it did not reproduce."""
    ink = Ink(console)
    badge = VERDICTS[row.verdict] if row.verdict else Badge("!", "[!]", "error", "bad")
    mark = ink.text(f"{badge.plain if ink.ascii else badge.symbol} {badge.word:<21}", STYLES[badge.tone])
    why = "" if row.passed else f"  {row.reason}{f' ({row.hint})' if row.hint else ''}"
    line = ink.join(mark, " ", ink.text(row.model_id or row.recipe, "bold"), f"  {duration(row.seconds)}{why}")
    console.print(line, soft_wrap=True, highlight=False, crop=False, overflow="ignore")


def check_summary(rows: list[CheckRow], console: Console) -> None:
    """Print how many recipes reproduced, and how many ended in which other way."""
    ink = Ink(console)
    kinds = [(sum(row.verdict is verdict for row in rows), VERDICTS[verdict].word) for verdict in Verdict]
    kinds.append((sum(row.verdict is None for row in rows), "errors"))
    counted = ", ".join(f"{count} {word}" for count, word in kinds if count) or "nothing to check"
    ink.line(f"{plural(len(rows), 'recipe')}: {counted}")
