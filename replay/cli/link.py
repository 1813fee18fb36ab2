"""``replay link``: two nodes are the same thing under two names."""

from __future__ import annotations

import click

from replay.cli.deciding import decide, decision


@click.command("link")
@click.argument("one", metavar="A")
@click.argument("other", metavar="B")
@click.option(
    "--same-as", is_flag=True, required=True, help="A and B are the same thing; there is no other kind of link."
)
@decision(reason=False)
def command(
    one: str, other: str, same_as: bool, reason: str, by: str | None, as_json: bool, overrides: tuple[str, ...]
) -> int:
    """Record that A and B are the same thing under two names: every walk joins them. It cannot be taken back.

    Equal bytes, commits and images are one node without that.
    """
    from replay.registry import link

    return decide(
        lambda session, ground, uid: link(uid(one), uid(other), session, ground, reason=reason, by=by),
        as_json=as_json,
        overrides=overrides,
    )
