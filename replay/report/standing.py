"""Where each step and each output stands, in the order in which people read: pure values, shared by all presenters."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from replay.outcome import Comparison, Ending, Execution, Match, Mode, ReplayResult
from replay.recipe import Output, Recipe, Step, Tolerance
from replay.report.words import ENDINGS, MATCHES, NOT_RUN, RAN, Badge, plural

_WORST_FIRST = (
    Match.MISSING,
    Match.DIFFERENT,
    Match.UNEXPECTED,
    Match.UNCOMPARED,
    Match.EQUIVALENT,
    Match.IDENTICAL,
)


class Standing(msgspec.Struct, frozen=True):
    """How one step came out in one mode."""

    step: str
    mode: Mode
    badge: Badge
    detail: str
    """One line: how many outputs stand how, or why it failed."""
    seconds: float | None


def worst(matches: Iterable[Match]) -> Match | None:
    """The worst of some matches, ``None`` of none."""
    found = set(matches)
    return next((match for match in _WORST_FIRST if match in found), None)


def ordered(result: ReplayResult, recipe: Recipe) -> list[Comparison]:
    """The comparisons in the recipe's order of steps, isolated before chained, declared before unexpected outputs."""
    places = {step.name: index for index, step in enumerate(recipe.steps)}
    return sorted(
        result.comparisons,
        key=lambda c: (places.get(c.step, len(places)), c.mode is Mode.CHAINED, c.match is Match.UNEXPECTED),
    )


def modes(result: ReplayResult) -> list[Mode]:
    """The modes that were used, isolated first; the result's own when nothing ran."""
    used = {c.mode for c in result.comparisons} | {e.mode for e in result.executions}
    return [mode for mode in Mode if mode in used] or [result.mode]


def standings(result: ReplayResult, recipe: Recipe, mode: Mode) -> list[Standing]:
    """How every step of the recipe came out in ``mode``."""
    return [_standing(result, step, mode) for step in recipe.steps]


def _standing(result: ReplayResult, step: Step, mode: Mode) -> Standing:
    runs = [e for e in result.executions if e.step == step.name and e.mode is mode]
    judged = [c for c in result.comparisons if c.step == step.name and c.mode is mode]
    failed = next((run for run in runs if run.ending is not Ending.SUCCEEDED), None)
    seconds = runs[0].seconds if runs else None
    if failed:
        return Standing(step.name, mode, ENDINGS[failed.ending], ending_text(failed), seconds)
    match = worst(c.match for c in judged if not c.volatile)
    if match:
        return Standing(step.name, mode, MATCHES[match], tally(judged), seconds)
    return Standing(step.name, mode, RAN if runs else NOT_RUN, tally(judged), seconds)


def ending_text(execution: Execution) -> str:
    """How an execution ended, with its exit code when it says something."""
    word = ENDINGS[execution.ending].word
    return f"exit code {execution.exit_code}" if execution.ending is Ending.EXITED else word


def tally(comparisons: Iterable[Comparison]) -> str:
    """``1 different, 3 identical, 1 volatile``: each output once, worst first."""
    judged = worst_of_each(comparisons)
    counts = [(sum(c.match is m and not c.volatile for c in judged), MATCHES[m].word) for m in _WORST_FIRST]
    volatile = sum(c.volatile for c in judged)
    parts = [f"{count:,} {word}" for count, word in (*counts, (volatile, "volatile")) if count]
    return ", ".join(parts) or "nothing compared"


def divergence(comparison: Comparison) -> str:
    """The sentence that names the first divergence."""
    inputs = "its recorded inputs" if comparison.mode is Mode.ISOLATED else "its predecessors' replayed outputs"
    place = f"; first at {comparison.finding.first}" if comparison.finding.first else ""
    return f"step {comparison.step}, run from {inputs}, made {comparison.path} {MATCHES[comparison.match].word}: " + (
        f"{comparison.finding.summary}{place}"
    )


def worst_of_each(comparisons: Iterable[Comparison]) -> list[Comparison]:
    """One comparison per output: the worst one where it was replayed both isolated and chained."""
    found: dict[tuple[str, str], Comparison] = {}
    for item in comparisons:
        before = found.setdefault((item.step, item.path), item)
        if _WORST_FIRST.index(item.match) < _WORST_FIRST.index(before.match):
            found[item.step, item.path] = item
    return list(found.values())


def measures(comparison: Comparison) -> str:
    """The measured sizes of a difference on one line."""
    return "; ".join(f"{m.name} {m.value}{' ' + m.unit if m.unit else ''}" for m in comparison.finding.measures)


def recorded_output(recipe: Recipe, comparison: Comparison) -> Output | None:
    """The recipe's output that a comparison is about, ``None`` for an unexpected one."""
    outputs = (o for step in recipe.steps if step.name == comparison.step for o in step.outputs)
    return next((o for o in outputs if o.artifact.path == comparison.path), None)


def tolerance_text(output: Output | None) -> str:
    """The sealed tolerance in words: ``bitwise``, or bounds with columns; an unexpected output has ``none``."""
    if output is None:
        return "none"
    judgement = output.judgement
    parts = [_bounds(judgement.tolerance)] if judgement.tolerance else []
    parts += [f"{name}: {_bounds(tolerance)}" for name, tolerance in judgement.columns.items()]
    parts += [f"up to {plural(judgement.max_pixels, 'pixel')}"] if judgement.max_pixels else []
    parts += [f"rows matched by {', '.join(judgement.keys)}"] if judgement.keys else []
    return "; ".join(part for part in parts if part) or "none (exact)"


def _bounds(tolerance: Tolerance) -> str:
    parts = [
        f"{label} ≤ {_decimal(text)}"
        for label, text in (("absolute", tolerance.absolute), ("relative", tolerance.relative))
        if text is not None
    ]
    return ", ".join(parts + ([f"≤ {tolerance.ulp} ULP"] if tolerance.ulp is not None else []))


def _decimal(text: str) -> str:
    try:
        return repr(float.fromhex(text))
    except (ValueError, OverflowError):
        return text
