"""Feature groups on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from replay.report.ink import Ink
from replay.report.words import plural, utc

if TYPE_CHECKING:
    from rich.console import Console

    from replay.features.telling import Told
    from replay.features.values import Batch, Definition, View


def render_groups(rows: Sequence[Told], console: Console) -> None:
    """Print one line for each group."""
    ink = Ink(console)
    if not rows:
        ink.line("no feature group is registered yet; `replay features register NAME …` registers one")
        return
    table = ink.table("group", "record id", "event time", "definition", "batches", "rows", "last write")
    for told in rows:
        now, batches = told.group.definition, told.batches
        last = utc(batches[-1].written) if batches else "none yet"
        total = sum(batch.rows for batch in batches)
        cells = (now.record_id, now.event_time, str(now.version), f"{len(batches):,}", f"{total:,}", last)
        table.add_row(ink.text(told.group.name, "bold"), *map(ink.text, cells))
    console.print(table, highlight=False)


def render_group(told: Told, console: Console) -> None:
    """Print what is known of a group."""
    ink, group, batches, views = Ink(console), told.group, told.batches, told.views
    now = group.definition
    ink.line(ink.text(group.name, "bold"), f": feature group, record id {now.record_id}, event time {now.event_time}")
    ink.heading("Definition")
    for one in group.definitions:
        ink.bullet(_definition(one))
    for line in now.document.splitlines():
        ink.whole(line, indent=4)
    ink.heading("Columns")
    if not now.columns:
        ink.line("the first rows that are written decide them", indent=2)
    ink.facts([(name, ink.text(kind)) for name, kind in now.columns])
    ink.heading("1 batch" if len(batches) == 1 else f"{len(batches):,} batches")
    if batches:
        _batches(batches, ink)
    ink.heading(plural(len(views), "view"))
    for view in views:
        _view(view, ink)
    if told.hidden:
        ink.line(f"{plural(told.hidden, 'other')} that you may not see")


def _definition(one: Definition) -> str:
    return f"version {one.version}, {utc(one.recorded)}, by {one.by}"


def _batches(batches: Sequence[Batch], ink: Ink) -> None:
    table = ink.table("written", "rows", "event times", "from", "sha256")
    for batch in batches:
        cells = (
            utc(batch.written),
            f"{batch.rows:,}",
            f"{batch.first} to {batch.last}",
            batch.name,
            f"{batch.sha256[:12]}…",
        )
        table.add_row(*map(ink.text, cells))
    ink.console.print(table, highlight=False)


def _view(view: View, ink: Ink) -> None:
    every = ", all versions" if view.all_versions else ""
    ink.bullet(ink.text(f"as of {view.as_of}", "bold"), f", written up to {view.written}{every}")
    ink.line(f"{plural(view.rows, 'row')} {view.digest}", indent=4)
    if view.models:
        ink.line(f"models: {', '.join(view.models)}", indent=4)
    ink.line(f"used by {', '.join(f'run {run}' for run in view.runs) or 'no recorded run yet'}", indent=4)
