"""``replay schema``: the JSON Schemas of what replay reads and writes."""

from __future__ import annotations

import click

from replay.cli.common import write_json


@click.command("schema")
@click.argument("name", type=click.Choice(["recipe", "result", "plan", "diff"]))
def command(name: str) -> int:
    """Print the JSON Schema of NAME."""
    import json

    from replay.report.machine import schema

    write_json(json.dumps(schema(name), indent=2, sort_keys=True).encode())
    return 0
