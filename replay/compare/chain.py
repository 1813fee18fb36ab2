"""Which steps stand on which outputs, and when isolated replays do not speak for the whole chain. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from replay.outcome import Comparison, Match, Mode
from replay.recipe import Output, Recipe, Step


def uses(step: Step, path: str) -> bool:
    """Whether an input of ``step`` is the path, lies in it, or holds it."""
    return any(i.path == path or i.path.startswith(f"{path}/") or path.startswith(f"{i.path}/") for i in step.inputs)


def upstream(recipe: Recipe, step: Step) -> list[tuple[Step, Output]]:
    """Outputs of other steps on which ``step`` stands, directly or through others."""
    found: list[tuple[Step, Output]] = []
    pending, seen = [step], {step.name}
    while pending:
        current = pending.pop()
        for other in recipe.steps:
            used = [o for o in other.outputs if uses(current, o.artifact.path)]
            if not used or other.name == current.name:
                continue
            found += [(other, output) for output in used]
            if other.name not in seen:
                seen.add(other.name)
                pending.append(other)
    return found


def steps_to_chain(recipe: Recipe, comparisons: Iterable[Comparison]) -> tuple[str, ...]:
    """Steps that must be replayed chained as well, in dependency order.

    An isolated replay speaks for the chain as long as what a step was given is what its predecessors made. Where a used
    output is not identical (volatile ones included), every step behind it must run again on the replayed bytes.
    """
    proven = _proven(comparisons)
    return tuple(
        step.name
        for step in recipe.steps
        if any((other.name, output.artifact.path) not in proven for other, output in upstream(recipe, step))
    )


def ungrounded(recipe: Recipe, comparisons: Iterable[Comparison], model: Comparison) -> list[str]:
    """Outputs upstream of the model for which its comparison ``model`` rests on recorded bytes; empty when on none.

    Identical isolated outputs are as good as replayed ones. For a chained comparison, outputs that were replayed in the
    chain, whatever they were like, are replayed ones too.
    """
    producer = recipe.producer(recipe.model)
    if producer is None:
        return []
    known = list(comparisons)
    good = _proven(known)
    if model.mode is Mode.CHAINED:
        good |= {(c.step, c.path) for c in known if c.match is not Match.MISSING}
    behind = upstream(recipe, producer)
    places = [(step.name, output.artifact.path) for step, output in behind]
    return sorted({path for step, path in places if (step, path) not in good})


def _proven(comparisons: Iterable[Comparison]) -> set[tuple[str, str]]:
    return {(c.step, c.path) for c in comparisons if c.mode is Mode.ISOLATED and c.match is Match.IDENTICAL}
