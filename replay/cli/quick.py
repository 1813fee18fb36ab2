"""The short way of ``replay lineage ID --json``: programs call it in loops, and importing click takes longer than it.

Only the plainest form is understood, and it does just what ``cli/lineage.py`` does; everything else goes there.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from replay.query import Answer

_DIRECTIONS = {"--up": "up", "--down": "down", "--updown": "updown", "--connected": "connected"}
_FLAGS = {"--json", "--edges", *_DIRECTIONS}


def understands(words: list[str]) -> bool:
    """Whether a command line is ``lineage ID --json`` and at most a direction and ``--edges`` beside it."""
    plain = [word for word in words[1:] if word.strip() and not word.startswith("-")]
    flags = [word for word in words[1:] if word not in plain]
    directions = [flag for flag in flags if flag in _DIRECTIONS]
    return len(plain) == 1 and "--json" in flags and _FLAGS.issuperset(flags) and len(directions) <= 1


def run(words: list[str]) -> int:
    """Ask, print, and say with which code to exit."""
    gc.disable()  # nothing here lives long enough
    try:
        return _run(words)
    except BaseException as error:
        from replay.cli.common import exit_code_of

        return exit_code_of(error)


def leave(code: int) -> NoReturn:
    """Exit without taking the interpreter apart, a sixth of this command's time: all is written and closed by now."""
    os._exit(code)


def _run(words: list[str]) -> int:
    from replay import light  # isort: skip  # noqa: F401  # first of all
    from pathlib import Path

    import msgspec

    from replay.ask import ask, focal
    from replay.progress import Silent
    from replay.query import Direction, Query
    from replay.session import Session

    direction = next((_DIRECTIONS[word] for word in words if word in _DIRECTIONS), "up")
    what = next(word for word in words[1:] if not word.startswith("-"))
    with Session.open(Path.cwd(), overrides=(), progress=Silent(), create=False) as session:
        ground = session.ground
        start = focal(what, ground, directory=Path.cwd())
        query = Query(start=(start,), direction=Direction(direction), include_edges="--edges" in words)
        answer = ask(query, ground)
    if told := other_bytes(what, answer):
        from replay.report.clean import clean

        sys.stderr.write(f"{clean(told)}\n")
    data = msgspec.json.encode(answer)
    if sys.stdout.isatty():
        from replay.report.clean import clean_json

        data = clean_json(data.decode()).encode()
    sys.stdout.buffer.write(data + b"\n")
    sys.stdout.buffer.flush()
    return 0 if answer.complete else 1


def other_bytes(what: str, answer: Answer) -> str:
    """What is to be said when a file was named, and what is recorded at its path has other bytes."""
    from pathlib import Path

    starts = [answer.nodes[uid] for uid in answer.query.start]
    if len(starts) == 1 and starts[0].kind == "locator" and Path(what).exists():
        return f"! {what}: the bytes that lie there now are not recorded; this is about its path, whatever lay there"
    return ""
