"""``replay show``: a recipe in words, who made a file, or everything about anything else that is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from replay.cli.common import console, printable, write_json
from replay.cli.options import overrides as setting_overrides
from replay.errors import ModelNotFoundError, ResolveError, UsageError

if TYPE_CHECKING:
    from replay.inspecting import Origin
    from replay.recipe import Recipe
    from replay.session import Session


@click.command("show")
@click.argument("what", metavar="ID|FILE|COMMIT|…")
@click.option("--page", "only_page", is_flag=True, help="Show the node's page: of a model version too, of a file too.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON: of a model version its recipe, else its page.")
@setting_overrides
def command(what: str, only_page: bool, as_json: bool, overrides: tuple[str, ...]) -> int:
    """Show everything about a model version or about anything else that is recorded.

    Of a model version: what was decided about it, where it runs, how its replays ended, its lineage, and its recipe. Of
    a file: which run made it. Of a recipe file: the recipe. Of a pipeline (such as dvc.yaml): its versions, and what
    changed between them.
    """
    from replay import inspecting
    from replay.progress import Silent
    from replay.session import Session

    path = Path(what)
    with Session.open(Path.cwd(), overrides=overrides, progress=Silent(), create=False) as session:
        if not only_page and inspecting.is_recipe_file(path):
            return _show_recipe(inspecting.recipe_or_file(what, session), as_json)
        if not only_page and path.exists():
            origins = inspecting.origins_of(path, session)
            if origins:
                return _show_origins(what, origins, as_json)
            return _show_page(_pipeline_of(what, session), session, as_json)
        return _show_node(what, session, as_json, only_page=only_page)


def _show_node(what: str, session: Session, as_json: bool, *, only_page: bool) -> int:
    from replay import inspecting
    from replay.cli.deciding import node_of
    from replay.lineage import Kind

    uid = node_of(what, session, session.ground)
    node = session.store.node(uid) if session.store.has(uid) else None
    if (
        only_page
        or node is None
        or node.kind is not Kind.MODEL_VERSION
        or not {"model", "version"} <= node.identity.keys()
    ):
        return _show_page(uid, session, as_json)
    model_id = f"{node.identity['model']}:{node.identity['version']}"
    if as_json:
        return _show_recipe(inspecting.recipe_or_file(model_id, session), as_json)
    _show_page(uid, session, as_json, brief=True)
    click.echo()
    return _show_recipe(inspecting.recipe_or_file(model_id, session), as_json)


def _pipeline_of(what: str, session: Session) -> str:
    """The locator of a pipeline at a path whose bytes are not recorded: its versions are, as definitions.

    Raises:
        ModelNotFoundError: Nothing is recorded of these bytes.
    """
    from replay.ask import focal
    from replay.ask.seen import seen

    hint = "`replay models` lists what is recorded in this store"
    try:
        uid = focal(what, session.ground, directory=Path.cwd())
    except (ResolveError, UsageError):
        uid = ""
    entry = seen([uid], session.ground).get(uid) if uid else None
    if entry is not None and entry.type == "pipeline":
        return uid
    if entry is not None:
        hint = f"`replay show {uid}` shows what is recorded under that path"
    raise ModelNotFoundError(f"{what}: no recorded run made or used these bytes", hint=hint)


def _show_page(uid: str, session: Session, as_json: bool, *, brief: bool = False) -> int:
    from replay.pages import page_of

    page = page_of(uid, session)
    if as_json:
        return _write(page)
    from replay.pages.text import render_page

    render_page(page, console(), brief=brief)
    return 0


def _show_recipe(recipe: Recipe, as_json: bool) -> int:
    if as_json:
        write_json(recipe.to_json())
        return 0
    from replay.report.text_recipe import render_recipe

    render_recipe(recipe, console())
    return 0


def _show_origins(what: str, origins: list[Origin], as_json: bool) -> int:
    if as_json:
        return _write({"schema_version": "replay.origins/1", "file": what, "origins": origins})
    for origin in origins:
        made = "made by" if origin.role == "output" else "used by"
        models = f" for {', '.join(origin.models)}" if origin.models else ""
        told = f"{origin.path}: {made} step {origin.step}{models}, {origin.started}, run {origin.run}"
        click.echo(printable(told))
    return 0


def _write(value: Any) -> int:
    import msgspec

    write_json(msgspec.json.encode(value))
    return 0
