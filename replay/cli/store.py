"""``replay store``: where the lineage is kept. Each of its commands is imported when it is used."""

from __future__ import annotations

from typing import ClassVar

import click

from replay.cli.lazy import Lazy

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("store_init", "Make the tables, in this repository or in PostgreSQL."),
    "status": ("store_status", "Tell which database, how much is in it, and its newest checkpoint."),
    "migrate": ("store_migrate", "Bring the tables of an older release up to date."),
    "copy": ("store_copy", "Copy a whole store, SQLite or PostgreSQL, and prove that both are equal."),
    "attach": ("store_attach", "Read another team's store beside this one."),
    "attached": ("store_attach", "List the attached stores."),
    "detach": ("store_attach", "Read an attached store no more."),
    "identity": ("store_attach", "Say how those who ask are known."),
}
"""Of each command its module, and what it does."""


class Commands(Lazy):
    """The commands of ``replay store``."""

    homes: ClassVar = {name: module for name, (module, _) in COMMANDS.items()}

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Name near matches of a command that is none."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            from replay.errors import UsageError

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean `replay store {near[0]}`?" if near else f"expected one of {', '.join(COMMANDS)}"
            raise UsageError(f"unknown command `replay store {args[0]}`", hint=hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command("store", cls=Commands)
def command() -> None:
    """Where the lineage is kept: an SQLite file in .replay, or PostgreSQL for a team."""
