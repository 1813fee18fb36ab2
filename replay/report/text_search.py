"""What a search found, on a terminal."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from replay.report.ink import Ink
from replay.report.lineage.labels import short
from replay.report.words import Badge, plural, utc
from replay.search.expression import Value
from replay.search.request import LIMIT, Found, Hit

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_FOUND = Badge("✓", "[ok]", "found", "ok")
_NONE = Badge("·", "[-]", "found", "near")
_HIDDEN = Badge("✗", "[x]", "hidden", "bad")
_ODD = Badge("!", "[!]", "finding", "warn")
_NEXT = Badge("→", "->", "next", "near")
_DIGITS = 10
_MOST = 3
"""Values of one field in one cell."""


def render_found(found: Found, console: Console) -> None:
    """Print one line a hit, with the fields that the search names; what it says of itself comes last."""
    ink = Ink(console)
    if found.hits:
        fields = [name for name in found.hits[0].values if name != "name"]
        stores = any(hit.stores for hit in found.hits)
        table = ink.table("kind", "name", "id", *fields, *(["store"] if stores else []), "recorded")
        for column in table.columns:
            column.no_wrap = column.header in {"id", "kind"}
        for hit in found.hits:
            cells = [
                f"{hit.kind}/{hit.type}" if hit.type else str(hit.kind),
                _named(hit),
                short(hit.uid),
                *(_shown(hit.values[name]) for name in fields),
                *([", ".join(name or "here" for name in hit.stores)] if stores else []),
                utc(hit.created)[:19],
            ]
            table.add_row(*map(ink.text, cells))
        console.print(table, highlight=False)
    render_notes(found, console)


def render_notes(found: Found, console: Console) -> None:
    """Print how many hits there are, what is hidden or odd, and how to go on."""
    ink = Ink(console)
    shown = f"; {len(found.hits)} of them here" if len(found.hits) < found.total and found.hits else ""
    _line(ink, ink.badge(_FOUND if found.total else _NONE), f" {plural(found.total, 'hit')}{shown}")
    if found.hidden:
        them = plural(found.hidden, "further hit")
        _line(ink, ink.badge(_HIDDEN), f" {them}: not to be seen by who asks, itself or where its values come from")
    for finding in found.findings:
        _line(ink, ink.badge(_ODD), f" {finding}")
    if found.next:
        _line(ink, ink.badge(_NEXT), " the answer goes on with")
        ink.whole(command_of(found), indent=2)


def _line(ink: Ink, *parts: Text | str) -> None:
    """A line that a terminal wraps, and anything else gets whole."""
    ink.console.print(ink.join(*parts), highlight=False)


def command_of(found: Found) -> str:
    """The command line that asks for the next page."""
    search = found.search
    words = ["replay", "search", *([str(search.where)] if search.where is not None else [])]
    for kind in search.kinds:
        words += ["--kind", kind.value]
    if search.sort is not None:
        words += ["--sort", search.sort]
    if search.descending:
        words.append("--desc")
    if search.limit != LIMIT:
        words += ["--limit", str(search.limit)]
    return shlex.join([*words, "--cursor", found.next or ""])


def _named(hit: Hit) -> str:
    """The name; another one that the search may have meant is told too."""
    others = [str(name) for name in hit.values.get("name", ()) if name != hit.name]
    return " = ".join([hit.name, *others[:_MOST]])


def _shown(values: tuple[Value, ...]) -> str:
    told = [_short(value) for value in values[:_MOST]]
    return ", ".join([*told, *(["…"] if len(values) > _MOST else [])])


def _short(value: Value) -> str:
    """A value as a cell shows it; that a number has more digits is shown, JSON has them all."""
    text = str(value)
    return f"{value:.6g}…" if isinstance(value, float) and len(text) > _DIGITS else text
