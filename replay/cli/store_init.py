"""``replay store init``: make a store, or join one."""

from __future__ import annotations

from pathlib import Path

import click

from replay.cli.common import printable, write_json
from replay.cli.options import overrides as setting_overrides


@click.command("init")
@click.argument("url", required=False)
@click.option("--embedded", is_flag=True, help="Have the lineage in .replay again, after it was in PostgreSQL.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@setting_overrides
def command(url: str | None, embedded: bool, as_json: bool, overrides: tuple[str, ...]) -> int:
    """Make this repository's store: an SQLite file in .replay, or tables in the PostgreSQL database at URL.

    With a URL, .replay names that database from then on. What is there already is left as it is, and told. The password
    comes from PGPASSWORD, ~/.pgpass or a service file (postgresql:///?service=NAME), never from the URL.
    """
    from replay.config import load
    from replay.session import store_root
    from replay.store import making

    if url is not None and embedded:
        raise click.UsageError("expected URL or --embedded, and not both")
    root, chosen = store_root(Path.cwd()), load(overrides).store.url
    address = url if url is not None else chosen
    if embedded:
        made = making.come_back(root)
    elif address is not None:
        made = making.init_server(root, address, point=url is not None)
    else:
        made = making.init_file(root)
    if as_json:
        import msgspec

        write_json(msgspec.json.encode({"schema_version": "replay.store.init/1", **msgspec.to_builtins(made)}))
    else:
        _tell(made.place, made.store, made.transactions, made=made.made)
        if made.pointed:
            click.echo(printable(f"  {root} has its lineage there from now on"))
    if url is not None and chosen not in {None, url}:
        click.echo("! store.url in conf/ names another database, and goes before what .replay says", err=True)
    return 0


def _tell(place: str, store: str, transactions: int, *, made: bool) -> None:
    click.echo(printable(f"✓ {'made' if made else 'there already'}: {place}"))
    click.echo(f"  store {store}, {transactions:,} transactions")
