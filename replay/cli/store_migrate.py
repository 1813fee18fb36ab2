"""``replay store migrate``: bring what an older release made up to date."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from replay.cli.common import printable, terminable, write_json
from replay.cli.options import overrides as setting_overrides
from replay.cli.options import verbosity as verbosity_options

if TYPE_CHECKING:
    from replay.store.upgrading import Upgraded


@click.command("migrate")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@verbosity_options
@setting_overrides
def command(dry_run: bool, as_json: bool, verbosity: int, overrides: tuple[str, ...]) -> int:
    """Bring the store's tables up to date, in one transaction.

    The file of release 0.1 is checked against the journal first, written anew beside, compared row by row, and kept as
    lineage.v1.db; a migration that is killed leaves it in its place.
    """
    from replay.cli.progress import watching
    from replay.config import load
    from replay.session import store_root
    from replay.store.upgrading import upgrade

    url = load(overrides).store.url
    with terminable(), watching(verbosity) as progress:
        done = upgrade(store_root(Path.cwd()), url, dry_run=dry_run, progress=progress)
    if as_json:
        import msgspec

        write_json(msgspec.json.encode({"schema_version": "replay.store.migrate/1", **msgspec.to_builtins(done)}))
    else:
        _tell(done)
    return 0


def _tell(done: Upgraded) -> None:
    if done.needed:
        click.echo(printable(f"{done.place}: would be brought from {done.found} to revision {done.revision}"))
    elif done.changed:
        click.echo(printable(f"✓ {done.place}: brought from {done.found} to revision {done.revision}"))
    else:
        click.echo(printable(f"✓ {done.place}: is of revision {done.revision} already"))
    if done.rows:
        from replay.cli.store_words import counted

        click.echo(f"  {counted(done.rows)}")
    if done.kept:
        click.echo(printable(f"  the old file is kept: {done.kept}, sha256 {done.sha256}"))
    for note in done.notes:
        click.echo(printable(f"  {note}"))
