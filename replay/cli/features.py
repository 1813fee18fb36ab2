"""``replay features``: rows that are written once, and read as of a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from replay.cli.common import console, printable, write_json
from replay.cli.options import F

if TYPE_CHECKING:
    from replay.session import Session

_FILE = click.Path(path_type=Path)


def _common(function: F) -> F:
    """``--json`` and ``--set``; the command gets ``as_json`` and ``overrides``."""
    setting = click.option(
        "--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Change a setting of conf/ (Hydra's syntax)."
    )
    return setting(click.option("--json", "as_json", is_flag=True, help="Write JSON.")(function))


def _open(overrides: tuple[str, ...], *, create: bool = False) -> Session:
    from replay.progress import Silent
    from replay.session import Session

    return Session.open(Path.cwd(), overrides=overrides, progress=Silent(), create=create, in_repository=True)


@click.group("features")
def command() -> None:
    """Feature groups: rows that are written once, and read as of a time, the same ones again years later."""


@command.command("register")
@click.argument("name")
@click.option("--record-id", required=True, metavar="COLUMN", help="The column that says whose row it is.")
@click.option("--event-time", required=True, metavar="COLUMN", help="The column that says from when on a row holds.")
@click.option("--definition", type=_FILE, metavar="FILE", help="YAML or JSON that describes the group; kept as it is.")
@click.option(
    "--schema", type=_FILE, metavar="FILE", help="Columns: those of FILE.parquet, or YAML or JSON NAME: TYPE."
)
@_common
def register_command(
    name: str,
    record_id: str,
    event_time: str,
    definition: Path | None,
    schema: Path | None,
    as_json: bool,
    overrides: tuple[str, ...],
) -> int:
    """Say what the rows of the group NAME mean; anew makes the next version of its definition.

    Once there are rows, record id and event time stay, and columns may only be added. Without --schema the first rows
    decide the columns.
    """
    from replay import features

    document = features.read_document(definition) if definition else ""
    columns = features.read_columns(schema) if schema else ()
    with _open(overrides, create=True) as session:
        made = features.register(
            name, session, record_id=record_id, event_time=event_time, document=document, columns=columns
        )
    if as_json:
        _write("register", {"new": made.new, "group": made.group})
    else:
        what = "registered" if made.new else "is registered so already"
        _say(f"{name} {what}: version {made.group.definition.version} of its definition")
    return 0


@command.command("write")
@click.argument("name")
@click.argument("rows", type=_FILE, metavar="ROWS.parquet|ROWS.csv")
@_common
def write_command(name: str, rows: Path, as_json: bool, overrides: tuple[str, ...]) -> int:
    """Add the rows of a file to the group NAME, for good: nothing that was written is ever changed.

    A row replaces an older one of its record from its event time on. A true value in a column is_deleted says that the
    record is gone from then on. Writing the same file twice changes nothing.
    """
    from replay import features

    with _open(overrides) as session:
        done = features.write(features.find(name, session.ground), rows, session)
    if as_json:
        _write("write", {"new": done.new, "group": name, "batch": done.batch})
        return 0
    batch = done.batch
    _say(f"{batch.rows:,} rows from {batch.first} to {batch.last}, written {batch.written}, sha256:{batch.sha256}")
    if not done.new:
        _say(f"{rows} was written to {name} already, as {batch.name}: nothing was added", err=True)
    return 0


@command.command("read")
@click.argument("name")
@click.option("--as-of", required=True, metavar="TIME", help="Up to this event time (ISO 8601; UTC without a zone).")
@click.option("--written", metavar="TIME", help="Only rows written up to TIME; default: up to the newest write.")
@click.option("-o", "--output", "target", required=True, type=_FILE, metavar="FILE", help="The Parquet file to write.")
@click.option("--all-versions", is_flag=True, help="Every row up to the time, not only each record's newest.")
@_common
def read_command(
    name: str,
    as_of: str,
    written: str | None,
    target: Path,
    all_versions: bool,
    as_json: bool,
    overrides: tuple[str, ...],
) -> int:
    """Write the rows of the group NAME as they were known at TIME to a file, and record the view.

    Of each record the newest row up to the event time counts; of several with the same event time the one written last.
    Rows come by record id. The view is pinned to a write, so the command that is printed gives the same rows later,
    whatever is written meanwhile.
    """
    from replay import features

    with _open(overrides) as session:
        group = features.find(name, session.ground)
        made = features.read(group, session, as_of=as_of, target=target, written=written, all_versions=all_versions)
    view, file = made.view, made.described
    again = _again(name, view.as_of, view.written, target, all_versions=all_versions)
    for warning in made.warnings:
        _say(f"warning: {warning}", err=True)
    if as_json:
        digests = {"sha256": file.digests.sha256, "blake3": file.digests.blake3, "md5": file.digests.md5}
        _write(
            "read",
            {
                "view": view,
                "read_from": made.batches,
                "file": {"path": str(target), "size": file.size, **digests},
                "again": again,
                "warnings": made.warnings,
            },
        )
        return 0
    _say(f"{name} as of {view.as_of}, written up to {view.written}")
    rows = "1 row" if view.rows == 1 else f"{view.rows:,} rows"
    batches = "1 batch" if view.batches == 1 else f"{view.batches:,} batches"
    _say(f"  {rows} from {batches}, {view.digest}")
    _say(f"  {target}: {file.size:,} bytes, sha256:{file.digests.sha256}")
    _say(f"the same rows again: {again}")
    return 0


@command.command("list")
@_common
def list_command(as_json: bool, overrides: tuple[str, ...]) -> int:
    """List the registered feature groups."""
    from replay import features

    with _open(overrides) as session:
        ground = session.ground
        told = [features.tell(group, ground, users=False) for group in features.every(ground)]
    if as_json:
        listed = [
            {"group": one.group, "batches": len(one.batches), "rows": sum(batch.rows for batch in one.batches)}
            for one in told
        ]
        _write("list", {"groups": listed})
    else:
        from replay.report.text_features import render_groups

        render_groups(told, console())
    return 0


@command.command("show")
@click.argument("name")
@_common
def show_command(name: str, as_json: bool, overrides: tuple[str, ...]) -> int:
    """Show the group NAME: its definition, what was written, and which views were read and used by which runs."""
    from replay import features

    with _open(overrides) as session:
        told = features.tell(features.find(name, session.ground), session.ground)
    if as_json:
        _write("show", {"group": told.group, "batches": told.batches, "views": told.views, "hidden": told.hidden})
    else:
        from replay.report.text_features import render_group

        render_group(told, console())
    return 0


def _again(name: str, as_of: str, written: str, target: Path, *, all_versions: bool) -> str:
    import shlex

    words = ["replay", "features", "read", name, "--as-of", as_of, "--written", written]
    return shlex.join([*words, *(["--all-versions"] if all_versions else []), "-o", str(target)])


def _write(verb: str, fields: dict[str, Any]) -> None:
    import msgspec

    write_json(msgspec.json.encode({"schema_version": f"replay.features.{verb}/1", **fields}))


_say: Callable[..., None] = lambda text, err=False: click.echo(printable(text), err=err)  # noqa: E731
