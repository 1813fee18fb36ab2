"""``replay new``: a project from a template."""

from __future__ import annotations

from pathlib import Path

import click

from replay.cli.common import printable, write_json
from replay.errors import UsageError


@click.command("new")
@click.argument("directory", metavar="DIR", required=False, type=click.Path(path_type=Path))
@click.option("--template", metavar="NAME[@VERSION]", help="What to lay out; the newest version by default.")
@click.option("--list", "listing", is_flag=True, help="List the templates and their versions.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def command(directory: Path | None, template: str | None, listing: bool, as_json: bool) -> int:
    """Lay out a project in DIR (new or empty) as a Git and DVC repository, and commit it in your name.

    Its replay.yaml names the template, its version and its digest, and so does every record that is made there.
    """
    if listing:
        if directory or template:
            raise click.UsageError("--list takes neither DIR nor --template")
        return _list(as_json)
    if template is None or directory is None:
        raise UsageError("expected --template NAME[@VERSION] and DIR", hint="`replay new --list` lists the templates")
    from replay.templates import gallery, new_project

    laid = new_project(template, directory, gallery())
    if as_json:
        import msgspec

        write_json(msgspec.json.encode(laid))
        return 0
    click.echo(printable(f"laid out {laid.template}@{laid.version} in {laid.directory} (commit {laid.commit[:12]})"))
    click.echo(printable(f"go on with `cd {laid.directory} && replay record --model NAME`"))
    return 0


def _list(as_json: bool) -> int:
    from replay.templates import gallery

    shown = gallery()
    found = {name: shown.template(name) for name in shown.names()}
    if as_json:
        import msgspec

        rows = [
            {"name": name, "version": version, "digest": one.digest(version), "message": one.message(version)}
            for name, one in found.items()
            for version in one.versions
        ]
        write_json(msgspec.json.encode({"schema_version": "replay.templates/1", "templates": rows}))
        return 0
    for name, one in found.items():
        for version in one.versions:
            newest = "  (newest)" if version == one.versions[-1] else ""
            click.echo(printable(f"{name}@{version}  {one.message(version)}{newest}"))
    return 0
