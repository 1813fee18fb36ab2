"""Reads a recipe out of a model version's lineage. Values in, value out."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from replay.errors import FreezeError
from replay.freeze.gaps import collect_gaps
from replay.grading import grade_of
from replay.identity import Digests
from replay.lineage import Edge, EdgeType, Evidence, Kind, Lineage, Node
from replay.recipe import (
    Artifact,
    Code,
    ConfigSnapshot,
    Environment,
    Gap,
    Judgement,
    Machine,
    Output,
    OutputRole,
    PathKind,
    Recipe,
    Resources,
    Seed,
    Step,
    Storage,
)

_T = TypeVar("_T")


def freeze(lineage: Lineage) -> Recipe:
    """The recipe of the model version that ``lineage`` was walked from.

    Content-addressed artifacts join the lineages of several executions; only the runs of this version's own execution
    belong to its recipe.

    Raises:
        FreezeError: The focal node is no model version, or its lineage lacks a part; every missing part is named.
    """
    version = lineage.nodes.get(lineage.focal)
    if version is None or version.kind is not Kind.MODEL_VERSION:
        raise FreezeError(f"got {lineage.focal[:12]}, expected a model version")
    execution = _one(lineage, version, "execution")
    runs = {n.identity["run"]: n for n in _members(lineage, execution)}
    wanted = list(execution.attrs["steps"])
    lost = [run for run in wanted if run not in runs]
    if lost:
        raise FreezeError(
            f"{version.name}: the lineage lacks the runs {lost}", hint="`replay verify` checks the record"
        )
    steps = tuple(_step(lineage, runs[run]) for run in wanted)
    code = _decode(execution, "code", Code)
    environment = _decode(execution, "environment", Environment)
    recorded_gaps = _decode(execution, "gaps", tuple[Gap, ...])
    gaps = (*recorded_gaps, *collect_gaps(code, environment, steps))
    return Recipe(
        name=version.identity["model"],
        version=int(version.identity["version"]),
        model=str(execution.attrs["model"]),
        profile=str(execution.attrs["profile"]),
        code=code,
        environment=environment,
        machine=_decode(execution, "machine", Machine),
        steps=steps,
        gaps=gaps,
        grade=grade_of(
            environment,
            steps,
            image_archived=bool(execution.attrs["image_archived"]),
            watched=execution.evidence is not Evidence.ASSERTED,
        ),
    )


def _one(lineage: Lineage, version: Node, role: str) -> Node:
    found = [n for e, n in lineage.targets(version.uid, EdgeType.DERIVED_FROM) if e.role == role]
    if len(found) != 1:
        raise FreezeError(
            f"{version.name}: got {len(found)} edges in the role {role!r}, expected 1",
            hint="`replay verify` checks the record",
        )
    return found[0]


def _members(lineage: Lineage, execution: Node) -> list[Node]:
    return [
        lineage.nodes[e.source]
        for e in lineage.edges
        if e.type is EdgeType.PART_OF and e.target == execution.uid and e.source in lineage.nodes
    ]


def _decode(node: Node, field: str, type_: type[_T]) -> _T:
    try:
        return msgspec.convert(node.attrs[field], type_)
    except (KeyError, msgspec.ValidationError) as error:
        raise FreezeError(f"{node.name}: the recorded {field!r} cannot be read: {error}") from error


def _step(lineage: Lineage, run: Node) -> Step:
    used = lineage.targets(run.uid, EdgeType.USED)
    made = lineage.targets(run.uid, EdgeType.GENERATED)
    configs = {e.role: n for e, n in used if e.role.startswith("config:")}
    _expect_all(run, "inputs", [e for e, _ in used if e.role.startswith("input:")])
    _expect_all(run, "outputs", [e for e, _ in made])
    return Step(
        name=run.name,
        command=tuple(run.attrs["command"]),
        directory=run.attrs["directory"],
        inputs=tuple(sorted((_artifact(e, n) for e, n in used if e.role.startswith("input:")), key=_path)),
        outputs=tuple(sorted((_output(e, n) for e, n in made), key=lambda o: o.artifact.path)),
        parameters=run.attrs["parameters"],
        environment=run.attrs["environment"],
        resources=_decode(run, "resources", Resources),
        configs=tuple(msgspec.convert(configs[f"config:{n}"].attrs, ConfigSnapshot) for n in run.attrs["configs"]),
        seeds=_decode(run, "seeds", tuple[Seed, ...]),
        seeds_missing=tuple(run.attrs["seeds_missing"]),
    )


def _expect_all(run: Node, what: str, edges: list[Edge]) -> None:
    """The run itself says what it read and wrote: an edge that is not there must not shrink the recipe."""
    found = sorted(edge.role.partition(":")[2] for edge in edges)
    if found != list(run.attrs[what]):
        raise FreezeError(
            f"step {run.name}: the lineage has the {what} {found}, the run recorded {list(run.attrs[what])}",
            hint="`replay verify` checks the record",
        )


def _path(artifact: Artifact) -> str:
    return artifact.path


def _artifact(edge: Edge, node: Node) -> Artifact:
    attrs: dict[str, Any] = node.attrs
    return Artifact(
        path=edge.role.partition(":")[2],
        kind=PathKind(attrs["kind"]),
        size=attrs["size"],
        files=attrs["files"],
        digests=Digests(sha256=node.identity["sha256"], blake3=attrs["blake3"], md5=attrs["md5"]),
        storage=Storage(edge.attrs["storage"]),
    )


def _output(edge: Edge, node: Node) -> Output:
    return Output(
        artifact=_artifact(edge, node),
        role=OutputRole(edge.attrs["role"]),
        judgement=msgspec.convert(edge.attrs["judgement"], Judgement),
    )
