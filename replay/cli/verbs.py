"""All verbs. They are imported when they are used, so that ``replay --help`` costs little more than Python itself."""

from __future__ import annotations

from typing import ClassVar

import click

from replay.cli.lazy import Lazy

SECTIONS = {
    "Record and replay": {
        "record": "Run a workflow in a container; record all a replay needs.",
        "run": "Replay a model version and judge every output (default).",
        "check": "Replay every frozen recipe, one line each; what CI runs.",
        "diff": "Compare two recipes: causes first, effects after.",
        "new": "Lay out a project from a template.",
    },
    "Ask": {
        "models": "List the model versions: approved, deployed, replayed?",
        "show": "Tell everything about a model version or another node.",
        "lineage": "Ask what it was made from, and what stands on it.",
        "impact": "Tell which models, approvals, deployments it touches.",
        "search": "Find by parameters, metrics, tags, names and words.",
        "experiments": "Compare the trials of an experiment.",
        "features": "Write rows once, and read them as of a time.",
    },
    "Decide and share": {
        "approve": "Approve a model version; who, when, why is recorded.",
        "reject": "Reject a model version: it is not to be deployed.",
        "alias": "Let MODEL@NAME mean a version from now on.",
        "deploy": "Record where a model version runs.",
        "annotate": "Set status, stage, owner, tags and properties.",
        "link": "Record that two nodes are the same thing.",
        "group": "Share parts of the lineage; who may do what with them.",
    },
    "Keep": {
        "verify": "Check the record: every digest, the chain, the graph.",
        "costs": "Tell what is kept, and what deleting would free.",
        "forget": "Drop bytes that nobody needs; a tombstone stays.",
        "store": "Make, migrate, copy or attach a store.",
    },
    "Begin": {
        "demo": "Record a real model three times, replay it, diff it.",
        "doctor": "Tell what this machine can replay, and what is missing.",
        "schema": "Print the JSON Schema of a document.",
    },
}
"""All verbs by what they are for, each with what it does."""

COMMANDS = {name: text for verbs in SECTIONS.values() for name, text in verbs.items()}

EPILOG = """\b
Examples:
  replay record --model momentum      record the DVC pipeline in this directory
  replay momentum:1                   replay it: same as `replay run momentum:1`
  replay momentum:1 --plan            say what would be fetched, built and run; touch nothing
  replay diff momentum:1 momentum:3   what changed, and what came of it
  replay impact data/prices.csv       which models, approvals and deployments these bytes touch
\b
Exit codes:
  0 reproduced   1 diverged, not self-reproducible or inconclusive   2 usage or configuration
  3 not replayable (evidence missing or corrupt)   4 infrastructure   5 the workflow failed
  6 refused by policy   130, 143 interrupted
"""


class Verbs(Lazy):
    """All verbs; the default one is ``run``."""

    homes: ClassVar = {name: name for name in COMMANDS}

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Read ``replay momentum:1`` as ``replay run momentum:1``; anything else must be a verb."""
        if args and args[0] not in COMMANDS:
            from replay.cli.common import expect_model_id

            expect_model_id(args[0], COMMANDS, ctx.params.get("directory"))
            args = ["run", *args]
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        for title, verbs in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(list(verbs.items()))


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from replay.cli.common import tool_version

        click.echo(f"replay {tool_version()}")
        ctx.exit()


@click.command(cls=Verbs, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-C", "directory", metavar="DIR", type=click.Path(exists=True, file_okay=False), help="Work in DIR.")
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def replay(directory: str | None) -> None:
    """How was this model made, and can you make it again?

    `replay MODEL-ID` rebuilds the recorded environment, reruns the workflow without network, compares every output with
    the record, and says why.
    """
    if directory:
        import os

        os.chdir(directory)


def run(words: list[str]) -> int:
    """Run one command line; its exit code."""
    try:
        result = replay.main(words, prog_name="replay", standalone_mode=False)
    except click.exceptions.Exit as error:
        return error.exit_code
    except BaseException as error:
        from replay.cli.common import exit_code_of

        return exit_code_of(error)
    return result if isinstance(result, int) else 0
