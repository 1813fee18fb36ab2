"""``replay annotate``: status, stage, owner, tags and properties of anything that is recorded."""

from __future__ import annotations

from typing import Any

import click

from replay.cli.deciding import decide, decision


@click.command("annotate")
@click.argument("what", metavar="ID|FILE|COMMIT|…")
@click.option("--tag", "tags", metavar="KEY=VALUE", multiple=True, help="To find it by (may be repeated).")
@click.option("--property", "properties", metavar="KEY=VALUE", multiple=True, help="Anything else worth knowing.")
@click.option("--status", metavar="STATUS", help="Its status, e.g. suspect; models: see approve and reject.")
@click.option("--stage", metavar="STAGE", help="Its stage, e.g. staging.")
@click.option("--owner", metavar="WHO", help="Who answers for it.")
@click.option("--remove", metavar="KEY", multiple=True, help="What no longer holds: stage, tag:KEY, property:KEY …")
@decision(reason=False)
def command(what: str, as_json: bool, overrides: tuple[str, ...], **said: Any) -> int:
    """Say something about anything that is recorded. What is not mentioned stays as it is; history is kept."""
    from replay.naming import pairs_of
    from replay.registry import annotate

    tags, properties = pairs_of(said.pop("tags"), "tag"), pairs_of(said.pop("properties"), "property")
    return decide(
        lambda session, _, uid: annotate(uid(what), session, tags=tags, properties=properties, **said),
        as_json=as_json,
        overrides=overrides,
    )
