"""``replay schema``: the JSON Schemas of what replay reads and writes."""

from __future__ import annotations

import click

from replay.cli.common import write_json


@click.command("schema")
@click.argument("name", type=click.Choice(["recipe", "result", "plan", "diff", "query", "lineage"]))
def command(name: str) -> int:
    """Print the JSON Schema of NAME."""
    import json

    if name == "diff":
        from replay.diff.machine import schema as diff_schema

        found = diff_schema()
    else:
        from replay.report.machine import schema

        found = schema(name)
    write_json(json.dumps(found, indent=2, sort_keys=True).encode())
    return 0
