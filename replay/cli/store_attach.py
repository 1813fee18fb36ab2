"""``replay store attach``, ``attached``, ``detach`` and ``identity``: other teams' stores, and who asks this one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from replay.cli.common import printable, write_json
from replay.cli.options import overrides

if TYPE_CHECKING:
    from replay.session import Session


@click.command("attach")
@click.argument("name")
@click.argument("place", metavar="PATH|URL")
@overrides
def attach(name: str, place: str, **options: Any) -> int:
    """Read another team's store beside this one, as NAME. Nothing is ever written to it.

    PATH is its .replay folder or the folder that this lies in, URL is postgresql://USER@HOST/DATABASE. What its
    policies do not permit to you cannot be told from what is not there.
    """
    from replay.access.attached import attach

    with _session(options) as session:
        by = session.asker.user
        made = attach(session.store, name, place, Path.cwd())
        session.store.note("attach", name=name, place=made.place, store=made.id, by=by)
        own = session.store.id
    click.echo(printable(f"attached {name}: the store {made.id} at {made.place}"))
    click.echo(f"what it shares with store:{own} can be seen from here", err=True)
    return 0


@click.command("attached")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@overrides
def attached(as_json: bool, **options: Any) -> int:
    """List the attached stores, and whether they can be asked."""
    import msgspec

    from replay.access.attached import attachments

    with _session(options) as session:
        found = attachments(session.store.root)
        missing = session.ground.missing
    rows = [
        {"name": name, "place": one.place, "store": one.id, "problem": missing.get(name)} for name, one in found.items()
    ]
    if as_json:
        write_json(msgspec.json.encode({"schema_version": "replay.attached/1", "stores": rows}))
        return 0
    for row in rows:
        problem = f"  ! {row['problem']}" if row["problem"] else ""
        click.echo(printable(f"{row['name']}  {row['place']}  {row['store']}{problem}"))
    if not rows:
        click.echo("no store is attached; `replay store attach NAME PATH|URL` attaches one", err=True)
    return 0


@click.command("detach")
@click.argument("name")
@overrides
def detach(name: str, **options: Any) -> int:
    """Read an attached store no more."""
    from replay.access.attached import detach

    with _session(options) as session:
        by = session.asker.user
        gone = detach(session.store, name)
        session.store.note("detach", name=name, place=gone.place, store=gone.id, by=by)
    click.echo(printable(f"detached {name}: {gone.place}"))
    return 0


@click.command("identity")
@click.argument("rule", type=click.Choice(["os", "token", "conf"]), required=False)
@click.option("--key", "keys", metavar="FILE", multiple=True, help="Trust this public key (PEM). May be repeated.")
@click.option("--issuer", help="Who must have issued a token (its iss); default: anybody with a trusted key.")
@click.option("--audience", default="replay", show_default=True, help="For whom a token must be meant (its aud).")
@click.option("--reason", default="", help="Why it is changed.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@overrides
def identity(rule: str | None, keys: tuple[str, ...], as_json: bool, **options: Any) -> int:
    """Show this store's id and how those who ask it are known; or make that a rule of the store.

    os: by the operating system. token: by a signed token in REPLAY_TOKEN or REPLAY_TOKEN_FILE. conf: as each asker's
    conf/ says. Only the owner of the database can change it, and needs no token for that.
    """
    import msgspec

    from replay.access.rules import IdentityRule, read_key, recorded_rule, set_rule

    if keys and rule != "token":
        raise click.UsageError("--key belongs to `identity token`")
    with _session(options) as session:
        if rule is not None:
            from replay.access.asking import system_user

            made = None
            if rule != "conf":
                texts = tuple(read_key(Path(name), "--key") for name in keys)
                made = IdentityRule(
                    identity="token" if rule == "token" else "os",
                    keys=texts,
                    issuer=options["issuer"],
                    audience=options["audience"],
                )
            set_rule(session.store, made, system_user(), options["reason"])
        id_, found = session.store.id, recorded_rule(session.store)
        shown = found or IdentityRule(identity=session.settings.access.identity)
    if as_json:
        plain = {"schema_version": "replay.identity/1", "store": id_, "recorded": found is not None, "rule": shown}
        write_json(msgspec.json.encode(plain))
        return 0
    click.echo(f"store {id_}")
    click.echo(f"identity: {shown.identity}, as {'the store says' if found else 'conf/ says'}")
    if found is not None and found.identity == "token":
        issuer = found.issuer or "anybody with a trusted key"
        click.echo(printable(f"issued by {issuer}, for {found.audience}, {len(found.keys)} trusted keys"))
    return 0


def _session(options: dict[str, Any]) -> Session:
    from replay.progress import Silent
    from replay.session import Session

    return Session.open(Path.cwd(), overrides=options["overrides"], progress=Silent(), create=False)


COMMANDS = {"attach": attach, "attached": attached, "detach": detach, "identity": identity}
