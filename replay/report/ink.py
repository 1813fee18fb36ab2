"""A thin pen over rich: every piece of text is cleaned and never read as markup; states are a symbol and a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.text import Text

from replay.report.clean import clean
from replay.report.words import STYLES, Badge

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table


class Ink:
    """Writes cleaned text to one console; falls back to ASCII where the console's encoding needs it."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.ascii = console.options.ascii_only

    def text(self, value: object, style: str = "") -> Text:
        """One cleaned line of ``value``; ``[bold]`` or an escape sequence in it shows as itself."""
        return Text(clean(str(value), ascii_only=self.ascii), style=style)

    def badge(self, badge: Badge) -> Text:
        """Symbol and word, coloured as well where colour is wanted."""
        return Text(f"{badge.plain if self.ascii else badge.symbol} {badge.word}", style=STYLES[badge.tone])

    def line(self, *parts: Text | str, indent: int = 0) -> None:
        """Print one line of text, wrapped at words by the console's width."""
        self.console.print(Padding(self.join(*parts), (0, 0, 0, indent), expand=False), highlight=False)

    def join(self, *parts: Text | str) -> Text:
        """The parts as one text; strings are cleaned."""
        return Text("").join(part if isinstance(part, Text) else self.text(part) for part in parts)

    def whole(self, value: object, style: str = "", indent: int = 0) -> None:
        """Print one line that is never wrapped, so that a path or a command can be copied."""
        line = self.join(" " * indent, self.text(value, style))
        self.console.print(line, soft_wrap=True, highlight=False, crop=False, overflow="ignore")

    def heading(self, title: str) -> None:
        """Print an empty line and a title."""
        self.console.print()
        self.console.print(self.text(title, "bold underline"), highlight=False)

    def bullet(self, *parts: Text | str, badge: Badge | None = None) -> None:
        """Print one point of a list, its wrapped lines indented."""
        table = self.grid()
        mark = self.badge(badge) if badge else self.text("-" if self.ascii else "•")
        table.add_row(mark, self.join(*parts))
        self.console.print(Padding(table, (0, 0, 0, 2), expand=False), highlight=False)

    def facts(self, rows: list[tuple[str, RenderableType]]) -> None:
        """Print labels with their values in two columns."""
        table = self.grid()
        for label, value in rows:
            table.add_row(self.text(label, "bold"), value if not isinstance(value, str) else self.text(value))
        self.console.print(Padding(table, (0, 0, 0, 2), expand=False), highlight=False)

    @staticmethod
    def grid() -> Table:
        """A table without lines: a narrow first column, the rest for the second, folded rather than cut."""
        from rich.table import Table

        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        return table

    @staticmethod
    def table(*columns: str, fold: str = "") -> Table:
        """A table with a header line; the column called ``fold`` breaks anywhere, the others at words."""
        from rich import box
        from rich.table import Table

        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold", no_wrap=column in {"match", "step", "available"})
        return table
