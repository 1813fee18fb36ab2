"""``replay search``: what is recorded that has these parameters, metrics, tags, words."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from replay.cli.common import console, write_json
from replay.cli.options import overrides, verbosity

if TYPE_CHECKING:
    from replay.search.request import Found, Search

_HELP = """Find what is recorded by names, parameters, metrics, tags, properties and words.

\b
  params.lr>0.1 and metrics.sharpe>=1 and tag:desk=rates
  kind=model_version and status=approved and not deployments exists
  outputs[role=metrics and size>100]      one output is both
  momentum "risk limits" boost*           words, a phrase, the beginning of a word

\b
Operators  =  !=  <  <=  >  >=  ~ (or contains)  in (a, b)  exists  not exists;  and, or, not, ( )
Fields     name kind type id created modified status stage owner alias model version experiment trial
           commit image params.NAME metrics.NAME seeds.NAME tag:KEY property:KEY facet:KEY attrs.PATH
Lists      inputs outputs steps seeds deployments replays, as LIST[…]

A run, its execution, its trial and its model version are found by the parameters and metrics of the run. Numbers are
compared with numbers and texts with texts; quotes make a text of a number. The newest come first. Put the expression
into quotes: the shell reads > and ( itself. Exits with 0 when every hit could be told, else with 1.
"""


@click.command("search", help=_HELP)
@click.argument("words", metavar="[EXPR]", nargs=-1)
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Nodes of this kind only, e.g. model_version.")
@click.option("--sort", metavar="FIELD", help="Sort by a field, e.g. metrics.sharpe; what lacks it comes last.")
@click.option("--desc", "descending", is_flag=True, help="The greatest first.")
@click.option("--limit", type=click.IntRange(min=1, max=100_000), metavar="N", help="At most N hits (50).")
@click.option("--cursor", metavar="TEXT", help="Go on where an answer ended.")
@click.option("--query", "file", type=click.File("rb"), metavar="FILE",
              help="Read the whole search from a JSON file, or -; `replay schema search` has its fields.")  # fmt: skip
@click.option("--count", is_flag=True, help="Say only how many there are.")
@click.option("--table", is_flag=True, help="As a table (default on a terminal).")
@click.option("--json", "as_json", is_flag=True, help="As JSON (default elsewhere).")
@verbosity
@overrides
def command(
    words: tuple[str, ...],
    file: Any,
    count: bool,
    table: bool,
    as_json: bool,
    verbosity: int,
    overrides: tuple[str, ...],
    **options: Any,
) -> int:
    """See `_HELP`."""
    import msgspec

    from replay.ask.search import search
    from replay.cli.progress import watching
    from replay.session import Session

    if table and as_json:
        raise click.UsageError("got --table and --json, expected one of them")
    query = _read(file, words, options) if file is not None else _query(words, options)
    if count:
        query = msgspec.structs.replace(query, limit=1)
    with (
        watching(verbosity) as progress,
        Session.open(Path.cwd(), overrides=overrides, progress=progress, create=False) as session,
    ):
        found = search(query, session.ground, progress)
    _show(found, count=count, as_json=as_json or not (table or count or sys.stdout.isatty()))
    return 0 if found.complete else 1


def _query(words: tuple[str, ...], options: dict[str, Any]) -> Search:
    import msgspec

    from replay.errors import UsageError
    from replay.lineage import Kind
    from replay.search.parse import parse
    from replay.search.request import LIMIT, Search

    text = " ".join(words)
    _require_unicode(text, *(value for value in options.values() if isinstance(value, str)))
    if words and not text.strip():
        raise UsageError("got an empty expression", hint="leave it out to find everything; `replay search --help`")
    unknown = [kind for kind in options["kinds"] if kind not in set(Kind)]
    if unknown:
        raise UsageError(f"unknown kind {', '.join(map(repr, unknown))}", hint=f"valid: {', '.join(Kind)}")
    search = msgspec.convert({**options, "limit": options["limit"] or LIMIT}, Search)
    return msgspec.structs.replace(search, where=parse(text)) if words else search


def _require_unicode(*texts: str) -> None:
    """Bytes on a command line that are no UTF-8 can be found nowhere, and cannot be told in an answer."""
    from replay.errors import UsageError

    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise UsageError(f"got {text!r}, expected text in UTF-8") from error


def _read(file: Any, words: tuple[str, ...], options: dict[str, Any]) -> Search:
    import msgspec

    from replay.errors import UsageError
    from replay.search.request import Search

    if words or any(options.values()):
        raise click.UsageError("got --query and a search beside it, expected the whole search in the file")
    try:
        return msgspec.json.decode(file.read(), type=Search)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(f"--query: {error}", hint="`replay schema search` has every field") from error


def _show(found: Found, *, count: bool, as_json: bool) -> None:
    if as_json:
        import msgspec

        write_json(msgspec.json.encode(msgspec.structs.replace(found, hits=(), next=None) if count else found))
        return
    from replay.report.text_search import render_found, render_notes

    if not count:
        render_found(found, console())
        return
    click.echo(found.total)
    if found.hidden or found.findings:
        render_notes(found, console(stderr=True))
