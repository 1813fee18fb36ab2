"""``replay show``: a recipe in words, or who made a file."""

from __future__ import annotations

from pathlib import Path

import click

from replay.cli.common import console, printable, write_json
from replay.errors import ModelNotFoundError


@click.command("show")
@click.argument("what", metavar="ID|FILE")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def command(what: str, as_json: bool) -> int:
    """Show the recipe of a model version or of a recipe file; for any other file, tell which run made it."""
    import msgspec

    from replay import inspecting
    from replay.progress import Silent
    from replay.report.text_recipe import render_recipe
    from replay.session import Session

    path = Path(what)
    with Session.open(Path.cwd(), overrides=(), progress=Silent(), create=False) as session:
        if path.exists() and not inspecting.is_recipe_file(path):
            origins = inspecting.origins_of(path, session)
            if not origins:
                raise ModelNotFoundError(
                    f"{what}: no recorded run made or used these bytes",
                    hint="`replay models` lists what is recorded in this store",
                )
            if as_json:
                write_json(
                    msgspec.json.encode({"schema_version": "replay.origins/1", "file": what, "origins": origins})
                )
            else:
                for origin in origins:
                    made = "made by" if origin.role == "output" else "used by"
                    models = f" for {', '.join(origin.models)}" if origin.models else ""
                    click.echo(
                        printable(
                            f"{origin.path}: {made} step {origin.step}{models}, {origin.started}, run {origin.run}"
                        )
                    )
            return 0
        recipe = inspecting.recipe_or_file(what, session)
    if as_json:
        write_json(recipe.to_json())
    else:
        render_recipe(recipe, console())
    return 0
