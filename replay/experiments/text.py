"""Experiments on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from replay.experiments.listing import Listed
from replay.experiments.table import Pair, Table
from replay.report.ink import Ink
from replay.report.words import plural, utc

if TYPE_CHECKING:
    from rich.console import Console

MAX_SHOWN = 60
_NOTHING = "none"


def render_list(rows: Sequence[Listed], console: Console) -> None:
    """Print one line per experiment."""
    ink = Ink(console)
    if not rows:
        ink.line("no experiment is recorded yet; `replay record --experiment NAME` begins one")
        return
    table = ink.table("experiment", "trials", "executions", "newest")
    for row in rows:
        name = ink.join(ink.text(row.name, "bold"), f"  (store {row.store})" if row.store else "")
        table.add_row(name, ink.text(row.trials), ink.text(row.executions), ink.text(utc(row.newest)))
    console.print(table, highlight=False)


def render_table(found: Table, console: Console) -> None:
    """Print the trials with what varies, what is held constant, and what one parameter alone did."""
    ink = Ink(console)
    trials = len({one.trial for one in found.trials})
    count = plural(trials, "trial")
    count += f", {plural(len(found.trials), 'execution')}" if len(found.trials) != trials else ""
    ink.line(ink.text(found.experiment, "bold"), f"  {count}")
    ink.line(f"vary: {', '.join(found.varied) or _NOTHING}", indent=2)
    _constant(ink, found)
    if found.trials:
        _trials(ink, found)
    if found.pairs:
        ink.heading("One parameter varied")
    for pair in found.pairs[:MAX_SHOWN]:
        _pair(ink, pair)
    left = len(found.pairs) - MAX_SHOWN
    if left > 0 or found.pairs_left_out:
        ink.line(f"and {max(left, 0) + found.pairs_left_out:,} more pairs; --json has {len(found.pairs):,}", indent=2)
    if found.hidden:
        ink.line(f"! not complete: {plural(found.hidden, 'node')} may not be seen")


def _constant(ink: Ink, found: Table) -> None:
    shown = [f"{name} = {value}" for name, value in list(found.constant.items())[:MAX_SHOWN]]
    left = len(found.constant) - len(shown)
    more = f", and {left:,} more (--json)" if left else ""
    ink.line(f"held constant: {', '.join(shown) or _NOTHING}{more}", indent=2)


def _trials(ink: Ink, found: Table) -> None:
    table = ink.table("trial", "model", *found.varied, *found.metrics)
    for one in found.trials:
        values = [one.parameters.get(name) for name in found.varied] + [one.metrics.get(name) for name in found.metrics]
        cells = [ink.text("absent" if value is None else value) for value in values]
        table.add_row(ink.text(one.label, "bold"), ink.text(", ".join(one.models)), *cells)
    ink.console.print(table, highlight=False)


def _pair(ink: Ink, pair: Pair) -> None:
    arrow = "->" if ink.ascii else "→"
    ink.bullet(
        f"{pair.a} {arrow} {pair.b}: ",
        ink.text(f"{pair.parameter} {_shown(pair.before)} {arrow} {_shown(pair.after)}", "bold"),
    )
    changed = [one for one in pair.changes if one.before != one.after]
    for one in changed:
        by = f"  ({_signed(one.change)})" if one.change is not None else ""
        ink.line(f"{one.metric} {_shown(one.before)} {arrow} {_shown(one.after)}{by}", indent=6)
    if not changed:
        ink.line("every metric is the same" if pair.changes else "there is no metric", indent=6)
    if pair.also:
        ink.line(f"! also different: {', '.join(pair.also)}", indent=6)


def _shown(text: str | None) -> str:
    return "absent" if text is None else text


def _signed(change: float) -> str:
    return f"{change:+.6g}"
