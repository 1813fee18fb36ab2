"""``replay schema``: the JSON Schemas of what replay reads and writes."""

from __future__ import annotations

import click

from replay.cli.common import write_json

_ROOMS = {
    "decision": ("replay.registry", "Done", "A decision about something that is recorded"),
    "experiment": ("replay.experiments", "Table", "The trials of an experiment side by side"),
    "impact": ("replay.impact", "Impact", "What something touches"),
    "page": ("replay.pages", "Page", "Everything that is known about a node"),
}
"""Documents of rooms: package, value, title. The version is the package's ``SCHEMA``."""


@click.command("schema")
@click.argument(
    "name", type=click.Choice(["recipe", "result", "plan", "diff", "query", "lineage", "search", "found", *_ROOMS])
)
def command(name: str) -> int:
    """Print the JSON Schema of NAME."""
    import json

    if name == "diff":
        from replay.diff.machine import schema as diff_schema

        found = diff_schema()
    elif name in _ROOMS:
        from importlib import import_module

        from replay.report.machine import schema_of

        package, value, title = _ROOMS[name]
        room = import_module(package)
        found = schema_of(getattr(room, value), room.SCHEMA, title)
    else:
        from replay.report.machine import schema

        found = schema(name)
    write_json(json.dumps(found, indent=2, sort_keys=True).encode())
    return 0
