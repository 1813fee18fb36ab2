"""A lineage answer as a table: one line a node, nearest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from replay.query import Answer, Entry
from replay.report.ink import Ink
from replay.report.lineage.labels import fit, question, short, title
from replay.report.lineage.rows import Rows
from replay.report.lineage.tree import write_notes
from replay.report.words import utc

if TYPE_CHECKING:
    from rich.console import Console

_COLUMNS = ("depth", "kind", "type", "name", "id", "recorded", "status")
_TYPE, _NAME = _COLUMNS.index("type"), _COLUMNS.index("name")
_OPTIONAL = ("type", "status")
"""Columns that a terminal need not show when they are empty."""
_LEAST = 16
_NARROW = 100
_AT_ONCE = 500


def render_table(answer: Answer, console: Console) -> None:
    """Print the start and what was found, one line a node; all recorded text is cleaned.

    A terminal gets names that fit into its width, and no empty columns; anything else gets everything.
    """
    ink = Ink(console)
    uids = [*(uid for uid in dict.fromkeys(answer.query.start) if uid in answer.nodes), *answer.found]
    narrow = not console.soft_wrap and console.width < _NARROW
    cells = [_cells(answer.nodes[uid], ink, narrow=narrow) for uid in uids]
    shown = [
        number
        for number, name in enumerate(_COLUMNS)
        if console.soft_wrap or name not in _OPTIONAL or any(row[number] for row in cells)
    ]
    widths = {number: max(map(cell_len, (_COLUMNS[number], *(row[number] for row in cells)))) for number in shown}
    if not console.soft_wrap:
        if _TYPE in widths:
            widths[_TYPE] = min(widths[_TYPE], 2 * _LEAST)
        others = sum(widths.values()) - widths[_NAME] + 2 * (len(shown) - 1)
        widths[_NAME] = min(widths[_NAME], max(_LEAST, console.width - others))
    with Rows(console) as rows:
        rows.add([(question(answer), "bold underline")])
        rows.space()
    _print([_line(_COLUMNS, widths)], console, "bold")
    for start in range(0, len(cells), _AT_ONCE):
        _print([_line(row, widths) for row in cells[start : start + _AT_ONCE]], console)
    with Rows(console) as rows:
        rows.space()
        write_notes(answer, rows)


def _cells(entry: Entry, ink: Ink, *, narrow: bool) -> tuple[str, ...]:
    uid, time = short(entry.uid), utc(entry.created)[:19]
    if narrow:  # the kind tells what the id is of
        uid, time = uid.partition(":")[2][:14], time[:10]
    told = (str(entry.depth), entry.kind, entry.type, title(entry), uid, time, str(entry.facets.get("status", "")))
    return tuple(ink.text(cell).plain for cell in told)


def _line(cells: tuple[str, ...], widths: dict[int, int]) -> str:
    return "  ".join(set_cell_size(fit(cells[number], width), width) for number, width in widths.items()).rstrip()


def _print(lines: list[str], console: Console, style: str = "") -> None:
    console.print(Text("\n".join(lines), style=style), soft_wrap=True, highlight=False)
