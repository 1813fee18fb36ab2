"""The command line: the only place that prints, exits and knows exit codes."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; the console script's entry point."""
    sys.exit(_run(sys.argv[1:]))


def _run(words: list[str]) -> int:
    if words and words[0].partition("=")[0] == "--recipe":  # a recipe file stands for its model id
        words = ["run", *words]
    if words and words[0] == "lineage":
        from replay.cli import quick

        if quick.understands(words):
            return quick.run(words)
    from replay.cli import verbs

    return verbs.run(words)
