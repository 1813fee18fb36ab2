"""The verdict of a replay. Pure: values in, values out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from replay.compare.chain import ungrounded
from replay.outcome import Comparison, Ending, Execution, Match, Mode, Verdict
from replay.recipe import Recipe

_GOOD = {Match.IDENTICAL, Match.EQUIVALENT}
_BAD = {Match.DIFFERENT, Match.MISSING}


class Judged(NamedTuple):
    """A verdict, the sentence that explains it, and the first divergence in dependency order."""

    verdict: Verdict
    reason: str
    first_divergence: Comparison | None


def judge(
    executions: Sequence[Execution],
    comparisons: Sequence[Comparison],
    aa: Sequence[Comparison] | None,
    recipe: Recipe,
) -> Judged:
    """Decide the verdict.

    The rules, the first that applies counts:

    1. A step did not succeed: ``failed``; interrupted: ``inconclusive``.
    2. Two unchanged replays differ from each other (``aa``): ``not-self-reproducible``.
    3. An output is different or missing, in either mode: ``diverged``. A difference in an intermediate output counts
       even when the model at the end of the chain is equal, and the reason says so.
    4. Nothing was compared, or the model was not: ``inconclusive``. A model made from recorded intermediates counts as
       compared only where the replay made all of them identically; otherwise the chained result decides.
    5. ``reproduced``; the reason counts what was not compared, and why.

    Volatile outputs and undeclared files decide nothing and are counted in the reason.

    Args:
        executions: Every step that ran, in all modes and replays.
        comparisons: Outputs against the record, isolated and chained.
        aa: Outputs of a second unchanged replay against those of the first (`compare_repeats`), or ``None``.
        recipe: What was replayed.
    """
    known = _Known(recipe, comparisons)
    first = known.first_divergence()
    stopped = [e for e in executions if e.ending is not Ending.SUCCEEDED]
    if stopped:
        return _stopped(stopped, first, recipe)
    unsteady = _in_order((c for c in aa or () if not c.volatile and c.match in _BAD), recipe)
    if unsteady:
        text = f"two unchanged replays differ from each other, first in {_place(unsteady[0])}"
        return Judged(Verdict.NOT_SELF_REPRODUCIBLE, f"{text}{known.shortfall()}", first)
    if first:
        return Judged(Verdict.DIVERGED, _diverged(known, first, aa) + known.shortfall(), first)
    doubt = known.doubt()
    if doubt:
        return Judged(Verdict.INCONCLUSIVE, doubt + known.shortfall(), None)
    return Judged(Verdict.REPRODUCED, known.success() + known.shortfall(), None)


def _stopped(stopped: list[Execution], first: Comparison | None, recipe: Recipe) -> Judged:
    order = {step.name: i for i, step in enumerate(recipe.steps)}
    failed = [e for e in stopped if e.ending is not Ending.INTERRUPTED]
    worst = min(failed or stopped, key=lambda e: order.get(e.step, len(order)))
    why = worst.reason or f"exit code {worst.exit_code}"
    text = f"step {worst.step!r} ({worst.mode}) did not succeed: {worst.ending}, {why}"
    if first:
        text += f"; before that, {_place(first)}"
    return Judged(Verdict.FAILED if failed else Verdict.INCONCLUSIVE, text, first)


def _diverged(known: _Known, first: Comparison, aa: Sequence[Comparison] | None) -> str:
    bad = known.bad()
    text = f"{len(bad)} of {_outputs(len(known.expected))} diverged, first {_place(first)}"
    model = known.model()
    if model and model.match in _GOOD and not ungrounded(known.recipe, known.all, model):
        text += f"; the model itself is {model.match} ({model.mode})"
    if not [c for c in aa or () if not c.volatile]:
        return text + "; whether two unchanged replays agree was not tested"
    return text + "; a second unchanged replay agrees with the first"


class _Known:
    """What the comparisons say about the outputs that decide."""

    def __init__(self, recipe: Recipe, comparisons: Sequence[Comparison]) -> None:
        self.recipe = recipe
        outputs = [(step.name, output) for step in recipe.steps for output in step.outputs]
        self.expected = [(step, o.artifact.path) for step, o in outputs if not o.judgement.volatile]
        self.volatile = len(outputs) - len(self.expected)
        wanted = {(step, o.artifact.path) for step, o in outputs}
        declared = [c for c in comparisons if (c.step, c.path) in wanted]
        self.all = _in_order(declared, recipe)
        self.undeclared = {(c.step, c.path) for c in comparisons} - wanted
        sealed = set(self.expected)
        self.deciding = [c for c in self.all if (c.step, c.path) in sealed]

    def bad(self) -> set[tuple[str, str]]:
        """Outputs that differ or are missing in some mode."""
        return {(c.step, c.path) for c in self.deciding if c.match in _BAD}

    def first_divergence(self) -> Comparison | None:
        """In dependency order, then the order of outputs, isolated before chained."""
        return next((c for c in self.deciding if c.match in _BAD), None)

    def compared(self) -> dict[tuple[str, str], Match]:
        """The worst match of every deciding output that was compared."""
        found: dict[tuple[str, str], Match] = {}
        for c in self.deciding:
            if c.match in _GOOD and found.get((c.step, c.path)) is not Match.EQUIVALENT:
                found[c.step, c.path] = c.match
        return found

    def model(self) -> Comparison | None:
        """The comparison that tells most about the model: the chained one when there is one."""
        found = [c for c in self.deciding if c.path == self.recipe.model and c.match is not Match.UNCOMPARED]
        return found[-1] if found else None

    def doubt(self) -> str:
        """Why nothing can be concluded although nothing diverged; empty when something can."""
        if not self.compared():
            return "nothing could be compared"
        model = self.model()
        if model is None:
            return f"the model {self.recipe.model} was not compared"
        below = ungrounded(self.recipe, self.all, model)
        if below:
            return (
                f"the model {self.recipe.model} is {model.match}, but was made from the recorded {', '.join(below)}, "
                "which the replay did not make identically; a chained replay of all steps tells"
            )
        return ""

    def success(self) -> str:
        """What was found equal."""
        found = Counter(self.compared().values())
        if not found[Match.EQUIVALENT]:
            text = f"{_outputs(found.total())} compared, all identical to the record"
        else:
            counts = f"{found[Match.IDENTICAL]} identical, {found[Match.EQUIVALENT]} equivalent"
            text = f"{_outputs(found.total())} compared with the record: {counts}"
        modes = {c.mode for c in self.deciding}
        return text + ("" if modes == {Mode.ISOLATED} else ", end to end" if Mode.CHAINED in modes else "")

    def shortfall(self) -> str:
        """What the verdict does not rest on."""
        done = {(c.step, c.path) for c in self.deciding if c.match is not Match.UNCOMPARED}
        why = {(c.step, c.path): c.finding.summary for c in self.deciding if c.match is Match.UNCOMPARED}
        reasons = Counter(why.get(key, "its step was not replayed") for key in self.expected if key not in done)
        parts = []
        if reasons:
            text = "; ".join(f"{count} × {reason}" for reason, count in sorted(reasons.items()))
            parts.append(f"{reasons.total()} of {_outputs(len(self.expected))} not compared ({text})")
        if self.volatile:
            parts.append(f"{_outputs(self.volatile)} sealed as volatile and left out")
        if self.undeclared:
            parts.append(f"{len(self.undeclared)} undeclared files written")
        return "".join(f"; {part}" for part in parts)


def _in_order(comparisons: Iterable[Comparison], recipe: Recipe) -> list[Comparison]:
    places = [(step.name, output.artifact.path) for step in recipe.steps for output in step.outputs]
    order = {place: i for i, place in enumerate(places)}
    modes = {Mode.ISOLATED: 0, Mode.CHAINED: 1}
    return sorted(comparisons, key=lambda c: (order.get((c.step, c.path), len(order)), modes[c.mode]))


def _place(comparison: Comparison) -> str:
    word = comparison.match.value
    return f"step {comparison.step!r}, {comparison.path} ({comparison.mode}): {word}, {comparison.finding.summary}"


def _outputs(count: int) -> str:
    return f"{count} output" if count == 1 else f"{count} outputs"
