"""``replay alias``: a name that means a model version, and can mean another one later."""

from __future__ import annotations

import click

from replay.cli.deciding import decide, decision
from replay.errors import UsageError


@click.command("alias")
@click.argument("what", metavar="MODEL-ID")
@click.argument("name")
@click.option("--remove", is_flag=True, help="Let MODEL@NAME mean nothing from now on.")
@decision(reason=False)
def command(
    what: str, name: str, remove: bool, reason: str, by: str | None, as_json: bool, overrides: tuple[str, ...]
) -> int:
    """Let MODEL@NAME mean this version from now on. What it meant before stays on record."""
    from replay.identity import ModelId
    from replay.registry import alias, unalias

    if remove:
        try:
            exact = ModelId.parse(what).version is not None
        except UsageError:  # another way to write one version
            exact = True
        return decide(
            lambda session, _, uid: unalias(uid(what), session, name=name, exact=exact, reason=reason, by=by),
            as_json=as_json,
            overrides=overrides,
        )
    return decide(
        lambda session, _, uid: alias(uid(what), session, name=name, reason=reason, by=by),
        as_json=as_json,
        overrides=overrides,
    )
