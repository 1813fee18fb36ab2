"""How text gets into templates: escaped, cleaned, and short enough for its place."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from replay.report.clean import clean

if TYPE_CHECKING:
    import jinja2


@cache
def environment() -> jinja2.Environment:
    """The environment of all templates of the reports: what is printed in them is escaped and cleaned."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )


def _finalize(value: object) -> object:
    """Every expression of the template passes here: no hostile character reaches the page, nor does a bare ``None``."""
    if hasattr(value, "__html__"):
        return value
    return clean(str(value), lines=True) if value is not None else "unknown"


def elide(text: str, length: int) -> str:
    """``text`` in at most ``length`` characters, its middle replaced by an ellipsis."""
    shown = clean(text)
    if len(shown) <= length:
        return shown
    head = (length - 1) // 2
    return f"{shown[:head]}…{shown[len(shown) - (length - 1 - head) :]}"


def breakable(text: str) -> object:
    """``text``, escaped, with a place to break the line behind each separator of a path."""
    import markupsafe

    parts = re.split(r"(?<=[/_.:,=-])", clean(text))
    return markupsafe.Markup("<wbr>").join(parts)
