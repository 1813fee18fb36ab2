"""``replay record``: run a workflow in a container and write down everything that a replay needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from replay.cli.common import EXIT_OF_VERDICT, console, printable, terminable, write_json
from replay.cli.options import verbosity
from replay.cli.progress import watching

_HELP = """Record CMD as one step, or without CMD the DVC pipeline of this directory.

\b
replay record --model NAME                                      every stage of dvc.yaml
replay record --model NAME -i data.csv -o model.txt -- CMD …    one command
replay record --after …                                         either, when it was run already
"""


@click.command(
    "record", help=_HELP, context_settings={"ignore_unknown_options": False, "allow_interspersed_args": True}
)
@click.option("--model", "model_name", metavar="NAME", help="The model's name; default: as dvc.yaml's artifacts say.")
@click.option("-i", "--input", "inputs", metavar="PATH", multiple=True, help="An input of CMD (may be repeated).")
@click.option("-o", "--output", "outputs", metavar="PATH", multiple=True, help="An output of CMD (may be repeated).")
@click.option("--artifact", metavar="PATH", help="The output that is the model; default: as dvc.yaml's artifacts say.")
@click.option("--dirty", is_flag=True, help="Record uncommitted changes too, as a diff kept with the record.")
@click.option(
    "--after", is_flag=True, help="The run was made already: execute nothing, take inputs and outputs as they lie here."
)
@click.option("--certify", is_flag=True, help="Replay at once, and record whether the run reproduces itself.")
@click.option("--metadata-only", is_flag=True, help="Keep digests and small outputs only.")
@click.option(
    "--profile", type=click.Choice(["pinned", "portable-v3"]), help="Determinism profile; default: replay.yaml's."
)
@click.option("--experiment", metavar="NAME", help="The experiment that it belongs to.")
@click.option("--trial", metavar="NAME", help="Its trial in the experiment; default: the model id.")
@click.option("--json", "as_json", is_flag=True, help="Write what was recorded as JSON.")
@click.option(
    "--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Change a setting of conf/ (Hydra's syntax)."
)
@verbosity
@click.argument("cmd", nargs=-1, type=click.UNPROCESSED)
def command(cmd: tuple[str, ...], **options: Any) -> int:
    """Record CMD as one step, or without CMD the DVC pipeline of this directory; see `_HELP`."""
    from replay import engine
    from replay.session import Session

    request = engine.RecordRequest(
        command=cmd,
        model_name=options["model_name"],
        inputs=options["inputs"],
        outputs=options["outputs"],
        artifact=options["artifact"],
        dirty=options["dirty"],
        metadata_only=options["metadata_only"],
        profile=options["profile"],
        experiment=options["experiment"],
        trial=options["trial"],
        after=options["after"],
    )
    if not cmd and (options["inputs"] or options["outputs"]):
        raise click.UsageError("-i and -o describe a command, and none was given: write -- CMD … at the end")
    with (
        terminable(),
        watching(options["verbosity"]) as progress,
        Session.open(
            Path.cwd(), overrides=options["overrides"], progress=progress, create=True, in_repository=True
        ) as session,
    ):
        recorded = engine.record(request, session)
        certificate = engine.certify(recorded, session) if options["certify"] else None
    _show(recorded, certificate, options["as_json"])
    return EXIT_OF_VERDICT[certificate.verdict] if certificate else 0


def _show(recorded: Any, certificate: Any, as_json: bool) -> None:
    import msgspec

    if as_json:
        write_json(
            msgspec.json.encode(
                {
                    "schema_version": "replay.record/1",
                    "model_id": recorded.recipe.model_id,
                    "recipe_id": recorded.recipe.recipe_id,
                    "recipe": str(recorded.recipe_path),
                    "grade": recorded.recipe.grade,
                    "gaps": recorded.recipe.gaps,
                    "undeclared": recorded.undeclared,
                    "certificate": certificate.verdict if certificate else None,
                }
            )
        )
        return
    from replay.report.text_recipe import render_recipe

    render_recipe(recorded.recipe, console())
    click.echo(f"\nfrozen in {recorded.recipe_path}")
    for path in recorded.undeclared:
        click.echo(printable(f"! {path} was written, and is not declared as an output: a replay will not compare it"))
    if certificate:
        click.echo(printable(f"certificate: {certificate.verdict.value}: {certificate.reason}"))
    click.echo(f"replay it with `replay {recorded.recipe.model_id}`")
