"""``replay verify``: is the record itself intact?"""

from __future__ import annotations

from pathlib import Path

import click

from replay.cli.common import printable, write_json
from replay.errors import UsageError


@click.command("verify")
@click.option("--json", "as_json", is_flag=True, help="Write the findings as JSON.")
def command(as_json: bool) -> int:
    """Recompute every digest, the journal's chain and the graph's identities; name each bad object and go on.

    Exits with 0 when the record is intact, else with 3.
    """
    import msgspec

    from replay.store.database import Store
    from replay.store.verify import verify_store

    root = Store.find(Path.cwd())
    if root is None:
        raise UsageError(f"no .replay store in {Path.cwd()} or above", hint="`replay record` makes one")
    with Store.open(root) as store:
        findings = verify_store(store)
    if as_json:
        write_json(msgspec.json.encode({"schema_version": "replay.verify/1", "findings": findings}))
    else:
        for finding in findings:
            click.echo(printable(f"✗ {finding.place}: {finding.problem}"))
        click.echo(f"{len(findings)} findings" if findings else "✓ the record is intact")
    return 3 if findings else 0
