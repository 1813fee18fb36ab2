"""``replay check``: replay every frozen recipe; one line each, the gravest exit code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from replay.cli.common import EXIT_OF_VERDICT, SEVERITY, code_of, console, terminable, write_json
from replay.cli.options import overrides, verbosity
from replay.cli.progress import watching
from replay.errors import InterruptedReplayError, ReplayError, UsageError
from replay.outcome import Ending


@click.command("check")
@click.argument("recipes", nargs=-1, type=click.Path(path_type=Path))
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write a JUnit XML file.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document with every row.")
@click.option("--offline", is_flag=True, help="Ask local sources only.")
@overrides
@verbosity
def command(recipes: tuple[Path, ...], junit: Path | None, as_json: bool, **options: Any) -> int:
    """Replay the given recipe files, or every one under recipes/.

    The exit code is the gravest one: refused > not replayable > workflow failed > infrastructure > diverged.
    """
    import msgspec

    from replay.report.junit import CheckRow, to_junit
    from replay.report.text import check_line, check_summary
    from replay.session import Session

    choices = list(options["overrides"]) + (["fetch.offline=true"] if options["offline"] else [])
    rows: list[CheckRow] = []
    codes: list[int] = []
    with (
        terminable(),
        watching(min(options["verbosity"], 0) or -1) as progress,
        Session.open(Path.cwd(), overrides=choices, progress=progress, create=True) as session,
    ):
        for path in _find(recipes, session.root):
            row, code = _check(path, session)
            rows.append(row)
            codes.append(code)
            if not as_json:
                check_line(row, console())
    check_summary(rows, console(stderr=True))
    if as_json:
        write_json(msgspec.json.encode({"schema_version": "replay.check/1", "rows": rows}))
    if junit:
        to_junit(rows, junit)
    return max(codes, key=SEVERITY.index)


def _find(given: tuple[Path, ...], root: Path) -> list[Path]:
    found = list(given) or sorted((root / "recipes").glob("*/*.json"))
    if not found:
        raise UsageError(f"no recipe under {root / 'recipes'}", hint="`replay record` freezes one there")
    return found


def _check(path: Path, session: Any) -> tuple[Any, int]:
    import time

    from replay import engine
    from replay.freeze import load_recipe
    from replay.report.junit import CheckRow

    begun = time.monotonic()
    try:
        recipe = load_recipe(path)
        result = engine.replay(recipe, session, engine.Wishes())
    except InterruptedReplayError:
        raise
    except ReplayError as error:
        row = CheckRow(recipe=str(path), reason=str(error), hint=error.hint or "", seconds=time.monotonic() - begun)
        return row, code_of(error)
    row = CheckRow(
        recipe=str(path),
        model_id=recipe.model_id,
        verdict=result.verdict,
        reason=result.reason,
        seconds=result.seconds,
        report=result.report,
        log=next((e.log for e in result.executions if e.ending is not Ending.SUCCEEDED), ""),
    )
    return row, EXIT_OF_VERDICT[result.verdict]
