"""``replay costs``: what is kept, for whom, and what deleting would free."""

from __future__ import annotations

from pathlib import Path

import click

from replay.cli.common import console, write_json
from replay.cli.options import overrides

_PARTS = ("place", "model", "kind", "age", "shared")


@click.command("costs")
@click.argument("models", metavar="[MODEL-ID]…", nargs=-1)
@click.option("--by", "parts", type=click.Choice(_PARTS), multiple=True, help="Show this part only (may be repeated).")
@click.option("--dividend", is_flag=True, help="What could be dropped because it can be recomputed, and at which cost.")
@click.option(
    "--dvc-cache",
    "dvc",
    type=click.Choice(["unused", "all", "none"]),
    default="unused",
    show_default=True,
    help="Which objects of DVC's cache deleting would take: those that no checkout or branch names, all, or none.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@overrides
def command(
    models: tuple[str, ...], parts: tuple[str, ...], dividend: bool, dvc: str, as_json: bool, overrides: tuple[str, ...]
) -> int:
    """Say what is kept: bytes by place, model version, kind and age, what is shared, and what deleting would free.

    With MODEL-IDs only these get a line. Nothing is changed, and no remote is asked.
    """
    import msgspec

    from replay.errors import UsageError
    from replay.progress import Silent
    from replay.session import Session

    if dividend and parts:
        raise UsageError("got --dividend and --by, expected one of them")
    with Session.open(Path.cwd(), overrides=overrides, progress=Silent(), create=False) as session:
        if dividend:
            from replay.retention.recomputable import dividend_of
            from replay.retention.telling import render_dividend

            gain = dividend_of(models, session, dvc=dvc)
            write_json(msgspec.json.encode(gain)) if as_json else render_dividend(gain, console())
            return 0
        from replay.retention.bill import bill
        from replay.retention.telling import PARTS, render_costs

        found = bill(models, session, dvc=dvc)
    write_json(msgspec.json.encode(found)) if as_json else render_costs(found, console(), parts or PARTS)
    return 0
