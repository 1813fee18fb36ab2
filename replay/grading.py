"""The grade of a recipe: how completely it is pinned, from what was recorded alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from replay.recipe import Environment, EnvironmentKind, Grade, Step, Storage


def grade_of(environment: Environment, steps: Sequence[Step], *, image_archived: bool) -> Grade:
    """The grade of a recipe whose code is pinned by commit (which `record` guarantees)."""
    produced = {o.artifact.path for s in steps for o in s.outputs}
    sources = [a for s in steps for a in s.inputs if a.path not in produced]
    return graded(environment, [artifact.storage for artifact in sources], image_archived=image_archived)


def graded(environment: Environment, sources: Iterable[Storage], *, image_archived: bool) -> Grade:
    """The grade, by where the inputs are kept that no step makes."""
    if Storage.NONE in sources:
        return Grade.D
    if image_archived or environment.image.repo_digests:
        return Grade.A
    return Grade.C if environment.kind is EnvironmentKind.IMAGE else Grade.B
