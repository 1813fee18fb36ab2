"""``replay experiments``: the trials of one question side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from replay.cli.common import console, write_json
from replay.cli.options import overrides

if TYPE_CHECKING:
    from replay.experiments.trials import Files
    from replay.session import Session


@click.group("experiments", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.pass_context
def command(context: click.Context, as_json: bool) -> int:
    """List the experiments, or show one: `replay experiments show NAME`."""
    if context.invoked_subcommand is not None:
        if as_json:
            raise click.UsageError(f"write --json after {context.invoked_subcommand}")
        return 0
    import msgspec

    from replay.experiments import listed
    from replay.progress import Silent
    from replay.session import Session

    with Session.open(Path.cwd(), overrides=(), progress=Silent(), create=False) as session:
        rows = listed(session.ground)
    if as_json:
        write_json(msgspec.json.encode({"schema_version": "replay.experiments/1", "experiments": rows}))
    else:
        from replay.experiments.text import render_list

        render_list(rows, console())
    return 0


@command.command("show")
@click.argument("name", metavar="NAME|ID")
@click.option("--sort", metavar="METRIC", help="Order the trials by a metric or parameter.")
@click.option("--descending", is_flag=True, help="Greatest first.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@overrides
def show(name: str, sort: str | None, descending: bool, as_json: bool, overrides: tuple[str, ...]) -> int:
    """Show parameters and metrics across the trials of an experiment: what varies and what is held constant.

    Each two trials that differ in exactly one parameter are compared, and what else differs between them is said.
    Exits with 0, or with 1 when parts of the experiment may not be seen.
    """
    from replay.experiments import table_of
    from replay.experiments.table import sorted_by
    from replay.progress import Silent
    from replay.session import Session

    if descending and not sort:
        raise click.UsageError("--descending needs --sort METRIC")
    with Session.open(Path.cwd(), overrides=overrides, progress=Silent(), create=False) as session:
        found = table_of(_experiment(name, session), session.ground, files=_files(session))
    if sort:
        found = sorted_by(found, sort, descending=descending)
    if as_json:
        import msgspec

        write_json(msgspec.json.encode(found))
    else:
        from replay.experiments.text import render_table

        render_table(found, console())
    return 0 if found.complete else 1


def _experiment(name: str, session: Session) -> str:
    """The experiment of this name in this store, else whatever else is meant.

    Raises:
        NotRecordedError: There is none; the hint has near matches.
    """
    import difflib

    from replay.ask import focal
    from replay.ask.seen import seen
    from replay.errors import NotRecordedError
    from replay.experiments import listed
    from replay.lineage import experiment_node

    uid = experiment_node(name, session.store.id).uid
    if seen([uid], session.ground):
        return uid
    try:
        return focal(name, session.ground, directory=Path.cwd())
    except NotRecordedError:
        known = [row.name for row in listed(session.ground)]
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.5) or known[-3:]
        hint = f"did you mean {' or '.join(near)}?" if near else "`replay record --experiment NAME` begins one"
        raise NotRecordedError(f"there is no experiment {name!r}", hint=hint) from None


def _files(session: Session) -> Files:
    """Which files differ between two code versions, where this machine has both."""

    def files(one: Any, other: Any) -> list[str] | None:
        import msgspec

        from replay.errors import ReplayError
        from replay.recipe import Code

        try:
            a, b = msgspec.convert(one, Code), msgspec.convert(other, Code)
            mirror = session.mirror(b)
            for code in (a, b):
                mirror.ensure(code.commit, [place for place in session.code_sources(code) if "://" not in place])
            return [path for _, path in mirror.files_changed(a.commit, b.commit)]
        except (ReplayError, msgspec.ValidationError):  # then it is said that this is not known
            return None

    return files
