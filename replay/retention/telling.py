"""Costs, dividends and what is forgotten, on a terminal."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from replay.report.ink import Ink
from replay.report.words import duration, plural, size
from replay.retention.costing import Amount, Costs, ModelCost, Shared
from replay.retention.dividend import Dividend
from replay.retention.forgetting import Dropped, Forgetting
from replay.retention.in_use import USED_BY_DVC
from replay.retention.world import Kept, some

if TYPE_CHECKING:
    from rich.console import Console

PARTS = ("place", "model", "kind", "age", "shared")
_MOST, _LINES = 12, 40


def render_costs(found: Costs, console: Console, parts: Collection[str] = PARTS) -> None:
    """Print the bill, or some parts of it."""
    ink = Ink(console)
    if "place" in parts:
        _amounts(ink, "What is kept here", found.places)
    if "model" in parts:
        _models(ink, found)
    for name, title, amounts in (("kind", "By kind", found.kinds), ("age", "By newest record", found.ages)):
        if name in parts:
            _amounts(ink, title, amounts)
    if "shared" in parts:
        _shared(ink, found.shared)
    if "place" in parts and found.unclaimed.files:
        _amounts(ink, "Beside that", [found.unclaimed])
    for line in found.unknown:
        ink.bullet(f"not known: {line}")


def _models(ink: Ink, found: Costs) -> None:
    ink.heading("By model version")
    table = ink.table("model", "here", "shared", "frees", "not here", "class", "kept until")
    for one in found.models:
        away = f"{one.elsewhere} ({size(one.elsewhere_bytes)})" if one.elsewhere else "nothing"
        name = f"{one.model} (forgotten)" if one.forgotten else one.model
        cells = (name, size(one.bytes), size(one.shared), size(one.frees), away, ", ".join(one.classes), one.keep_until)
        table.add_row(*(ink.text(cell) for cell in cells))
    ink.console.print(table, highlight=False)
    if len(found.models) > 1:
        ink.line(f"  forgetting all of them would free {size(found.together)}")
    if any(one.elsewhere for one in found.models):
        ink.bullet("not known: what is not here may lie in a remote, which was not asked")
    for one in found.models:
        for why in _bounds(one):
            ink.bullet(f"{one.model}: {why}")


def _bounds(one: ModelCost) -> Sequence[str]:
    return (*one.refusals, *one.held)


def _amounts(ink: Ink, title: str, amounts: Sequence[Amount]) -> None:
    ink.heading(title)
    table = ink.table("what", "bytes", "files")
    for amount in amounts:
        files = f"{amount.files:,}" if amount.files else ""
        table.add_row(ink.text(amount.name), ink.text(size(amount.bytes)), ink.text(files))
    ink.console.print(table, highlight=False)


def _shared(ink: Ink, found: Sequence[Shared]) -> None:
    if not found:
        return
    ink.heading("Shared")
    table = ink.table("bytes", "files", "needed by", "what")
    for one in found[:_MOST]:
        by, what = some(one.by, 4, ", "), some(one.what, 3, ", ")
        table.add_row(ink.text(size(one.bytes)), ink.text(f"{one.files:,}"), ink.text(by), ink.text(what))
    ink.console.print(table, highlight=False)
    if len(found) > _MOST:
        ink.line(f"  and {plural(len(found) - _MOST, 'smaller group')}; --json has all of them")


def render_dividend(found: Dividend, console: Console) -> None:
    """Print what could be dropped because it can be made again, and at which cost."""
    ink = Ink(console)
    if found.recomputable:
        table = ink.table("model", "output", "frees", "to recompute", "proven by")
        for one in found.recomputable:
            took = "unknown" if one.seconds is None else duration(one.seconds)
            cells = (one.model, one.what, size(one.frees), f"{took} (step {one.step})", one.proof)
            table.add_row(*(ink.text(cell) for cell in cells))
        ink.console.print(table, highlight=False)
    unknown = f" and {plural(found.unknown_steps, 'step')} of unknown time" if found.unknown_steps else ""
    ink.line(
        f"{plural(len(found.recomputable), 'intermediate')} could be dropped: frees {size(found.frees)}; "
        f"making all of it again takes {duration(found.seconds)}{unknown}"
    )
    _kept(ink, "Not recomputable", found.kept)
    if found.recomputable:
        ink.line("`replay forget --recomputable` says what would be dropped, and with --yes drops it")


def render_forgetting(found: Forgetting, console: Console) -> None:
    """Print what was forgotten, or would be."""
    ink = Ink(console)
    for line in found.finished:
        ink.bullet(f"deleted what an interrupted forgetting had left: {line}")
    word = "dropped" if found.really else "would be dropped"
    names = some(found.models, 6, ", ") or "nothing can be recomputed"
    ink.line(ink.text(names, "bold"), f": {plural(len(found.dropped), 'thing')} {word}, frees {size(found.frees)}")
    if found.dropped:
        table = ink.table("what", "kind", "bytes", "files", "from")
        for one in (one for one in found.dropped if one.files or one.kind != "log"):  # most logs are empty and shared
            places = ", ".join(one.places) or _nowhere(one, found)
            table.add_row(*map(ink.text, (one.what, one.kind, size(one.bytes), f"{one.files:,}", places)))
        ink.console.print(table, highlight=False)
    _kept(ink, "Kept", found.kept)
    if any(kept.why.endswith(USED_BY_DVC) for kept in found.kept):
        ink.line("  What only DVC still uses goes too with --dvc-cache all.")
    _left(ink, found)
    after = "A replay makes it again" if found.recomputable else "It cannot be undone"
    if not found.really and found.models:
        ink.line(f"Nothing was changed; add --yes to do it. {after}.")
    elif found.action:
        ink.line(f"Digests, edges and the tombstone stay, as {found.action}")


def _left(ink: Ink, found: Forgetting) -> None:
    if found.still:
        ink.heading("Still at")
    copies: dict[str, list[str]] = {}
    for still in found.still:
        copies.setdefault(still.where, []).append(still.what)
    for where, what in copies.items():
        ink.bullet(f"{where}: {some(what, 6, ', ')}")
    for line in found.unknown:
        ink.bullet(f"not known: {line}")


def _nowhere(one: Dropped, found: Forgetting) -> str:
    return "nothing here goes" if any(kept.what.startswith(one.what) for kept in found.kept) else "nothing was here"


def _kept(ink: Ink, title: str, found: Sequence[Kept]) -> None:
    if found:
        ink.heading(title)
    for one in found[:_LINES]:
        amount = f" ({size(one.bytes)})" if one.bytes else ""
        ink.bullet(f"{one.what}{amount}: {one.why}")
    if len(found) > _LINES:
        ink.line(f"  and {len(found) - _LINES} more; --json has all of them")
