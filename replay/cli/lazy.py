"""Groups of commands that are imported when they are used, so that ``--help`` costs little more than Python itself."""

from __future__ import annotations

from importlib import import_module
from typing import ClassVar

import click


class Lazy(click.Group):
    """A group whose commands have modules of their own."""

    homes: ClassVar[dict[str, str]]
    """Of each command the module of this package that holds it: its ``command``, or several in its ``COMMANDS``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which a user meets them."""
        return list(self.homes)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in self.homes:
            return None
        module = import_module(f"replay.cli.{self.homes[cmd_name]}")
        command = getattr(module, "COMMANDS", {}).get(cmd_name) or module.command
        if not isinstance(command, click.Command):
            raise TypeError(cmd_name)
        return command
