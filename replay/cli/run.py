"""``replay run MODEL-ID`` (or ``replay MODEL-ID``): replay a model version and judge it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from replay.cli.common import EXIT_OF_VERDICT, console, terminable, write_json
from replay.cli.options import overrides, verbosity
from replay.cli.progress import watching


@click.command("run", short_help="Replay a model version and judge every output.")
@click.argument("model_id", required=False)
@click.option("--recipe", "recipe_file", type=click.Path(path_type=Path), help="Replay this recipe file instead.")
@click.option("--plan", is_flag=True, help="Say what would be fetched, built and run, from where; touch nothing.")
@click.option("--isolated", "mode", flag_value="isolated", default=True, help="Each step from its recorded inputs.")
@click.option("--chained", "mode", flag_value="chained", help="End to end: each step from its predecessors' replay.")
@click.option("--repeat", type=click.IntRange(1, 1000), default=1, show_default=True, help="Replay N times.")
@click.option(
    "--from-step", metavar="STEP", help="Replay this step and what follows it; its inputs are the recorded ones."
)
@click.option("--keep", is_flag=True, help="Keep the workspace with every replayed file.")
@click.option("--offline", is_flag=True, help="Ask local sources only.")
@click.option("--json", "as_json", is_flag=True, help="Write the result as JSON.")
@click.option(
    "--report", type=click.Path(path_type=Path, file_okay=False), help="Also write the evidence to this folder."
)
@overrides
@verbosity
def command(model_id: str | None, recipe_file: Path | None, plan: bool, **options: Any) -> int:
    """Replay MODEL-ID: rebuild its environment, rerun its workflow, compare every output with the record.

    Exits with 0 only when everything compared is reproduced; see `replay --help` for the exit codes.
    """
    from replay import engine, inspecting
    from replay.freeze import load_recipe
    from replay.session import Session

    if (model_id is None) == (recipe_file is None):
        raise click.UsageError("expected a MODEL-ID or --recipe FILE, and not both")
    choices = list(options["overrides"]) + (["fetch.offline=true"] if options["offline"] else [])
    given = load_recipe(recipe_file) if recipe_file else None
    with (
        terminable(),
        watching(options["verbosity"]) as progress,
        Session.open(
            Path.cwd(), overrides=choices, progress=progress, create=recipe_file is not None and not plan
        ) as session,
    ):
        recipe = given or engine.recipe_of(str(model_id), session)
        if plan:
            return _show_plan(inspecting.plan(recipe, session, options["mode"]), options["as_json"])
        wishes = engine.Wishes(
            mode=options["mode"],
            repeat=options["repeat"],
            from_step=options["from_step"],
            keep=options["keep"],
            report=options["report"],
        )
        result = engine.replay(recipe, session, wishes)
    return _show_result(result, recipe, options)


def _show_plan(plan: Any, as_json: bool) -> int:
    import msgspec

    if as_json:
        write_json(msgspec.json.encode(plan))
    else:
        from replay.report.text_recipe import render_plan

        render_plan(plan, console())
    return 0


def _show_result(result: Any, recipe: Any, options: dict[str, Any]) -> int:
    if options["as_json"]:
        from replay.report.machine import to_json

        write_json(to_json(result))
    else:
        from replay.report.text import render_result

        render_result(result, recipe, console())
    return EXIT_OF_VERDICT[result.verdict]
