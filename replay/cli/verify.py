"""``replay verify``: is the record itself intact?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from replay.cli.common import printable, write_json
from replay.cli.options import overrides as setting_overrides
from replay.cli.options import verbosity as verbosity_options
from replay.cli.store_words import counted, plural

if TYPE_CHECKING:
    from replay.store.audit import Audit


@click.command("verify")
@click.option(
    "--root",
    "roots",
    metavar="SIZE:HEX",
    multiple=True,
    help="A Merkle root kept elsewhere, as an earlier `replay verify` told it: nothing before it may have changed.",
)
@click.option("--json", "as_json", is_flag=True, help="Write the findings as JSON.")
@verbosity_options
@setting_overrides
def command(roots: tuple[str, ...], as_json: bool, verbosity: int, overrides: tuple[str, ...]) -> int:
    """Recompute every digest, the journal's chain and the graph's identities; name each bad object and go on.

    Says how much was checked and the Merkle root that came out: whoever keeps that line elsewhere can give it to --root
    later. Exits with 0 when the record is intact and every root fits, else with 3.
    """
    from replay.cli.progress import watching
    from replay.progress import Silent
    from replay.session import Session
    from replay.store.audit import Kept, audit, is_large

    kept = [Kept.parse(text) for text in roots]
    with (
        Session.open(Path.cwd(), overrides=overrides, progress=Silent(), create=False) as session,
        watching(verbosity if verbosity or is_large(session.store) else -1) as progress,
    ):
        done = audit(session.store, kept=kept, progress=progress)
    if as_json:
        import msgspec

        write_json(msgspec.json.encode({"schema_version": "replay.verify/1", **msgspec.to_builtins(done)}))
    else:
        _tell(done, len(kept))
    return 3 if done.findings else 0


def _tell(done: Audit, kept: int) -> None:
    for finding in done.findings:
        click.echo(printable(f"✗ {finding.place}: {finding.problem}"))
    lines = done.checked.pop("journal", 0)
    click.echo(f"checked {counted(done.checked)}, {plural(lines, 'line')} of the journal")
    click.echo(f"root {done.size}:{done.root}")
    if done.findings:
        click.echo(plural(len(done.findings), "finding"))
        return
    if kept:
        click.echo(f"✓ {plural(kept, 'root')} kept elsewhere {'fits' if kept == 1 else 'fit'}")
    click.echo("✓ the record is intact")
