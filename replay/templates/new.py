"""A new project from a template: laid out beside its place, committed, and put there at the end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec

from replay.errors import RecordError, UsageError
from replay.identity import ulid
from replay.templates.gallery import Gallery, Template
from replay.templates.layout import Layout, is_free

SCHEMA = "replay.new/1"
SETTINGS = "replay.yaml"


class Laid(msgspec.Struct, frozen=True, kw_only=True):
    """A project that was laid out."""

    schema_version: str = SCHEMA
    directory: str
    template: str
    version: int
    digest: str
    commit: str


def new_project(text: str, directory: Path, gallery: Gallery) -> Laid:
    """Lay out a template in an empty folder as a Git and DVC repository, and commit it as who runs this.

    Every record that is made there names the template, since the project's ``replay.yaml`` does. When anything fails,
    the folder is as it was before.

    Args:
        text: ``name`` or ``name@version``.
        directory: A folder that is empty or not there.
        gallery: Where the templates are.

    Raises:
        UsageError: No such template or version, a folder that is not empty, or Git does not know who commits.
        RecordError: Git or DVC failed.
    """
    template, version = gallery.chosen(text)
    place = directory.absolute()
    if not is_free(place):
        kind = "a file" if place.is_file() else "a folder with files in it"
        raise UsageError(f"{directory} is {kind}", hint="give a folder that is new or empty")
    _require_identity(place)
    made = place.parent / f".{place.name}.new-{ulid()}"
    try:
        commit = _lay_out(template, version, made)
        _put_in_place(made, place)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return Laid(
        directory=str(directory),
        template=template.name,
        version=version,
        digest=template.digest(version),
        commit=commit,
    )


def settings_text(template: Template, version: int, own: str = "") -> str:
    """``replay.yaml`` of a project that was laid out; ``own`` is what the template has in it."""
    before = f"{own.rstrip()}\n\n" if own.strip() else ""
    return (
        f"{before}# What `replay new` laid out here; every record names it.\n"
        f"template:\n  name: {template.name}\n  version: {version}\n  digest: {template.digest(version)}\n"
    )


def _lay_out(template: Template, version: int, made: Path) -> str:
    def run(*command: str) -> str:
        return _run(command, made)

    Layout(template, made, run).begin(version)
    settings = made / SETTINGS
    settings.write_text(settings_text(template, version, settings.read_text() if settings.is_file() else ""))
    run("git", "add", "--all")
    run("git", "commit", "--quiet", "-m", f"Lay out {template.name}@{version}: {template.message(version)}")
    return run("git", "rev-parse", "HEAD").strip()


def _put_in_place(made: Path, place: Path) -> None:
    """Rename the finished project; into a folder that is there, it moves entry by entry, Git's last."""
    if not place.exists():
        made.rename(place)
        return
    for entry in sorted(made.iterdir(), key=lambda path: path.name == ".git"):
        entry.rename(place / entry.name)


def _require_identity(place: Path) -> None:
    """Check that Git knows who commits, before anything is written.

    Raises:
        UsageError: It does not.
    """
    above = next(folder for folder in place.parents if folder.is_dir())
    for who in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"):
        command = ("git", "-c", "user.useConfigOnly=true", "var", who)
        if _done(command, above).returncode != 0:
            raise UsageError(
                "Git does not know who you are, so the project cannot be committed in your name",
                hint='`git config --global user.name "NAME"` and `git config --global user.email ADDRESS`',
            )


def _run(command: tuple[str, ...], directory: Path) -> str:
    done = _done(command, directory)
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-500:]
        raise RecordError(f"{' '.join(command[:3])} exited with {done.returncode}: {said}", hint="nothing was laid out")
    return done.stdout


def _done(command: tuple[str, ...], directory: Path) -> subprocess.CompletedProcess[str]:
    """Run Git, or DVC of this Python.

    Raises:
        UsageError: Git is not installed.
    """
    real = [sys.executable, "-m", *command] if command[0] == "dvc" else list(command)
    quiet = {"DVC_NO_ANALYTICS": "1", "PYTHONWARNINGS": "ignore"}
    try:
        return subprocess.run(
            real, cwd=directory, env=os.environ | quiet, capture_output=True, text=True, errors="replace", check=False
        )
    except FileNotFoundError:
        raise UsageError(f"{command[0]} is not installed", hint="`replay doctor` says what is missing") from None
