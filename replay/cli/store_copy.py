"""``replay store copy``: a whole store to another place, proved equal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from replay.cli.common import printable, terminable, write_json
from replay.cli.options import verbosity as verbosity_options
from replay.cli.store_words import counted, plural, size

if TYPE_CHECKING:
    from replay.store.copying import Copied
    from replay.store.copying_files import Files
    from replay.store.places import Place


@click.command("copy")
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.option("--blobs", is_flag=True, help="Bring blobs and journal too, from one .replay folder to another.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@verbosity_options
def command(source: str, target: str, blobs: bool, as_json: bool, verbosity: int) -> int:
    """Copy a whole store; FROM and TO are .replay folders, SQLite files or postgresql://… addresses.

    Every row goes over with its numbers, in one transaction, so that chain, checkpoints and Merkle root are the same;
    all of that is computed anew from the rows of the copy before it is committed. TO is empty, or an older copy of the
    same store, which then gets what it lacks. Exits with 3 when FROM is damaged.
    """
    from replay.cli.progress import Patient, watching
    from replay.store import places

    origin, aim = places.find(source), places.aim(target)
    with terminable(), watching(verbosity) as progress:
        shown = progress if verbosity > 0 else Patient(progress)
        copied, files = places.copy(origin, aim, blobs=blobs, progress=shown)
    if as_json:
        import msgspec

        plain = msgspec.to_builtins(copied) | {"files": msgspec.to_builtins(files)}
        write_json(msgspec.json.encode({"schema_version": "replay.store.copy/1", **plain}))
    else:
        _tell(copied, files, origin)
    return 3 if files and files.damaged else 0


def _tell(copied: Copied, files: Files | None, origin: Place) -> None:
    new = copied.rows["transactions"]
    if new:
        click.echo(printable(f"✓ copied {copied.source} to {copied.target}"))
        click.echo(f"  {counted(copied.rows)}")
    else:
        click.echo(printable(f"✓ nothing to copy: {copied.target} holds all of {copied.source}"))
    if new != copied.size:
        click.echo(f"  {'both hold' if not new else 'it holds'} {counted(copied.totals)} now")
    click.echo(f"  store {copied.store}, computed from the copy's own rows and equal:")
    click.echo(f"  root {copied.size}:{copied.root}")
    if files is None:
        where = f"{origin.root}: " if origin.root else ""
        click.echo(printable(f"  blobs and journal were not copied ({where}--blobs does, between .replay folders)"))
        return
    click.echo(
        f"  {plural(files.linked, 'blob')} linked, {files.copied:,} copied, {files.already:,} there already "
        f"({size(files.bytes)}); the journal has {plural(files.lines, 'line')}"
    )
    for finding in files.damaged:
        click.echo(printable(f"✗ {finding.place}: {finding.problem}"))
