"""``replay approve``: a model version may be used."""

from __future__ import annotations

import click

from replay.cli.deciding import decide, decision


@click.command("approve")
@click.argument("what", metavar="MODEL-ID")
@click.option("--stage", metavar="STAGE", help="The stage that it enters with that, e.g. production.")
@decision(reason=True)
def command(
    what: str, stage: str | None, reason: str, by: str | None, as_json: bool, overrides: tuple[str, ...]
) -> int:
    """Approve a model version. Who, when and why is recorded; earlier decisions stay on record.

    Exits with 6 when a policy refuses it.
    """
    from replay.registry import approve

    return decide(
        lambda session, _, uid: approve(uid(what), session, reason=reason, by=by, stage=stage),
        as_json=as_json,
        overrides=overrides,
    )
