"""Rows of text with guide lines before them, wrapped at words so that the guides stay whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from rich.cells import cell_len, chop_cells
from rich.text import Text

from replay.report.ink import Ink

if TYPE_CHECKING:
    from rich.console import Console

Part = tuple[str, str]
"""Words and their style; two blanks stand between parts."""
_Word = tuple[int, str, str]
"""Blanks before it, the word, its style."""

TIED = "\u00a0"
"""A blank at which no line is broken."""
_AT_ONCE = 200
_LEAST = 24
"""Columns that a row has however deep it stands."""
_PLAIN = {"├─ ": "|- ", "└─ ": "`- ", "│  ": "|  ", "↑": "^", "↓": "v", "…": "...", "●": "*", "○": "o", "↳": ">",
          "→": "->"}  # fmt: skip


class Rows:
    """Writes rows to a console; use it as a context manager, since it gathers them."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._ink = Ink(console)
        self._width = None if console.soft_wrap else max(console.width, _LEAST)
        self._gathered: list[Text] = []
        self.deepest = max(4, (console.width - 2 * _LEAST) // 3)
        """Guides before a row beyond which it would be hard to read."""

    def __enter__(self) -> Rows:
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    @property
    def ascii(self) -> bool:
        """Whether the console can show nothing else."""
        return self._ink.ascii

    def add(self, parts: Iterable[Part], first: str = "", after: str = "") -> None:
        """One row: ``first`` stands before its first line, ``after`` before those that it is wrapped into."""
        first, after = self._plain(first), self._plain(after)
        words = [word for text, style in parts for word in self._words(text, style)]
        for number, line in enumerate(self._lines(words, len(first), len(after))):
            text = Text(after if number else first, end="")
            for place, (blanks, tied, style) in enumerate(line):
                word = tied.replace(TIED, " ")
                text.append(word if place == 0 else " " * blanks + word, style or None)
            self._gathered.append(text)
        if len(self._gathered) >= _AT_ONCE:
            self.flush()

    def space(self) -> None:
        """An empty line."""
        self._gathered.append(Text(""))

    def whole(self, text: str, first: str = "") -> None:
        """One line that is never wrapped, so that it can be copied."""
        self._gathered.append(Text(first + self._ink.text(text).plain))

    def flush(self) -> None:
        """Print what was gathered."""
        if self._gathered:
            self._console.print(Text("\n").join(self._gathered), soft_wrap=True, highlight=False)
            self._gathered = []

    def _plain(self, text: str) -> str:
        if self._ink.ascii:
            for sign, plain in _PLAIN.items():
                text = text.replace(sign, plain)
        return text

    def _words(self, text: str, style: str) -> Iterator[_Word]:
        for number, word in enumerate(self._ink.text(self._plain(text)).plain.split(" ")):
            yield (1 if number else 2, word, style)

    def _lines(self, words: list[_Word], first: int, after: int) -> Iterator[list[_Word]]:
        if self._width is None:
            yield words
            return
        line: list[_Word] = []
        left = max(self._width - first, _LEAST)
        room = max(self._width - after, _LEAST)
        for blanks, word, style in words:
            needed = cell_len(word) + (blanks if line else 0)
            if needed > left and line:
                yield line
                line, left, needed = [], room, cell_len(word)
            if needed > left:
                *pieces, word = chop_cells(word, min(left, room))
                yield from ([(0, piece, style)] for piece in pieces)
                left, needed = room, cell_len(word)
            line.append((blanks, word, style))
            left -= needed
        yield line
