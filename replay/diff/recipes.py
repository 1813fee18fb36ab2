"""Compare two recipes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from replay.diff import causes, effects
from replay.diff.effects import ReadOutput
from replay.diff.headline import causes as named_causes
from replay.diff.headline import headline
from replay.diff.tree import CodeHistory, RecipeDiff, Side
from replay.recipe import Recipe, Storage


def diff_recipes(
    a: Recipe,
    b: Recipe,
    *,
    commits: Callable[[str, str], CodeHistory | None] | None = None,
    read_output: ReadOutput | None = None,
) -> RecipeDiff:
    """Everything that differs between two recipes.

    Args:
        a: The older one, by convention.
        b: The younger one.
        commits: Answers what lies between two commits, ``None`` when it cannot; asked only when they differ.
        read_output: Answers where the recorded bytes of an output lie; without it no metric is compared.
    """
    found = RecipeDiff(
        a=_side(a),
        b=_side(b),
        headline="",
        code=causes.code(a, b, commits),
        data=causes.data(a, b),
        config=causes.config(a, b),
        overrides=causes.overrides(a, b),
        parameters=causes.parameters(a, b),
        seeds=causes.seeds(a, b),
        commands=causes.commands(a, b),
        environment=causes.environment(a, b),
        machine=causes.machine(a, b),
        judgement=causes.judgement(a, b),
        outputs=effects.outputs(a, b),
        metrics=effects.metrics(a, b, read_output),
    )
    declared = any(i.storage is Storage.GIT for r in (a, b) for s in r.steps for i in s.inputs)
    named = named_causes(found, code_declared=declared)
    return msgspec.structs.replace(found, headline=headline(found, named), causes=tuple(name for name, _ in named))


def _side(recipe: Recipe) -> Side:
    return Side(model_id=recipe.model_id, recipe_id=recipe.recipe_id, grade=recipe.grade.value)
