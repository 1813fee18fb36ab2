"""``replay doctor``: what this machine can replay, and what is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from replay.cli.common import printable, write_json
from replay.cli.options import verbosity
from replay.cli.progress import watching

_SYMBOL = {"ok": "✓", "warn": "!", "fail": "✗"}


@click.command("doctor")
@click.option("--fix", is_flag=True, help="Install and start a Docker Engine where that is possible.")
@click.option("--json", "as_json", is_flag=True, help="Write the findings as JSON.")
@verbosity
def command(fix: bool, as_json: bool, verbosity: int) -> int:
    """Report engine, git, disk, CPU features, BLAS and name clashes, and what each finding means.

    Exits with 0, or with 4 when something is missing that every replay needs.
    """
    import msgspec

    from replay import doctor

    if fix:
        with watching(verbosity) as progress:
            click.echo(printable(doctor.fix(progress)), file=sys.stderr)
    checks = doctor.check(Path.cwd())
    if as_json:
        write_json(msgspec.json.encode({"schema_version": "replay.doctor/1", "checks": checks}))
    else:
        for check in checks:
            click.echo(printable(f"{_SYMBOL[check.status]} {check.name}: {check.finding}"))
            if check.meaning:
                click.echo(printable(f"    {check.meaning}"))
    return 4 if any(check.status == "fail" for check in checks) else 0
