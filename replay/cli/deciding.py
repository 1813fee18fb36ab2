"""What the verbs of the registry share: their options, the node that is meant, and how a decision is told."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from replay.cli.common import printable, write_json
from replay.cli.options import F, overrides

if TYPE_CHECKING:
    from replay.ask import Ground
    from replay.registry import Done
    from replay.session import Session

Decide = Callable[["Session", "Ground", Callable[[str], str]], "Done"]
"""Decides in a session; the last argument turns what a person wrote into a uid."""


def decision(*, reason: bool) -> Callable[[F], F]:
    """``--reason`` (required or not), ``--by``, ``--json`` and ``-o``."""

    def wrap(function: F) -> F:
        function = overrides(function)
        function = click.option("--json", "as_json", is_flag=True, help="Write the decision as JSON.")(function)
        function = click.option("--by", metavar="WHO", help="Who decided, when it was not you; both are recorded.")(
            function
        )
        given: dict[str, Any] = {"required": True} if reason else {"default": ""}
        return click.option("--reason", metavar="TEXT", help="Why.", **given)(function)

    return wrap


def decide(how: Decide, *, as_json: bool, overrides: tuple[str, ...]) -> int:
    """Open the store, decide, tell."""
    from replay.progress import Silent
    from replay.session import Session

    with Session.open(Path.cwd(), overrides=overrides, progress=Silent(), create=False) as session:
        ground = session.ground
        done = how(session, ground, lambda text: node_of(text, session, ground))
    _tell(done, as_json=as_json)
    return 0


def node_of(text: str, session: Session, ground: Ground) -> str:
    """The node that a person means.

    Raises:
        ModelNotFoundError: It reads as a model version, and there is none; the hint has near matches.
        ResolveError: Nothing is recorded that it means.
        UsageError: It means several nodes.
    """
    from replay.ask import focal
    from replay.errors import ResolveError, UsageError
    from replay.identity import ModelId

    try:
        return focal(text, ground, directory=Path.cwd())
    except ResolveError:
        with contextlib.suppress(UsageError):
            wanted = ModelId.parse(text)
            if ground.guard is None and (wanted.version or wanted.alias):  # else hints could tell what is hidden
                session.store.model_version(wanted)
        raise


def _tell(done: Done, *, as_json: bool) -> None:
    import msgspec

    if as_json:
        write_json(msgspec.json.encode(done))
        return
    who = f"by {done.by}" + (f", written down by {done.told_by}" if done.told_by else "")
    why = f": {done.reason}" if done.reason else ""
    click.echo(printable(f"{done.told} ({who}){why}"))
    for note in done.notes:
        click.echo(printable(f"! {note}"), err=True)
