"""``replay lineage``: what something was made from, and what stands on it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from replay.cli.common import console, printable, write_json
from replay.cli.options import F, overrides

if TYPE_CHECKING:
    from replay.query import Answer, Query

_FORMATS = ("tree", "table", "json", "dot", "mermaid", "svg")


def _flags(name: str, values: tuple[str, ...]) -> Callable[[F], F]:
    """One option spelled as several flags, such as ``--up`` and ``--down``."""

    def wrap(function: F) -> F:
        for value in reversed(values):
            function = click.option(f"--{value}", name, flag_value=value, default=None, help=_HELP[value])(function)
        return function

    return wrap


_HELP = {
    "up": "What it was made from (default).",
    "down": "What was made from it.",
    "updown": "Both, each by itself.",
    "connected": "Both, from every node on the way too.",
    "tree": "As a tree (default on a terminal).",
    "table": "As a table, nearest first.",
    "json": "As JSON (default elsewhere).",
    "dot": "As Graphviz DOT.",
    "mermaid": "As a Mermaid flowchart.",
    "svg": "As an SVG picture.",
}


@click.command("lineage")
@click.argument("what", metavar="ID|FILE|COMMIT|IMAGE|DATASET", required=False)
@_flags("direction", ("up", "down", "updown", "connected"))
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Tell nodes of this kind only.")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Tell nodes of this type only, e.g. experiment.")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="Tell nodes met in this role only, e.g. input.")
@click.option("--where", multiple=True, metavar="KEY=VALUE", help="Tell nodes with all of these properties.")
@click.option("--any", "where_any", multiple=True, metavar="KEY=VALUE", help="Tell nodes with one of these properties.")
@click.option("--created-after", metavar="TIME", help="Recorded at TIME or later (ISO 8601).")
@click.option("--created-before", metavar="TIME", help="Recorded at TIME or before.")
@click.option("--modified-after", metavar="TIME", help="Last spoken of at TIME or later.")
@click.option("--modified-before", metavar="TIME", help="Last spoken of at TIME or before.")
@click.option("--as-of", metavar="TIME", help="The graph as it was recorded at TIME.")
@click.option("--depth", "max_depth", type=int, metavar="N", help="At most N edges away.")
@click.option("--follow", multiple=True, metavar="TYPE", help="Walk along edges of this type only, e.g. used.")
@click.option("--stop-at", multiple=True, metavar="KIND", help="Do not walk on from nodes of this kind.")
@click.option("--edges", "include_edges", is_flag=True, help="Tell the edges too, and what lies on the way.")
@click.option("--paths", type=click.Choice(["all", "shortest"]), help="Tell the ways to each node too.")
@click.option("--limit", type=int, metavar="N", help="At most N nodes; the answer says how to go on.")
@click.option("--cursor", metavar="TEXT", help="Go on where an answer ended.")
@click.option("--query", "file", type=click.File("rb"), help="Read the whole question from a JSON file, or -.")
@_flags("form", _FORMATS)
@overrides
def command(what: str | None, form: str | None, file: Any, **options: Any) -> int:
    """Ask the lineage from any node: a model id, a file, a digest, commit, run, image, or a recorded name.

    Answers are complete, or say what is missing. Exits with 0 when the answer is complete, else with 1.
    """
    from replay.ask import ask, focal
    from replay.progress import Silent
    from replay.session import Session

    if (what is None) == (file is None):
        raise click.UsageError("expected ID|FILE|COMMIT|IMAGE|DATASET or --query FILE, and not both")
    chosen = options.pop("overrides")
    form = form or ("tree" if sys.stdout.isatty() else "json")
    with Session.open(Path.cwd(), overrides=chosen, progress=Silent(), create=False) as session:
        ground = session.ground
        if file is not None:
            query = _read(file.read())
        else:
            options["include_edges"] |= form not in {"json", "table"}
            query = _query(focal(str(what), ground, directory=Path.cwd()), options)
        answer = ask(query, ground)
    _show(answer, form)
    return 0 if answer.complete else 1


def _query(start: str, options: dict[str, Any]) -> Query:
    import msgspec

    from replay.errors import UsageError
    from replay.lineage import EdgeType, Kind
    from replay.query import Query

    for name, known in (("kinds", Kind), ("stop_at", Kind), ("follow", EdgeType)):
        unknown = [word for word in options[name] if word not in set(known)]
        if unknown:
            what = "edge type" if known is EdgeType else "kind"
            raise UsageError(f"unknown {what} {', '.join(map(repr, unknown))}", hint=f"valid: {', '.join(known)}")
    pairs = {name: dict(_pair(text) for text in options.pop(name)) for name in ("where", "where_any")}
    options["direction"] = options["direction"] or "up"
    return msgspec.convert({"start": (start,), **pairs, **options}, Query)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise click.UsageError(f"got {text!r}, expected KEY=VALUE")
    return key, value


def _read(data: bytes) -> Query:
    import msgspec

    from replay.errors import UsageError
    from replay.query import Query

    try:
        return msgspec.json.decode(data, type=Query)
    except msgspec.DecodeError as error:
        raise UsageError(f"--query: {error}", hint="`replay schema query` has every field") from error


def _show(answer: Answer, form: str) -> None:
    if form == "json":
        import msgspec

        write_json(msgspec.json.encode(answer))
        return
    from replay.report import lineage

    if form in {"tree", "table"}:
        render = lineage.render_tree if form == "tree" else lineage.render_table
        render(answer, console())
    else:
        text = {"dot": lineage.to_dot, "mermaid": lineage.to_mermaid, "svg": lineage.to_svg}[form](answer)
        click.echo(text)
    for finding in answer.findings:
        click.echo(printable(f"! {finding}"), err=True)
