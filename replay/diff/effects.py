"""What came out differently: outputs by digest, metrics by value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from replay.diff.tree import MetricsDiff, OutputChange
from replay.recipe import Artifact, Output, OutputRole, Recipe
from replay.report.files import read_bounded
from replay.report.metrics import MAX_BYTES, Scalar, metric_rows, read_metrics

ReadOutput = Callable[[Recipe, Artifact], Path | None]
"""Where the recorded bytes of an output lie, ``None`` when they were not kept."""


def outputs(a: Recipe, b: Recipe) -> tuple[OutputChange, ...]:
    """Every output of either side, in the order of the steps."""
    before, after = (_outputs(r) for r in (a, b))
    # What both have stands where the younger side has it; what only the older one has comes last.
    every = after | {path: entry for path, entry in before.items() if path not in after}
    return tuple(
        _change(path, step, output.role, before.get(path), after.get(path)) for path, (step, output) in every.items()
    )


def _change(
    path: str, step: str, role: OutputRole, x: tuple[str, Output] | None, y: tuple[str, Output] | None
) -> OutputChange:
    a_sha256 = x[1].artifact.digests.sha256 if x else None
    b_sha256 = y[1].artifact.digests.sha256 if y else None
    return OutputChange(
        step=step,
        path=path,
        role=role.value,
        same=a_sha256 == b_sha256,
        a_sha256=a_sha256,
        b_sha256=b_sha256,
        a_bytes=x[1].artifact.size if x else None,
        b_bytes=y[1].artifact.size if y else None,
    )


def _outputs(recipe: Recipe) -> dict[str, tuple[str, Output]]:
    return {o.artifact.path: (step.name, o) for step in recipe.steps for o in step.outputs}


def metrics(a: Recipe, b: Recipe, read_output: ReadOutput | None) -> tuple[MetricsDiff, ...]:
    """The metrics of JSON files that differ; a file that is the same on both sides is left out."""
    if read_output is None:
        return ()
    before, after = (_outputs(r) for r in (a, b))
    found = []
    for path, (_, output) in before.items():
        if output.role is not OutputRole.METRICS or path not in after or not path.lower().endswith(".json"):
            continue
        other = after[path][1]
        if other.artifact.digests.sha256 == output.artifact.digests.sha256:
            continue
        found.append(_metrics(path, _read(a, output.artifact, read_output), _read(b, other.artifact, read_output)))
    return tuple(found)


def _read(recipe: Recipe, artifact: Artifact, read_output: ReadOutput) -> dict[str, Scalar] | str:
    path = read_output(recipe, artifact)
    if path is None:
        return f"the bytes of {recipe.model_id} were not kept"
    content = read_bounded(path, MAX_BYTES)
    if content.data is None:
        return content.why
    values = read_metrics(content.data)
    return values if values is not None else f"no JSON object in {recipe.model_id}"


def _metrics(path: str, a: dict[str, Scalar] | str, b: dict[str, Scalar] | str) -> MetricsDiff:
    if isinstance(a, str):
        return MetricsDiff(path=path, why=a)
    if isinstance(b, str):
        return MetricsDiff(path=path, why=b)
    rows = metric_rows(a, b)
    return MetricsDiff(path=path, rows=tuple(row for row in rows if not row.same), compared=len(rows))
