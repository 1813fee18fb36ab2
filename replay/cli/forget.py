"""``replay forget``: data go, digests, edges and a tombstone stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from replay.cli.common import console, printable, terminable, write_json
from replay.cli.options import overrides


@click.command("forget")
@click.argument("models", metavar="[MODEL-ID]…", nargs=-1)
@click.option("--reason", metavar="TEXT", default="", help="Why; it is recorded, and told by every later replay.")
@click.option("--yes", "really", is_flag=True, help="Really do it. Without it is only said what would be done.")
@click.option(
    "--recomputable",
    is_flag=True,
    help="Drop only intermediates that a replay has made identically: of MODEL-IDs, or of all.",
)
@click.option("--finish", is_flag=True, help="Delete what was forgotten and is here: after a kill, or out of a backup.")
@click.option(
    "--dvc-cache",
    "dvc",
    type=click.Choice(["unused", "all", "none"]),
    default="unused",
    show_default=True,
    help="Delete from DVC's cache what no checkout or branch names, all that nobody else recorded, or nothing.",
)
@click.option("--offline", is_flag=True, help="Do not ask remotes whether they have copies.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@overrides
def command(models: tuple[str, ...], finish: bool, as_json: bool, **options: Any) -> int:
    """Forget MODEL-IDs (NAME:VERSION or NAME@ALIAS): drop the bytes that nobody else needs.

    Digests, lineage and a tombstone stay, and a later replay says who forgot what, when and why. What others need, what
    is under legal hold and what its retention class keeps is not dropped. Copies in remotes and in Git are named, not
    deleted. Exits with 6 when a policy, a hold, a class or a deployment forbids it.
    """
    from replay.errors import UsageError
    from replay.progress import Silent
    from replay.session import Session

    if finish and (models or options["recomputable"] or options["reason"]):
        raise UsageError("--finish goes with no MODEL-ID, --reason or --recomputable: it forgets nothing new")
    if not (finish or models or options["recomputable"]):
        raise UsageError("no model version is named", hint="`replay models` lists them, `replay costs` what each costs")
    if not (finish or options["reason"] or options["recomputable"]):
        raise UsageError("no reason is given", hint="add --reason TEXT: it is what a later replay tells")
    with (
        terminable(),
        Session.open(Path.cwd(), overrides=options["overrides"], progress=Silent(), create=False) as session,
    ):
        if finish:
            return _finish(session, really=options["really"], as_json=as_json)
        return _forget(models, session, as_json=as_json, **options)


def _forget(models: tuple[str, ...], session: Any, *, as_json: bool, **options: Any) -> int:
    import msgspec

    from replay.retention.forgetting import Wish, forget
    from replay.retention.recomputable import REASON, forget_recomputable
    from replay.retention.telling import render_forgetting

    wish = Wish(
        reason=options["reason"] or REASON,
        really=options["really"],
        dvc=options["dvc"],
        offline=options["offline"] or session.settings.fetch.offline,
    )
    made = (forget_recomputable if options["recomputable"] else forget)(models, session, wish)
    write_json(msgspec.json.encode(made)) if as_json else render_forgetting(made, console())
    return 0


def _finish(session: Any, *, really: bool, as_json: bool) -> int:
    import msgspec

    from replay.retention.deleting import clear

    rest = clear(session, really=really)
    if as_json:
        write_json(msgspec.json.encode(rest))
        return 0
    for one in rest.files:
        click.echo(printable(f"{'deleted' if really else 'was forgotten, and is still here'}: {one}"))
    if not rest.files:
        click.echo("nothing that was forgotten is here")
    elif not really:
        click.echo("Nothing was changed; add --yes to delete it.")
    return 0
