"""``replay demo``: a real model, recorded three times, replayed and diffed; it prints the commands it runs."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import click

from replay.cli.common import terminable
from replay.errors import InterruptedReplayError, RecordError, UsageError

EXAMPLE = "momentum"
PROFILE = "portable-v3"
_AUTHOR = {"NAME": "replay demo", "EMAIL": "demo@localhost"}


@click.command("demo")
@click.argument("directory", default="momentum-demo", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--layout-only", is_flag=True, help="Only lay out the repository of version 1; record and replay nothing."
)
def command(directory: Path, layout_only: bool) -> int:
    r"""Lay out a momentum model in DIRECTORY (Git and DVC), record three versions, replay one, diff two.

    \b
    momentum:1   baseline
    momentum:2   another seed
    momentum:3   another data version
    What is there already is reused, and said so.
    """
    with terminable():
        demo = Demo(directory.resolve())
        demo.lay_out()
        if layout_only:
            return 0
        for version in demo.versions:
            demo.record(version)
        demo.say("\nWas it made as recorded, and can it be made again?")
        verdict = demo.run("replay", f"{EXAMPLE}:1", expect=(0, 1, 3, 5))
        demo.say("\nWhat is the difference between the first version and the third?")
        demo.run("replay", "diff", f"{EXAMPLE}:1", f"{EXAMPLE}:3", expect=(0, 1))
        demo.say(
            f"\nGo on in {directory}: `replay models`, `replay lineage {EXAMPLE}:1`, `replay {EXAMPLE}:2 --chained`."
        )
        return verdict


class Demo:
    """The example repository in one folder. Its commits are the same everywhere: fixed author, dates and content."""

    def __init__(self, directory: Path) -> None:
        from replay.templates import Layout, gallery

        self.directory = directory
        self._template = gallery().template(EXAMPLE)
        self._layout = Layout(self._template, directory, self._prepare)
        self._commits = 0

    @property
    def versions(self) -> list[int]:
        """The versions that are recorded, in order."""
        return self._template.versions

    def lay_out(self) -> None:
        """Make the Git and DVC repository, unless it is there."""
        from replay.templates.layout import is_free

        marker = self.directory / ".git" / "replay-demo"
        if marker.exists():
            self._commits = int(marker.read_text())
            self.say(f"reusing the repository in {self.directory}")
            return
        if not is_free(self.directory):
            raise UsageError(
                f"{self.directory} is not empty and holds no demo", hint="give a folder that is new or empty"
            )
        self.say(f"laying out the example in {self.directory}")
        self._layout.begin(self.versions[0], "--initial-branch=main")
        marker.write_text(str(self._commits))

    def record(self, version: int) -> None:
        """Edit, commit and record one version, as a researcher would; a recorded one is reused."""
        model_id = f"{EXAMPLE}:{version}"
        if (self.directory / "recipes" / EXAMPLE / f"{version}.json").exists():
            self.say(f"reusing {model_id}, which is recorded already")
            return
        message = self._template.message(version)
        self.say(f"\n{model_id}: {message}")
        if version != self.versions[0]:
            self._layout.write(version)
        self._commit(message)
        self.run("replay", "record", "--model", EXAMPLE, "--profile", PROFILE)
        self._commit(f"Record {model_id}")
        self.run("dvc", "push", "--quiet")

    def say(self, text: str) -> None:
        """A line for the reader."""
        click.echo(text)
        sys.stdout.flush()

    def run(self, *command: str, expect: tuple[int, ...] = (0,), quiet: bool = False) -> int:
        """Show a command and run it in the example."""
        if not quiet:
            self.say(f"$ {shlex.join(command)}")
        sys.stdout.flush()
        real = [sys.executable, "-m", command[0], *command[1:]] if command[0] in {"replay", "dvc"} else list(command)
        done = subprocess.run(real, cwd=self.directory, env=self._environment(), check=False)
        if done.returncode in {130, 143}:
            raise InterruptedReplayError("the demo was stopped; run it again to go on from here")
        if done.returncode not in expect:
            raise RecordError(f"{shlex.join(command)} exited with {done.returncode}", hint="the lines above say why")
        return done.returncode

    def _prepare(self, *command: str) -> None:
        """What lays the example out, shown like all other commands, but for the first one."""
        self.run(*command, quiet=command[:2] == ("git", "init"))

    def _commit(self, message: str) -> None:
        self.run("git", "add", "--all", ":!recipes", quiet=True)
        unchanged = (
            subprocess.run(["git", "diff", "--cached", "--quiet"], cwd=self.directory, check=False).returncode == 0
        )
        if unchanged:
            return
        self._commits += 1
        self.run("git", "commit", "--quiet", "--no-gpg-sign", "-m", message)
        (self.directory / ".git" / "replay-demo").write_text(str(self._commits))

    def _environment(self) -> dict[str, str]:
        date = f"2013-04-01T{self._commits:02d}:00:00+0000"
        fixed = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in _AUTHOR.items()}
        dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        plain = {"DVC_NO_ANALYTICS": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        return os.environ | plain | fixed | dates
