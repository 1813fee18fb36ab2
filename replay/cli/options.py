"""Options that several verbs have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def verbosity(function: F) -> F:
    """``-q`` and ``-v``; the command gets ``verbosity``: −1, 0 or 1."""
    function = click.option("-q", "--quiet", "verbosity", flag_value=-1, type=int, help="No progress.")(function)
    return click.option("-v", "--verbose", "verbosity", flag_value=1, type=int, default=0, help="Show every detail.")(
        function
    )


def overrides(function: F) -> F:
    """``-o key=value`` in Hydra's syntax; the command gets ``overrides``."""
    return click.option(
        "-o",
        "overrides",
        metavar="KEY=VALUE",
        multiple=True,
        help="Change a setting of conf/, e.g. -o executor.jobs=1 (Hydra's syntax).",
    )(function)
