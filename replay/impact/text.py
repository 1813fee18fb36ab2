"""The report on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replay.impact.report import Impact, status_of
from replay.outcome import Verdict
from replay.registry.standing import Standing
from replay.report.ink import Ink
from replay.report.words import STATUSES, STYLES, VERDICTS, plural, utc

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_OWNERSHIP = {"recorded": " (recorded it; nobody is named as owner)", "model": " (of the model)"}
_SHOWN = 5
_NAMED = 12


def render_impact(impact: Impact, console: Console) -> None:
    """Print the counts, then every model version, worst first, then what is missing."""
    ink = Ink(console)
    ink.line(ink.text(impact.headline, "bold"))
    for subject in impact.start:
        what = subject.type or subject.kind.replace("_", " ")
        ink.line(f"downstream of the {what} {subject.name or subject.uid} ({subject.uid})", indent=2)
    if impact.as_of:
        ink.line(f"as it was recorded at {utc(impact.as_of)}", indent=2)
    if impact.models:
        _models(ink, impact)
    for deployment in impact.other_deployments:
        now = "runs" if deployment.current else "ran"
        ink.bullet(f"something else that stands on it {now} at {deployment.to} (since {utc(deployment.since)})")
    touched = [_counted(count, kind) for kind, count in impact.touched.items()]
    console.print()
    ink.line(f"Everything that stands on it: {', '.join(touched) or 'nothing'}.")
    if impact.same_bytes:
        names = ", ".join(one.name or one.uid for one in impact.same_bytes[:_NAMED])
        more = f" and {len(impact.same_bytes) - _NAMED:,} more" if len(impact.same_bytes) > _NAMED else ""
        ink.line(f"Not touched, for they made some of the same bytes by themselves: {names}{more}.")
    _missing(ink, impact)


def _counted(count: int, kind: str) -> str:
    return f"{count:,} {kind}" if kind in {"code", "metrics"} else plural(count, kind.replace("_", " "))


def _models(ink: Ink, impact: Impact) -> None:
    table = ink.table("model version", "decided", "deployed", "owner", "last replay")
    for one in impact.models:
        table.add_row(_name(ink, one), _status(ink, one), _deployed(ink, one), _owner(ink, one), _replay(ink, one))
    ink.console.print(table, highlight=False)


def _name(ink: Ink, one: Standing) -> Text:
    lines = [" ".join(f"@{alias}" for alias in one.aliases), *one.experiments]
    return _stacked(ink, ink.text(one.model_id, "bold"), lines)


def _status(ink: Ink, one: Standing) -> Text:
    status = status_of(one)
    head = ink.badge(STATUSES[status]) if status in STATUSES else ink.text(status)
    by = f"by {one.status.by}, {utc(one.status.when)}" if one.status and one.status.by else ""
    why = f'"{one.status.why}"' if one.status and one.status.why else ""
    return _stacked(ink, head, [by, why, f"stage {one.stage.value}" if one.stage else ""])


def _deployed(ink: Ink, one: Standing) -> Text:
    tone = {"approved": "ok", "rejected": "bad"}.get(status_of(one), "warn")
    head = ", ".join(dict.fromkeys(deployment.to for deployment in one.running))
    lines = [f"since {utc(deployment.since)} by {deployment.by}" for deployment in one.running]
    past = [d for d in one.deployments if not d.current]
    lines += [f"{d.to} until {utc(d.until)}" for d in past[:_SHOWN]]
    lines += [f"and {len(past) - _SHOWN:,} earlier times"] if len(past) > _SHOWN else []
    return _stacked(ink, ink.text(head, STYLES[tone]) if head else ink.text("nowhere now" if past else "never"), lines)


def _owner(ink: Ink, one: Standing) -> Text:
    return ink.text(f"{one.owner}{_OWNERSHIP.get(one.ownership, '')}" if one.owner else "unknown")


def _replay(ink: Ink, one: Standing) -> Text:
    if not one.replays:
        return ink.text("never replayed")
    last, known = one.replays[0], set(Verdict)
    head = ink.badge(VERDICTS[Verdict(last.verdict)]) if last.verdict in known else ink.text(last.verdict)
    return _stacked(ink, head, [f"by {last.by or 'unknown'}, {utc(last.when)}"])


def _stacked(ink: Ink, head: Text, lines: list[str]) -> Text:
    for line in filter(None, lines):
        head.append("\n").append(ink.text(line))
    return head


def _missing(ink: Ink, impact: Impact) -> None:
    if impact.complete and not impact.unresolved:
        ink.line("This is complete: nothing that is recorded was left out.")
    for finding in impact.findings:
        ink.line(f"! {finding}")
    if impact.hidden:
        ink.line(f"! not complete: {plural(impact.hidden, 'node')} downstream may not be seen")
    if others := [word for word in impact.truncated_by if word != "access"]:
        ink.line(f"! not complete: cut off by {', '.join(others)}")
    if impact.unresolved:
        count = plural(len(impact.unresolved), "name")
        ink.line(f"! {count} was used without saying which version: what stood on another version may be told too")
