"""``replay impact``: which models, approvals and deployments does this touch?"""

from __future__ import annotations

from pathlib import Path

import click

from replay.cli.common import console, write_json
from replay.cli.options import overrides


@click.command("impact")
@click.argument("what", metavar="ID|FILE|COMMIT|IMAGE|DATASET…", nargs=-1, required=True)
@click.option("--as-of", metavar="TIME", help="As it was recorded at TIME (ISO 8601).")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@overrides
def command(what: tuple[str, ...], as_of: str | None, as_json: bool, overrides: tuple[str, ...]) -> int:
    """Tell what a dataset, a commit, an image or anything else touches: all models that stand on it, worst first.

    Of each: what was decided about it, where it runs and ran, who owns it, how its last replay ended. Exits with 0 when
    the report is complete, else with 1.
    """
    from replay.cli.deciding import node_of
    from replay.impact import impact
    from replay.progress import Silent
    from replay.session import Session

    with Session.open(Path.cwd(), overrides=overrides, progress=Silent(), create=False) as session:
        ground = session.ground
        found = impact([node_of(text, session, ground) for text in what], ground, as_of=as_of)
    if as_json:
        import msgspec

        write_json(msgspec.json.encode(found))
    else:
        from replay.impact.text import render_impact

        render_impact(found, console())
    return 0 if found.complete else 1
