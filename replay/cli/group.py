"""``replay group``: named sets of entities, and who may do what with them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from replay.cli.common import printable, write_json
from replay.cli.options import F, overrides

if TYPE_CHECKING:
    from replay.access.groups import Group, Groups
    from replay.session import Session

_SHOWN = 20
_HONEST = {
    False: "These policies bind replay. Whoever may read {place} with another program is not bound by them: what must "
    "stay secret needs the file's permissions, or a database of its own.",
    True: "These policies bind replay. Whoever has an account in {place} that may read its tables is not bound by "
    "them: what must stay secret needs the rights of roles, or a database of its own.",
}
"""By whether the database is a shared server."""
_EXAMPLE = """\b
A policy is Cedar. Who opens this store may do everything, unless a policy forbids it; who comes from a store that
attached this one may do nothing, unless a policy permits it. For example:
  permit (principal in Group::"quants", action == Action::"read", resource);
  forbid (principal, action == Action::"use", resource) unless { principal in Group::"model-risk" };
  permit (principal in Store::"01J…", action == Action::"read", resource) when { resource.kind == "dataset" };
Actions: read, use, replay, approve, delete, share (change the group). Principals: User, Group, Store.
"""


@click.group("group")
def command() -> None:
    """Share parts of the lineage, and say who may do what with them."""


def _json(function: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Write JSON.")(function)


@command.command("create")
@click.argument("name")
@click.option("--reason", default="", help="What it is for.")
@overrides
def create(name: str, reason: str, **options: Any) -> int:
    """Make an empty group."""
    with _session(options) as session:
        found = _groups(session).create(name, reason)
    click.echo(printable(f"made the group {found.name} ({found.uid})"))
    return 0


@command.command("add")
@click.argument("name")
@click.argument("what", metavar="ID…", nargs=-1, required=True)
@click.option("--upstream", is_flag=True, help="With everything that it stands on, as it is now.")
@overrides
def add(name: str, what: tuple[str, ...], upstream: bool, **options: Any) -> int:
    """Put entities into a group: model ids, digests, commits, runs, files, or recorded names."""
    with _session(options) as session:
        added = _groups(session).add(name, _uids(what, session), upstream=upstream)
    click.echo(printable(f"{_entities(len(added))} came to the group {name}"))
    return 0


@command.command("remove")
@click.argument("name")
@click.argument("what", metavar="ID…", nargs=-1, required=True)
@overrides
def remove(name: str, what: tuple[str, ...], **options: Any) -> int:
    """Take entities out of a group."""
    with _session(options) as session:
        uids = _uids(what, session)
        _groups(session).remove(name, uids)
    click.echo(printable(f"{_entities(len(set(uids)))} left the group {name}"))
    return 0


@command.command("share")
@click.argument("name")
@click.option("--with", "whom", metavar="user:X|group:Y|store:Z", multiple=True, required=True, help="With whom.")
@click.option("--may", metavar="ACTION,…", required=True, help="What: read, use, replay, approve, delete, share.")
@overrides
def share(name: str, whom: tuple[str, ...], may: str, **options: Any) -> int:
    """Add a policy that permits actions to users, groups, or everybody who comes from a store.

    A store is named by its id (`replay store identity` there shows it), or as it is attached here.
    """
    with _session(options) as session:
        principals = [_principal(text, session) for text in whom]
        actions = tuple(dict.fromkeys(word.strip() for word in may.split(",") if word.strip()))
        _groups(session).share(name, principals, actions)
    click.echo(printable(f"{', '.join(whom)} may {', '.join(actions)} what is in {name}"))
    click.echo(
        "This counts for those who come from a store that attached this one; who opens this store may do so anyway, "
        "unless a policy forbids it.",
        err=True,
    )
    return 0


@command.command("policy", epilog=_EXAMPLE)
@click.argument("name")
@click.argument("file", required=False)
@click.option("--clear", is_flag=True, help="Take the policy back: nothing is permitted or forbidden by it any more.")
@click.option("--history", is_flag=True, help="Show every text that the policy has had.")
@click.option("--reason", default="", help="Why it is changed.")
@_json
@overrides
def policy(name: str, file: str | None, clear: bool, history: bool, reason: str, as_json: bool, **options: Any) -> int:
    """Show the policy of a group, or replace it by the text in FILE (or -, for stdin). Old texts are kept."""
    if sum((file is not None, clear, history)) > 1:
        raise click.UsageError("expected at most one of FILE, --clear and --history")
    with _session(options) as session:
        groups = _groups(session)
        if file is not None or clear:
            found = groups.set_policy(name, None if clear else _read(str(file)), reason)
            click.echo(printable(f"version {found.versions} of the policy of {name} counts from now on"), err=True)
            return 0
        groups.require_readable(name)
        versions = groups.history(name)
    if as_json:
        import msgspec

        shown = versions if history else versions[-1:]
        write_json(msgspec.json.encode({"schema_version": "replay.policy/1", "group": name, "versions": shown}))
        return 0
    for version in versions if history else []:
        click.echo(printable(f"// version {version.number}, {version.recorded}, by {version.by}"))
        click.echo(_text(version.text) if version.text is not None else "// taken back\n")
    if not history and versions and versions[-1].text is not None:
        click.echo(_text(versions[-1].text), nl=False)
    return 0


@command.command("list")
@_json
@overrides
def list_(as_json: bool, **options: Any) -> int:
    """List the groups that you may read."""
    import msgspec

    with _session(options) as session:
        found = _groups(session).all()
    if as_json:
        write_json(msgspec.json.encode({"schema_version": "replay.groups/1", "groups": found}))
        return 0
    for group in found:
        rules = f"policy version {group.versions}" if group.policy else "no policy"
        click.echo(printable(f"{group.name}  {_entities(group.members)}, {rules}, made {group.created} by {group.by}"))
    if not found:
        click.echo("no groups; `replay group create NAME` makes one", err=True)
    return 0


@command.command("show")
@click.argument("name")
@click.option("--all", "everything", is_flag=True, help=f"List every entity, not only {_SHOWN}.")
@_json
@overrides
def show(name: str, everything: bool, as_json: bool, **options: Any) -> int:
    """Show what is in a group, its policy, and what that policy cannot do."""
    import msgspec

    with _session(options) as session:
        groups = _groups(session)
        groups.require_readable(name)
        found, uids = groups.get(name), groups.members(name)
        store = session.store
        honest = _HONEST[store.database.shared].format(place=store.database.place)
        nodes = [(uid, store.node(uid)) for uid in (uids if everything or as_json else uids[:_SHOWN])]
    if as_json:
        members = [{"uid": uid, "kind": node.kind, "name": node.name} for uid, node in nodes]
        plain = {"schema_version": "replay.group/1", "group": found, "members": members, "note": honest}
        write_json(msgspec.json.encode(plain))
        return 0
    _show(found)
    for uid, node in nodes:
        click.echo(printable(f"  {node.kind.value:<14} {node.name or '—'}  {uid}"))
    if len(nodes) < len(uids):
        click.echo(f"  … and {len(uids) - len(nodes)} more; --all lists them")
    click.echo(f"\n{_text(found.policy)}" if found.policy else "\nno policy\n")
    click.echo(printable(honest))
    return 0


def _show(group: Group) -> None:
    click.echo(printable(f"{group.name}  {group.uid}"))
    click.echo(printable(f"made {group.created} by {group.by}; policy version {group.versions}"))
    click.echo(_entities(group.members))


def _entities(count: int) -> str:
    return f"{count} {'entity' if count == 1 else 'entities'}"


def _session(options: dict[str, Any]) -> Session:
    from replay.progress import Silent
    from replay.session import Session

    return Session.open(Path.cwd(), overrides=options["overrides"], progress=Silent(), create=False)


def _groups(session: Session) -> Groups:
    from replay.access.groups import Groups

    return Groups(session.store, session.asker)


def _uids(what: tuple[str, ...], session: Session) -> list[str]:
    from replay.ask import focal

    return [focal(text, session.ground, directory=Path.cwd()) for text in what]


def _principal(text: str, session: Session) -> tuple[str, str]:
    """The kind and the name of whom a group is shared with.

    Raises:
        UsageError: It is written in another way, or names a store that is not known.
    """
    from replay.access.attached import attachments
    from replay.access.groups import PRINCIPALS
    from replay.errors import UsageError

    kind, colon, name = text.partition(":")
    if not colon or kind not in PRINCIPALS or not name:
        raise UsageError(f"--with: got {text!r}, expected user:NAME, group:NAME or store:ID")
    if kind == "store" and not _is_ulid(name):
        known = attachments(session.store.root)
        if name not in known:
            raise UsageError(
                f"--with: got the store {name!r}, expected its id or the name of an attached one",
                hint=f"`replay store identity` there shows its id; attached here: {', '.join(known) or 'none'}",
            )
        name = known[name].id
    return kind, name


def _is_ulid(text: str) -> bool:
    from replay.identity import from_crockford

    try:
        from_crockford(text)
    except ValueError:
        return False
    return True


def _read(file: str) -> str:
    """A policy text from a file or from stdin.

    Raises:
        UsageError: It cannot be read, or is no text.
    """
    from replay.access.policies import MAX_BYTES
    from replay.errors import UsageError

    try:
        with click.open_file(file, "rb") as stream:
            return str(stream.read(MAX_BYTES + 1).decode())
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}, expected a file with a policy text") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file}: is no text in UTF-8, expected a policy text") from error


def _text(policy: str | None) -> str:
    """A policy text as a terminal may show it."""
    return "\n".join(printable(line) for line in (policy or "").splitlines()) + "\n"
