"""``replay demo``: a real model, recorded three times, replayed and diffed; it prints the commands it runs."""

from __future__ import annotations

import csv
import gzip
import io
import os
import shlex
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

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
        demo.say(f"\nGo on in {directory}: `replay models`, `replay show {EXAMPLE}:1`, `replay {EXAMPLE}:2 --chained`.")
        return verdict


class Demo:
    """The example repository in one folder. Its commits are the same everywhere: fixed author, dates and content."""

    def __init__(self, directory: Path) -> None:
        import yaml

        self.directory = directory
        self._example = _gallery() / EXAMPLE
        variants: Any = yaml.safe_load((self._example / "variants.yaml").read_text())
        self._data: dict[str, dict[str, str]] = variants["data"]
        self._versions: dict[int, dict[str, Any]] = variants["versions"]
        self._commits = 0

    @property
    def versions(self) -> list[int]:
        """The versions that are recorded, in order."""
        return sorted(self._versions)

    def lay_out(self) -> None:
        """Make the Git and DVC repository, unless it is there."""
        marker = self.directory / ".git" / "replay-demo"
        if marker.exists():
            self._commits = int(marker.read_text())
            self.say(f"reusing the repository in {self.directory}")
            return
        if self.directory.exists() and any(self.directory.iterdir()):
            raise UsageError(
                f"{self.directory} is not empty and holds no demo", hint="give a folder that is new or empty"
            )
        self.say(f"laying out the example in {self.directory}")
        shutil.copytree(self._example / "project", self.directory, dirs_exist_ok=True)
        self.run("git", "init", "--quiet", "--initial-branch=main", quiet=True)
        self.run("dvc", "init", "--quiet")
        (self.directory / ".gitignore").open("a").write("/.storage\n")
        self.run("dvc", "remote", "add", "--quiet", "--default", "storage", ".storage")
        self._write_version(self.versions[0])
        marker.write_text(str(self._commits))

    def record(self, version: int) -> None:
        """Edit, commit and record one version, as a researcher would; a recorded one is reused."""
        model_id = f"{EXAMPLE}:{version}"
        if (self.directory / "recipes" / EXAMPLE / f"{version}.json").exists():
            self.say(f"reusing {model_id}, which is recorded already")
            return
        spec = self._versions[version]
        self.say(f"\n{model_id}: {spec['message']}")
        if version != self.versions[0]:
            self._write_version(version)
        self._commit(spec["message"])
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

    def _write_version(self, version: int) -> None:
        spec = self._versions[version]
        for path in self._edited_files():
            shutil.copyfile(self._example / "project" / path, self.directory / path)
        for path, text in spec["files"].items():
            (self.directory / path).write_text(text)
        for path, source in self._data.items():
            target = self.directory / path
            data = _until(gzip.decompress((self._example / source["source"]).read_bytes()), source, spec["until"])
            if not target.exists() or target.read_bytes() != data:
                target.parent.mkdir(exist_ok=True)
                target.unlink(missing_ok=True)
                target.write_bytes(data)
        self.run("dvc", "add", "--quiet", *self._data)

    def _edited_files(self) -> set[str]:
        return {path for spec in self._versions.values() for path in spec["files"]}

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


def _gallery() -> Path:
    """The example models: beside the package in a wheel, else the repository's ``recipes/``."""
    package = Path(__file__).resolve().parents[1]
    bundled = package / "_recipes"
    return bundled if bundled.is_dir() else package.parent / "recipes"


def _until(data: bytes, source: dict[str, str], last: str) -> bytes:
    """The header and the rows of a CSV up to and including the day ``last``, byte for byte."""
    limit = datetime.fromisoformat(last)
    header, *rows = data.decode().splitlines(keepends=True)
    column = next(csv.reader(io.StringIO(header))).index(source["column"])
    kept = [row for row in rows if datetime.strptime(_cell(row, column), source["format"]) <= limit]
    return "".join([header, *kept]).encode()


def _cell(row: str, column: int) -> str:
    return next(csv.reader(io.StringIO(row)))[column]
