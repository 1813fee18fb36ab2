"""The grade of a recipe: how completely it is pinned, from what was recorded alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from replay.recipe import Environment, EnvironmentKind, Grade, Step, Storage


def grade_of(environment: Environment, steps: Sequence[Step], *, image_archived: bool, watched: bool = True) -> Grade:
    """The grade of a recipe whose code is pinned by commit (which `record` guarantees).

    Args:
        environment: What the steps ran in.
        steps: The steps.
        image_archived: Whether the store keeps the image.
        watched: Whether the run was watched; else nothing but code and data is known: C at best.
    """
    produced = {o.artifact.path for s in steps for o in s.outputs}
    storages = [a.storage for s in steps for a in s.inputs if a.path not in produced]
    return graded(environment, storages, image_archived=image_archived, watched=watched)


def graded(
    environment: Environment, sources: Iterable[Storage], *, image_archived: bool, watched: bool = True
) -> Grade:
    """The grade, by where the inputs are kept that no step makes."""
    if Storage.NONE in sources:
        return Grade.D
    if not watched:
        return Grade.C
    if image_archived or environment.image.repo_digests:
        return Grade.A
    return Grade.C if environment.kind is EnvironmentKind.IMAGE else Grade.B
