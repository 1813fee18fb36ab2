"""``replay deploy``: where a model version runs, as a record."""

from __future__ import annotations

import click

from replay.cli.deciding import decide, decision
from replay.errors import UsageError


@click.command("deploy")
@click.argument("what", metavar="MODEL-ID")
@click.option("--to", metavar="NAME", required=True, help="What the place is called, e.g. prod.")
@click.option("--withdraw", "end", is_flag=True, help="Record that it no longer runs there, and nothing else does.")
@click.option("--force", is_flag=True, help="Record it although the version is rejected; that is recorded too.")
@decision(reason=False)
def command(
    what: str,
    to: str,
    end: bool,
    force: bool,
    reason: str,
    by: str | None,
    as_json: bool,
    overrides: tuple[str, ...],
) -> int:
    """Record that a model version runs at NAME from now on, in place of what ran there. Nothing is started.

    Exits with 6 when the version is rejected, or a policy refuses it.
    """
    from replay.registry import deploy, withdraw

    if end and force:
        raise UsageError("got --withdraw and --force, expected one of them")
    if end and not reason:
        raise UsageError("--withdraw needs its reason", hint="add --reason TEXT")
    if end:
        return decide(
            lambda session, _, uid: withdraw(uid(what), session, to=to, reason=reason, by=by),
            as_json=as_json,
            overrides=overrides,
        )
    return decide(
        lambda session, _, uid: deploy(uid(what), session, to=to, reason=reason, by=by, force=force),
        as_json=as_json,
        overrides=overrides,
    )
