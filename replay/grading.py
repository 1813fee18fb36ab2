"""The grade of a recipe: how completely it is pinned, from what was recorded alone."""

from __future__ import annotations

from collections.abc import Sequence

from replay.recipe import Environment, EnvironmentKind, Grade, Step, Storage


def grade_of(environment: Environment, steps: Sequence[Step], *, image_archived: bool) -> Grade:
    """The grade of a recipe whose code is pinned by commit (which `record` guarantees)."""
    produced = {o.artifact.path for s in steps for o in s.outputs}
    sources = [a for s in steps for a in s.inputs if a.path not in produced]
    if any(artifact.storage is Storage.NONE for artifact in sources):
        return Grade.D
    if image_archived or environment.image.repo_digests:
        return Grade.A
    return Grade.C if environment.kind is EnvironmentKind.IMAGE else Grade.B
