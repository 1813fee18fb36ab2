"""Which steps of a recipe stand on which. Values in, values out."""

from __future__ import annotations

from collections.abc import Collection

from replay.errors import UsageError
from replay.recipe import Recipe, Step


def predecessors(recipe: Recipe, step: Step) -> set[str]:
    """The steps whose outputs ``step`` reads."""
    made = {o.artifact.path: s.name for s in recipe.steps for o in s.outputs}
    return {name for a in step.inputs for path, name in made.items() if a.path == path or a.path.startswith(f"{path}/")}


def downstream(recipe: Recipe, names: Collection[str]) -> list[Step]:
    """The steps that stand on any of ``names``, without these, in dependency order."""
    reached = set(names)
    for step in recipe.steps:
        if predecessors(recipe, step) & reached:
            reached.add(step.name)
    return [step for step in recipe.steps if step.name in reached - set(names)]


def selected(recipe: Recipe, from_step: str | None) -> list[Step]:
    """The steps to replay.

    Raises:
        UsageError: There is no such step.
    """
    if from_step is None:
        return list(recipe.steps)
    names = [step.name for step in recipe.steps]
    if from_step not in names:
        raise UsageError(f"got the step {from_step!r}, expected one of {', '.join(names)}")
    return [recipe.step(from_step), *downstream(recipe, {from_step})]


def with_makers(recipe: Recipe, steps: Collection[Step], paths: Collection[str]) -> list[Step]:
    """These steps, and those that make the inputs among ``paths`` of theirs, and so on, in dependency order."""
    names = {step.name for step in steps}
    makers = {o.artifact.path: s.name for s in recipe.steps for o in s.outputs}
    pending = list(steps)
    while pending:
        for artifact in pending.pop().inputs:
            wanted = artifact.path if artifact.path in paths else ""
            for path, maker in makers.items():
                if (wanted == path or wanted.startswith(f"{path}/")) and maker not in names:
                    names.add(maker)
                    pending.append(recipe.step(maker))
    return [step for step in recipe.steps if step.name in names]
