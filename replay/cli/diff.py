"""``replay diff A B``: what changed between two recipes, and what came of it."""

from __future__ import annotations

from pathlib import Path

import click

from replay.cli.common import console, write_json
from replay.cli.options import overrides as setting_overrides


@click.command("diff")
@click.argument("a")
@click.argument("b")
@click.option("--json", "as_json", is_flag=True, help="Write the differences as JSON.")
@setting_overrides
def command(a: str, b: str, as_json: bool, overrides: tuple[str, ...]) -> int:
    """Compare two model versions or recipe files: code, data, config, environment, seeds; then outputs and metrics.

    Exits like diff(1): 0 when the recipes say the same, 1 when they differ, 2 and more for trouble.
    """
    from replay import inspecting
    from replay.progress import Silent
    from replay.session import Session

    with Session.open(Path.cwd(), overrides=overrides, progress=Silent(), create=False) as session:
        one, other = (inspecting.recipe_or_file(text, session) for text in (a, b))
        found = inspecting.diff(one, other, session)
    if as_json:
        from replay.diff.machine import to_json

        write_json(to_json(found))
    else:
        from replay.diff.text import render_diff

        render_diff(found, console())
    return 0 if found.is_empty else 1
