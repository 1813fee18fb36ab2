"""One sentence for a difference: which kinds of causes changed, and what became of the result."""

from __future__ import annotations

import json
from pathlib import PurePosixPath

from replay.diff.tree import RecipeDiff
from replay.report.words import plural

_SHOWN = 3
_CONFIG_FILES = {".yaml", ".yml"}
_CONFIG_FOLDERS = {"conf", "config", "configs"}
_FIRST = ("sharpe", "auc", "roc_auc", "accuracy", "f1", "rmse", "mae", "loss", "r2")
"""Metrics that people name first, in this order."""


def causes(diff: RecipeDiff, *, code_declared: bool) -> list[tuple[str, list[str]]]:
    """Kinds of causes with what changed in them, most telling first.

    A commit alone is no cause: a step sees only the inputs that it declares, so code counts when one of those
    changed, when uncommitted changes did, or when no step declares any code. A configuration or parameters file whose
    values are shown key by key is not counted again as code, nor a value again that is shown as a seed.
    """
    seeds = {(c.a, c.b) for c in diff.seeds}
    values = [(c.key, c.a, c.b) for c in diff.config] + [(c.key, c.a, c.b) for c in diff.parameters]
    settings = [(key, a, b) for key, a, b in values if not ("seed" in key.lower() and (a, b) in seeds)]
    found = [
        ("code", _code(diff, code_declared)),
        ("data", [c.path for c in diff.data]),
        ("config", _settings(settings)),
        ("seeds", list(dict.fromkeys(f"{c.key.split(' (')[0]} {_side(c.a)} → {_side(c.b)}" for c in diff.seeds))),
        ("commands", list(dict.fromkeys(c.key for c in diff.commands))),
        ("environment", _environment(diff)),
        ("machine", [c.key for c in diff.machine]),
    ]
    return [(name, what) for name, what in found if what]


def _code(diff: RecipeDiff, declared: bool) -> list[str]:
    explained = {c.key.partition(":")[0] for c in diff.parameters}
    configured = bool(diff.config)
    found = [c.key for c in diff.code.inputs if c.key not in explained and not (configured and _is_config(c.key))]
    if any(c.key == "uncommitted diff" for c in diff.code.identity):
        found.append("uncommitted changes")
    if not declared and not found and any(c.key == "tree" for c in diff.code.identity):
        found.append("commit")
    return found


def _is_config(path: str) -> bool:
    pure = PurePosixPath(path)
    return pure.suffix in _CONFIG_FILES or pure.name in _CONFIG_FOLDERS


def _settings(values: list[tuple[str, str | None, str | None]]) -> list[str]:
    return list(dict.fromkeys(f"{key} {_side(a)} → {_side(b)}" for key, a, b in values))


def _environment(diff: RecipeDiff) -> list[str]:
    packages = [f"{c.key.partition(' ')[2]} {_side(c.a)} → {_side(c.b)}" for c in diff.environment.packages]
    return packages or [c.key for c in diff.environment.facts]


def _side(text: str | None) -> str:
    return "absent" if text is None else text if len(text) <= 40 else f"{text[:39]}…"


def headline(diff: RecipeDiff, found: list[tuple[str, list[str]]]) -> str:
    """``changed: data only (data/stocks.csv) → sharpe 0.5129 → 0.3971``."""
    if diff.is_empty:
        return "no difference: both name the same code, data, configuration, environment and outputs"
    if not found:
        cause = "nothing that a step can see changed"
    elif len(found) == 1:
        cause = f"changed: {found[0][0]} only ({_few(found[0][1])})"
    else:
        cause = "changed: " + ", ".join(f"{name} ({_few(what)})" for name, what in found)
    return f"{cause} → {_effect(diff)}"


def _few(what: list[str]) -> str:
    more = len(what) - _SHOWN
    return ", ".join(what[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _effect(diff: RecipeDiff) -> str:
    rows = [row for metrics in diff.metrics for row in metrics.rows if row.absolute is not None]
    rows.sort(key=lambda row: _rank(row.key))
    if rows:
        return f"{rows[0].key} {_number(rows[0].a)} → {_number(rows[0].b)}"
    changed = sum(not output.same for output in diff.outputs)
    if not changed:
        return "all outputs are the same"
    return f"{changed} of {plural(len(diff.outputs), 'output')} {'differs' if changed == 1 else 'differ'}"


def _rank(key: str) -> int:
    last = key.rpartition(".")[2].lower()
    return _FIRST.index(last) if last in _FIRST else len(_FIRST)


def _number(text: str | None) -> str:
    return f"{json.loads(text):.4g}" if text is not None else "absent"
