"""What the verbs share: exit codes, how errors are told, consoles, and which word is a model id."""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import signal
import sys
import traceback
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from replay import errors

if TYPE_CHECKING:
    from rich.console import Console

EXIT_OF_VERDICT = {
    "reproduced": 0,
    "diverged": 1,
    "not-self-reproducible": 1,
    "inconclusive": 1,
    "not-replayable": 3,
    "failed": 5,
}
"""By the verdicts' text, so that ``--help`` need not import the nouns."""
_EXIT_OF_ERROR: tuple[tuple[type[errors.ReplayError], int], ...] = (
    (errors.UsageError, 2),
    (errors.PolicyError, 6),
    (errors.WorkflowFailedError, 5),
    (errors.EngineUnavailableError, 4),
    (errors.ExecuteError, 4),
    (errors.SourceUnreachableError, 4),
    (errors.FetchError, 3),
    (errors.StoreCorruptError, 3),
    (errors.StoreError, 4),
    (errors.ImageBuildError, 4),
    (errors.RebuildError, 3),
    (errors.NotRecordedError, 2),
    (errors.ResolveError, 3),
    (errors.FreezeError, 3),
    (errors.CompareError, 3),
    (errors.RecordError, 2),
)
SEVERITY = (0, 1, 4, 5, 3, 6, 2, 143, 130)
"""Exit codes from mild to grave, for commands that answer for several models."""

PIPE_WIDTH = 132
"""Columns where no terminal says how many it has: a digest fits into a line."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class Terminated(BaseException):
    """SIGTERM arrived."""


def exit_code_of(error: BaseException) -> int:
    """Tell the user about an error on stderr and say with which code to exit."""
    if isinstance(error, click.UsageError):
        error.show()
        return 2
    if isinstance(error, click.ClickException):
        error.show()
        return 2
    if isinstance(error, Terminated):
        _say("interrupted", "stopped by SIGTERM; containers are removed, partial evidence is kept", None)
        return 143
    if isinstance(error, KeyboardInterrupt | click.Abort | errors.InterruptedReplayError):
        _say("interrupted", str(error) or "stopped; containers are removed, partial evidence is kept", None)
        return 143 if getattr(error, "signum", None) == signal.SIGTERM else 130
    if isinstance(error, errors.ReplayError):
        _say("error", str(error), error.hint)
        _show_log(error)
        return code_of(error)
    if isinstance(error, BrokenPipeError) or isinstance(error.__context__, BrokenPipeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    if isinstance(error, OSError):
        _say("error", f"{error.filename or 'operating system'}: {error.strerror or error}", "see the message above")
        return 4
    traceback.print_exception(error)
    _say("error", f"this is a defect in replay: {type(error).__name__}: {error}", "please report the lines above")
    return 4


def code_of(error: errors.ReplayError) -> int:
    """The exit code of one of our errors."""
    return next((code for kind, code in _EXIT_OF_ERROR if isinstance(error, kind)), 4)


def _say(word: str, message: str, hint: str | None) -> None:
    click.echo(f"{click.style(word, bold=True, fg='red')}: {printable(message)}", err=True, color=_colour())
    if hint:
        click.echo(f"{click.style('hint', bold=True)}: {printable(hint)}", err=True, color=_colour())


def _colour() -> bool:
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


def _show_log(error: errors.ReplayError) -> None:
    if isinstance(error, errors.WorkflowFailedError) and error.log:
        click.echo("the last lines of its log:", err=True)
        for line in error.log.splitlines():
            click.echo(f"  {printable(line)}", err=True)


def printable(text: str) -> str:
    """``text`` without control characters, so that recorded words cannot steer a terminal."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def expect_model_id(word: str, verbs: Collection[str], directory: str | None) -> None:
    """Accept ``word`` as a model id, or explain that it is no verb either.

    Raises:
        UsageError: It is neither.
    """
    from replay.identity import ModelId

    if word.startswith("-"):
        return
    near = difflib.get_close_matches(word, verbs, n=1)
    try:
        model_id = ModelId.parse(word)
    except errors.UsageError:
        if near:
            raise errors.UsageError(f"unknown command {word!r}", hint=f"did you mean `replay {near[0]}`?") from None
        raise
    if model_id.version is None and model_id.alias is None and model_id.name not in _known(directory):
        hint = (
            f"did you mean `replay {near[0]}`?"
            if near
            else "`replay --help` lists the commands, `replay models` the models"
        )
        raise errors.UsageError(f"{word!r} is neither a command nor a recorded model", hint=hint)


def _known(directory: str | None) -> set[str]:
    from replay.config import load
    from replay.store.database import Store

    root = Store.find(Path(directory or "."))
    if root is None:
        return set()
    with Store.open(root, url=load().store.url) as store:
        return {row.name for row in store.models()}


def console(*, stderr: bool = False) -> Console:
    """A rich console that honours NO_COLOR; results go to stdout, everything else to stderr."""
    from rich.console import Console

    file = sys.stderr if stderr else sys.stdout
    width = None if file.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(stderr=stderr, highlight=False, soft_wrap=not file.isatty(), width=width)


def write_json(data: bytes) -> None:
    """One JSON document on stdout; on a terminal without what could command it."""
    if sys.stdout.isatty():
        from replay.report.clean import clean_json

        data = clean_json(data.decode()).encode()
    sys.stdout.buffer.write(data + b"\n")
    sys.stdout.buffer.flush()


def tool_version() -> str:
    """The installed version of this tool."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("replay-engine")
    except PackageNotFoundError:
        return "unknown"


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that containers are removed and files are closed."""

    def stop(_: int, __: Any) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
