"""``replay models``: what is recorded here."""

from __future__ import annotations

from pathlib import Path

import click

from replay.cli.common import console, write_json
from replay.cli.options import overrides as setting_overrides


@click.command("models")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@setting_overrides
def command(as_json: bool, overrides: tuple[str, ...]) -> int:
    """List the recorded model versions: what was decided about them, where they run, how their last replay ended."""
    import msgspec

    from replay.progress import Silent
    from replay.registry.listing import models
    from replay.session import Session

    with Session.open(Path.cwd(), overrides=overrides, progress=Silent(), create=False) as session:
        rows = models(session.store, session.ground)
    if as_json:
        write_json(msgspec.json.encode({"schema_version": "replay.models/1", "models": rows}))
    else:
        from replay.report.text_recipe import render_models

        render_models(rows, console())
    return 0
