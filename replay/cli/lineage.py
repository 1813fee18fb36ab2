"""``replay lineage``: what something was made from, and what stands on it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from replay.cli.common import console, printable, write_json
from replay.cli.options import F, overrides

if TYPE_CHECKING:
    from replay.query import Answer, Query
    from replay.session import Session

_DIRECTIONS = {
    "up": "What it was made from (default).",
    "down": "What was made from it.",
    "updown": "Both, each by itself.",
    "connected": "Both, from every node on the way too.",
}
_FORMS = {
    "tree": "As a tree (default on a terminal).",
    "table": "As a table, nearest first.",
    "json": "As JSON (default elsewhere).",
    "dot": "As Graphviz DOT.",
    "mermaid": "As a Mermaid flowchart.",
    "svg": "As an SVG picture.",
}


def _one_of(values: dict[str, str]) -> Callable[[F], F]:
    """One flag for each value; see `_chosen`."""

    def wrap(function: F) -> F:
        for value, told in reversed(values.items()):
            function = click.option(f"--{value}", is_flag=True, help=told)(function)
        return function

    return wrap


def _chosen(values: dict[str, str], options: dict[str, Any]) -> str | None:
    """The one flag of these that was given, if any; all of them are taken out of ``options``."""
    given = [value for value in values if options.pop(value)]
    if len(given) > 1:
        flags = " and ".join(f"--{value}" for value in given)
        raise click.UsageError(f"got {flags}, expected one of them" + ("; --updown is both" * ("up" in given)))
    return given[0] if given else None


@click.command("lineage")
@click.argument("what", metavar="ID|FILE|COMMIT|IMAGE|DATASET", required=False)
@_one_of(_DIRECTIONS)
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Tell nodes of this kind only, e.g. dataset.")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Tell nodes of this type only, e.g. experiment.")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="Tell nodes met in this role only, e.g. input.")
@click.option("--where", multiple=True, metavar="KEY=VALUE", help="Tell nodes with all of these properties.")
@click.option("--any", "where_any", multiple=True, metavar="KEY=VALUE", help="Tell nodes with one of these properties.")
@click.option("--created-after", metavar="TIME", help="Recorded at TIME or later (ISO 8601).")
@click.option("--created-before", metavar="TIME", help="Recorded at TIME or before.")
@click.option("--modified-after", metavar="TIME", help="Last spoken of at TIME or later.")
@click.option("--modified-before", metavar="TIME", help="Last spoken of at TIME or before.")
@click.option("--as-of", metavar="TIME", help="The graph as it was recorded at TIME.")
@click.option("--depth", "max_depth", type=click.IntRange(min=0), metavar="N", help="At most N edges away.")
@click.option("--follow", multiple=True, metavar="TYPE", help="Walk along edges of this type only, e.g. used.")
@click.option("--stop-at", multiple=True, metavar="KIND", help="Do not walk on from nodes of this kind.")
@click.option("--edges", "include_edges", is_flag=True, help="Tell the edges too, and what lies on the way.")
@click.option("--same-bytes", is_flag=True, help="Walk through who only made the same bytes too.")
@click.option("--paths", type=click.Choice(["all", "shortest"]), help="Tell the ways to each node too.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N nodes; the answer says how to go on.")
@click.option("--cursor", metavar="TEXT", help="Go on where an answer ended.")
@click.option("--query", "file", type=click.File("rb"), metavar="FILE",
              help="Read the whole question from a JSON file, or -; `replay schema query` has its fields.")  # fmt: skip
@_one_of(_FORMS)
@click.option("--full", is_flag=True, help="Print a tree to its end, however long.")
@overrides
def command(what: str | None, file: Any, full: bool, **options: Any) -> int:
    """Ask the lineage from any node: a model id, a file, a digest, commit, run, image, or a recorded name.

    Answers are complete, or say what is missing. Exits with 0 when the answer is complete, else with 1.
    """
    from replay.ask import ask
    from replay.cli.quick import other_bytes
    from replay.progress import Silent
    from replay.session import Session

    form = _chosen(_FORMS, options) or ("tree" if sys.stdout.isatty() else "json")
    options["direction"] = _chosen(_DIRECTIONS, options)
    _require_one_question(what, file, options)
    with Session.open(Path.cwd(), overrides=options.pop("overrides"), progress=Silent(), create=False) as session:
        query = _read(file, session) if what is None else _query(what, options, session, drawn=form not in _FLAT)
        answer = ask(query, session.ground)
    if what is not None and (told := other_bytes(what, answer)):
        click.echo(printable(told), err=True)
    _show(answer, form, full=full)
    return 0 if answer.complete else 1


_FLAT = ("json", "table")


def _require_one_question(what: str | None, file: Any, options: dict[str, Any]) -> None:
    if (what is None) == (file is None):
        raise click.UsageError("expected ID|FILE|COMMIT|IMAGE|DATASET or --query FILE, and not both")
    if what is not None and not what.strip():
        raise click.UsageError("got an empty ID|FILE|COMMIT|IMAGE|DATASET")
    given = [name for name, value in options.items() if value and name != "overrides"]
    if file is not None and given:
        flags = {str(param.name): param.opts[0] for param in click.get_current_context().command.params}
        told = ", ".join(flags.get(name, f"--{options[name]}") for name in given)
        raise click.UsageError(
            f"got --query and {told}, expected the whole question in the file: it has fields for all"
        )


def _query(what: str, options: dict[str, Any], session: Session, *, drawn: bool) -> Query:
    import msgspec

    from replay.ask import focal
    from replay.errors import UsageError
    from replay.lineage import EdgeType, Kind
    from replay.query import Query

    _require_unicode(options)
    for name, known in (("kinds", Kind), ("stop_at", Kind), ("follow", EdgeType)):
        unknown = [word for word in options[name] if word not in set(known)]
        if unknown:
            kind = "edge type" if known is EdgeType else "kind"
            raise UsageError(f"unknown {kind} {', '.join(map(repr, unknown))}", hint=f"valid: {', '.join(known)}")
    pairs = {name: _pairs(options.pop(name), option) for name, option in (("where", "--where"), ("where_any", "--any"))}
    options |= pairs | {"direction": options["direction"] or "up", "include_edges": options["include_edges"] or drawn}
    start = focal(what, session.ground, directory=Path.cwd())
    return msgspec.convert({"start": (start,), **options}, Query)


def _require_unicode(options: dict[str, Any]) -> None:
    """Bytes on a command line that are no UTF-8 can be found nowhere, and cannot be told in an answer."""
    from replay.errors import UsageError

    for value in options.values():
        for text in value if isinstance(value, tuple) else (value,):
            try:
                str(text).encode()
            except UnicodeEncodeError as error:
                raise UsageError(f"got {text!r}, expected text in UTF-8") from error


def _pairs(texts: tuple[str, ...], option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise click.UsageError(f"{option}: got {text!r}, expected KEY=VALUE")
        if found.setdefault(key, value) != value:
            raise click.UsageError(
                f"{option}: got two values for {key!r}, expected one; `replay search` knows In and Or"
            )
    return found


def _read(file: Any, session: Session) -> Query:
    import msgspec

    from replay.ask import focal
    from replay.errors import UsageError
    from replay.query import Query

    try:
        query = msgspec.json.decode(file.read(), type=Query)
    except msgspec.DecodeError as error:
        raise UsageError(f"--query: {error}", hint=_valid(str(error))) from error
    if not all(text.strip() for text in query.start):
        raise UsageError("--query: got an empty start, expected what ID|FILE|COMMIT|IMAGE|DATASET can be")
    starts = tuple(focal(text, session.ground, directory=Path.cwd()) for text in query.start)
    return msgspec.structs.replace(query, start=starts)


def _valid(problem: str) -> str:
    """Which words are right in place of the one that an error of decoding tells of."""
    from replay.lineage import EdgeType, Kind
    from replay.query import Direction, Query

    words: dict[str, Iterable[str]] = {
        "unknown field": Query.__struct_fields__,
        "$.direction": Direction,
        "$.kinds": Kind,
        "$.stop_at": Kind,
        "$.follow": EdgeType,
        "$.paths": ("all", "shortest"),
    }
    valid = next((known for sign, known in words.items() if sign in problem), None)
    shown = f"valid: {', '.join(valid)}; " if valid is not None else ""
    return f"{shown}`replay schema query` has every field"


def _show(answer: Answer, form: str, *, full: bool) -> None:
    if form == "json":
        import msgspec

        write_json(msgspec.json.encode(answer))
        return
    from replay.report import lineage

    if form == "tree":
        lineage.render_tree(answer, console(), full=full)
    elif form == "table":
        lineage.render_table(answer, console())
    else:
        click.echo(
            {"dot": lineage.to_dot, "mermaid": lineage.to_mermaid, "svg": lineage.to_svg}[form](answer), nl=False
        )
        lineage.render_notes(answer, console(stderr=True))
