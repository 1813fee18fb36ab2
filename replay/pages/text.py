"""The page of a node on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from replay.flatten import flatten, leaf
from replay.outcome import Verdict
from replay.pages.page import Near, Page, Side
from replay.pages.text_plans import render_plans
from replay.registry.standing import Deployment, Standing
from replay.report.ink import Ink
from replay.report.words import STATUSES, VERDICTS, plural, utc

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

MAX_ROWS = 30
MAX_NAMES = 12
_CUT = 200
_PLURAL = ("code", "metrics")
"""Kinds without another plural."""


def render_page(page: Page, console: Console, *, brief: bool = False) -> None:
    """Print everything that is known about a node; ``brief`` leaves out what a recipe on the same screen tells."""
    ink = Ink(console)
    what = page.kind.replace("_", " ") + (f", {page.type}" if page.type else "")
    ink.line(ink.text(page.name or page.uid, "bold"), f"  {what}")
    ink.facts(list(_about(ink, page)))
    if page.standing:
        _standing(ink, page.standing)
    if page.deployment:
        _deployments(ink, (page.deployment,))
    _nodes(ink, "Model versions", page.models)
    _nodes(ink, "Versions", () if page.plan_versions else page.versions)
    if page.plan_versions:
        render_plans(ink, page.plan_versions, page.uid)
    if not brief and page.kind not in {"plan", "model_version"}:
        _attributes(ink, page)
    _history(ink, page)
    if not brief:
        _ties(ink, page)
    _side(ink, "Upstream, what it stands on", page.up)
    _side(ink, "Downstream, what stands on it", page.down)


def _about(ink: Ink, page: Page) -> Iterable[tuple[str, str]]:
    yield "id", page.uid
    if page.uid.startswith("id:"):
        yield "identity", ", ".join(f"{key} = {value}" for key, value in page.identity.items())
    how = f", {page.evidence} by {page.basis}" if page.basis else ""
    yield "recorded", utc(page.recorded) + how
    if page.stores:
        yield "stores", ", ".join(name or "this one" for name in page.stores)
    yield from ((f"{plan.type} plan", f"{plan.name} ({plan.uid})") for plan in page.plans)
    held = {key: value for key, value in page.facets.items() if page.standing is None or key not in _TOLD}
    yield from ((key, leaf(value)) for key, value in held.items())


_TOLD = ("status", "stage", "owner")


def _standing(ink: Ink, one: Standing) -> None:
    ink.heading("Decision")
    status = one.status.value if one.status else "undecided"
    head = ink.badge(STATUSES[status]) if status in STATUSES else ink.text(status)
    if one.status and one.status.by:
        head.append_text(ink.text(f" by {one.status.by}, {utc(one.status.when)}"))
    rows: list[tuple[str, Text | str]] = [("status", head)]
    rows += [("reason", one.status.why)] if one.status and one.status.why else []
    rows += [("stage", one.stage.value)] if one.stage else []
    rows.append(("owner", one.owner + (" (recorded it)" if one.ownership == "recorded" else "") or "unknown"))
    rows += [("aliases", ", ".join(one.aliases))] if one.aliases else []
    rows += [("experiments", ", ".join(one.experiments))] if one.experiments else []
    ink.facts([(label, value) for label, value in rows])
    _deployments(ink, one.deployments)
    ink.heading("Replays")
    if not one.replays:
        ink.line("never replayed", indent=2)
    for replay in one.replays[:MAX_ROWS]:
        known = replay.verdict in set(Verdict)
        badge = ink.badge(VERDICTS[Verdict(replay.verdict)]) if known else ink.text(replay.verdict)
        ink.bullet(badge, f"  {utc(replay.when)} by {replay.by or 'unknown'}, {replay.replay}")
    _more(ink, len(one.replays) - MAX_ROWS)


def _deployments(ink: Ink, found: Sequence[Deployment]) -> None:
    ink.heading("Deployments")
    if not found:
        ink.line("never deployed", indent=2)
    for one in found[:MAX_ROWS]:
        words = [f"since {utc(one.since)}", f"by {one.by or 'unknown'}"]
        words += [f"until {utc(one.until)}"] if one.until else []
        words += ["although it was rejected"] if one.forced else ["approved"] if one.approved else ["not approved"]
        ink.bullet(ink.text(one.to, "bold"), f"  {'now' if one.current else 'no longer'}: {', '.join(words)}")
    _more(ink, len(found) - MAX_ROWS)


def _attributes(ink: Ink, page: Page) -> None:
    leaves = flatten(page.attrs)
    if not page.attrs:
        return
    ink.heading("Attributes")
    if leaves is None:
        ink.line("too many to be told here; --json has them", indent=2)
        return
    shown = list(leaves.items())[:MAX_ROWS]
    ink.facts([(key, value if len(value) <= _CUT else f"{value[:_CUT]}…") for key, value in shown])
    _more(ink, len(leaves) - len(shown))


def _history(ink: Ink, page: Page) -> None:
    if not page.history:
        return
    ink.heading("What was said of it")
    table = ink.table("when", "by", "what", "why")
    for one in page.history[-MAX_ROWS:]:
        what = f"{one.key} = {leaf(one.value)}" if one.value is not None else f"{one.key} taken back"
        table.add_row(
            ink.text(utc(one.when)), ink.text(one.by), ink.text(what, "bold" if one.holds else ""), ink.text(one.why)
        )
    ink.console.print(table, highlight=False)
    _more(ink, len(page.history) - MAX_ROWS, "earlier")


def _ties(ink: Ink, page: Page) -> None:
    for way, title in (("up", "Directly upstream"), ("down", "Directly downstream")):
        ties = [tie for tie in page.ties if tie.direction == way]
        if ties:
            ink.heading(title)
        for tie in ties[:MAX_ROWS]:
            role = f" ({tie.role})" if tie.role else ""
            ink.bullet(
                f"{tie.type.replace('_', ' ')}{role}: ", ink.text(_name(tie.node), "bold"), f"  {_kind(tie.node)}"
            )
        _more(ink, len(ties) - MAX_ROWS)


def _nodes(ink: Ink, title: str, nodes: Sequence[Near]) -> None:
    if not nodes:
        return
    ink.heading(title)
    for node in nodes[:MAX_ROWS]:
        ink.bullet(ink.text(_name(node), "bold"), f"  {_kind(node)}, {node.uid}")
    _more(ink, len(nodes) - MAX_ROWS)


def _side(ink: Ink, title: str, side: Side) -> None:
    ink.heading(title)
    if not side.counts:
        ink.line("nothing", indent=2)
    rows = []
    for kind, count in side.counts.items():
        names = list(dict.fromkeys(_name(node) for node in side.nodes if node.kind == kind))
        more = f" and {len(names) - MAX_NAMES:,} more" if len(names) > MAX_NAMES else ""
        rows.append((_counted(count, kind), ", ".join(names[:MAX_NAMES]) + more))
    ink.facts(list(rows))
    if side.same_bytes:
        ink.line(f"({plural(side.same_bytes, 'node')} more, only because others made some of the same bytes)", indent=2)
    if side.hidden:
        ink.line(f"! {plural(side.hidden, 'node')} more may not be seen", indent=2)
    for finding in side.findings:
        ink.line(f"! {finding}", indent=2)
    if side.unresolved:
        ink.line(f"! {plural(len(side.unresolved), 'name')} used without saying which version was meant", indent=2)


def _counted(count: int, kind: str) -> str:
    return f"{count:,} {kind}" if kind in _PLURAL else plural(count, kind.replace("_", " "))


def _name(node: Near) -> str:
    return node.name or node.uid


def _kind(node: Near) -> str:
    return (node.type or node.kind).replace("_", " ")


def _more(ink: Ink, count: int, word: str = "more") -> None:
    if count > 0:
        ink.line(f"and {count:,} {word}; --json has all", indent=2)
