"""``replay reject``: a model version must not be used."""

from __future__ import annotations

import click

from replay.cli.deciding import decide, decision


@click.command("reject")
@click.argument("what", metavar="MODEL-ID")
@click.option("--stage", metavar="STAGE", help="The stage that it enters with that.")
@decision(reason=True)
def command(
    what: str, stage: str | None, reason: str, by: str | None, as_json: bool, overrides: tuple[str, ...]
) -> int:
    """Reject a model version: from then on `replay deploy` refuses it. Earlier decisions stay on record.

    Nothing that runs is stopped; where it is deployed is said. Exits with 6 when a policy refuses it.
    """
    from replay.registry import reject

    return decide(
        lambda session, _, uid: reject(uid(what), session, reason=reason, by=by, stage=stage),
        as_json=as_json,
        overrides=overrides,
    )
