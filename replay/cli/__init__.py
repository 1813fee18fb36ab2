"""The command line: the only place that prints, exits and knows exit codes."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line; the console script's entry point."""
    words = sys.argv[1:]
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who started us: nobody wants to read it
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    if words and words[0] == "lineage":
        from replay.cli import quick

        if quick.understands(words):
            quick.leave(quick.run(words))
    sys.exit(_run(words))


def _run(words: list[str]) -> int:
    from replay.cli import verbs

    if words and words[0].partition("=")[0] == "--recipe":  # a recipe file stands for its model id
        words = ["run", *words]
    return verbs.run(words)
