"""``replay store status``: which database, how much is in it, how far it goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from replay.cli.common import printable, write_json
from replay.cli.options import overrides as setting_overrides
from replay.cli.store_words import counted, plural, size

if TYPE_CHECKING:
    from replay.access.attached import Attachment
    from replay.store.status import Status

_NAMED = {
    "store.url": "named by store.url in conf/ or -o",
    "store.json": "named by .replay/store.json",
    "lineage.db": "in this repository",
}


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@setting_overrides
def command(as_json: bool, overrides: tuple[str, ...]) -> int:
    """Tell which database holds the lineage, how much is in it, and its newest transaction and checkpoint.

    Whoever keeps the line `checkpoint` elsewhere can later prove with `replay verify --root` that nothing before it was
    changed.
    """
    from replay.access.attached import attachments
    from replay.progress import Silent
    from replay.session import Session
    from replay.store.status import status_of

    with Session.open(Path.cwd(), overrides=overrides, progress=Silent(), create=False) as session:
        found = status_of(session.store, session.settings.store.url)
        attached = attachments(session.store.root)
    if as_json:
        import msgspec

        plain = msgspec.to_builtins(found) | {"attached": msgspec.to_builtins(attached)}
        write_json(msgspec.json.encode({"schema_version": "replay.store.status/1", **plain}))
    else:
        for name, text in _lines(found, attached):
            click.echo(printable(f"{name:<12} {text}"))
    return 0


def _lines(found: Status, attached: dict[str, Attachment]) -> list[tuple[str, str]]:
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(found.kinds.items(), key=lambda one: -one[1]))
    newest, sealed = found.transaction, found.checkpoint
    lines = [
        ("database", f"{found.database}, {found.place} ({_NAMED[found.named_by]})"),
        ("store", f"{found.store}, revision {found.revision}"),
        ("holds", counted(found.rows)),
        ("kinds", kinds or "no nodes yet"),
        ("transaction", f"{newest.number:,} of {newest.created}" if newest else "none yet"),
        ("checkpoint", f"{sealed.number}:{sealed.digest} of {sealed.created}" if sealed else "none yet"),
        ("journal", f"{plural(found.journal_lines, 'line')}{', ' * bool(found.journal_newest)}{found.journal_newest}"),
        ("on disk", ", ".join(f"{name} {size(number)}" for name, number in found.bytes.items())),
    ]
    lines += [("attached", f"{name}: {one.place} ({one.id})") for name, one in attached.items()]
    if found.unused:
        lines.append(("unused", f"{found.unused}: the lineage is not read from there"))
    return lines
