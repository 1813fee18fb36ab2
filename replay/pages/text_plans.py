"""The versions of a plan on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from replay.plans import PlanChange, PlanVersion
from replay.report.ink import Ink
from replay.report.words import command_text, plural, utc

_CUT = 200
_SHOWN = 5


def render_plans(ink: Ink, versions: Sequence[PlanVersion], focal: str) -> None:
    """Print the versions in order with what changed from one to the next, and the definition of the one asked about."""
    ink.heading("Versions, in the order of their first execution")
    for number, version in enumerate(versions, start=1):
        mark = "  (this one)" if version.uid == focal else ""
        ink.bullet(ink.text(f"{number}", "bold"), f"  {version.uid}{mark}")
        ink.line(_followed(version), indent=6)
        for change in version.changes:
            ink.line(_change(ink, change), indent=6)
    asked = next((version for version in versions if version.uid == focal), versions[-1] if versions else None)
    if asked is not None and asked.type == "pipeline":
        _definition(ink, asked, newest=asked.uid != focal)


def _followed(version: PlanVersion) -> str:
    if not version.executions:
        return "never executed"
    models = ", ".join(version.models[:_SHOWN])
    more = f" and {len(version.models) - _SHOWN:,} more" if len(version.models) > _SHOWN else ""
    made = f": {models}{more}" if models else ""
    count = plural(version.executions, "execution")
    return f"first executed {utc(version.first)} ({version.first_execution}), {count}{made}"


def _change(ink: Ink, change: PlanChange) -> str:
    where = f"{change.step}: " if change.step else ""
    if change.before is None:
        return f"{where}{change.what} added: {_cut(change.after)}"
    if change.after is None:
        return f"{where}{change.what} removed: {_cut(change.before)}"
    return f"{where}{change.what} {_cut(change.before)} {'->' if ink.ascii else '→'} {_cut(change.after)}"


def _cut(text: str | None) -> str:
    text = text or ""
    return text if len(text) <= _CUT else f"{text[:_CUT]}…"


def _definition(ink: Ink, version: PlanVersion, *, newest: bool) -> None:
    ink.heading("Definition" + (" (newest version)" if newest else ""))
    ink.facts([("model", str(version.definition.get("model", "unknown")))])
    for step in version.definition.get("steps", ()):
        ink.bullet(ink.text(step.get("name", ""), "bold"))
        for line in command_text([str(word) for word in step.get("command", ())]).split("\n"):
            ink.whole(line, indent=6)
        rows = [(key, ", ".join(map(str, step.get(key, ())))) for key in ("inputs", "parameters")]
        rows.append(("outputs", ", ".join(str(output.get("path", "")) for output in step.get("outputs", ()))))
        ink.facts([(key, value) for key, value in rows if value])
