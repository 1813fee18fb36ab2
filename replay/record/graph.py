"""Writes a recorded execution down as lineage: nodes and edges, nothing else. ``freeze`` reads it back."""

from __future__ import annotations

from typing import Any

import msgspec

from replay.identity import canonical_json, sha256_hex, ulid
from replay.lineage import Edge, EdgeType, Kind, Node
from replay.recipe import Artifact, Code, ConfigSnapshot, Environment, Gap, Machine, Output, OutputRole, Step

_KIND = {
    OutputRole.MODEL: Kind.MODEL,
    OutputRole.METRICS: Kind.METRICS,
    OutputRole.PLOT: Kind.PLOT,
    OutputRole.DATA: Kind.DATASET,
}


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What happened when a step ran: evidence about the record, not part of the recipe."""

    run: str
    """ULID."""
    started: str
    seconds: str
    """Decimal text."""
    exit_code: int
    log: str
    """SHA-256 of the log, kept as a blob."""
    undeclared: tuple[str, ...] = ()
    """Files written beside the declared outputs."""


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """One recorded execution of a workflow."""

    execution: str
    """ULID."""
    name: str
    model: str
    profile: str
    code: Code
    environment: Environment
    machine: Machine
    steps: tuple[Step, ...]
    facts: tuple[RunFacts, ...]
    gaps: tuple[Gap, ...]
    image_archived: bool
    recorded_by: str
    tool: str


def new_execution() -> str:
    """An id for a recorded execution."""
    return ulid()


def to_lineage(recorded: Recorded, version: int) -> tuple[list[Node], list[Edge], str]:
    """The nodes and edges of ``recorded`` as version ``version``, and the uid of its model version."""
    nodes: dict[str, Node] = {}
    edges: list[Edge] = []

    def add(node: Node) -> str:
        nodes.setdefault(node.uid, node)
        return node.uid

    code = add(_code(recorded.code))
    image = add(_image(recorded.environment))
    execution = add(_execution(recorded))
    for step, facts in zip(recorded.steps, recorded.facts, strict=True):
        run = add(_run(step, facts))
        edges.append(Edge(source=run, type=EdgeType.PART_OF, target=execution, role="step"))
        edges.append(Edge(source=run, type=EdgeType.USED, target=code, role="code"))
        edges.append(Edge(source=run, type=EdgeType.USED, target=image, role="image"))
        for config in step.configs:
            edges.append(
                Edge(source=run, type=EdgeType.USED, target=add(_config(config)), role=f"config:{config.name}")
            )
        for item in step.inputs:
            edges.append(
                Edge(
                    source=run,
                    type=EdgeType.USED,
                    target=add(_artifact(item, Kind.DATASET)),
                    role=f"input:{item.path}",
                    attrs={"storage": item.storage.value},
                )
            )
        for output in step.outputs:
            uid = add(_artifact(output.artifact, _KIND[output.role]))
            edges.append(
                Edge(
                    source=run,
                    type=EdgeType.GENERATED,
                    target=uid,
                    role=f"output:{output.artifact.path}",
                    attrs=_output_attrs(output),
                )
            )
    version_uid = add(_model_version(recorded, version))
    model = next(o.artifact for s in recorded.steps for o in s.outputs if o.artifact.path == recorded.model)
    edges.append(
        Edge(
            source=version_uid,
            type=EdgeType.DERIVED_FROM,
            target=_artifact(model, Kind.MODEL).uid,
            role="model",
        )
    )
    edges.append(Edge(source=version_uid, type=EdgeType.DERIVED_FROM, target=execution, role="execution"))
    # An evaluation stands on the model, not under it; a model version rests on its evaluation all the same.
    for step, facts in zip(recorded.steps, recorded.facts, strict=True):
        edges.append(Edge(source=version_uid, type=EdgeType.DERIVED_FROM, target=_run(step, facts).uid, role="step"))
        for output in step.outputs:
            uid = _artifact(output.artifact, _KIND[output.role]).uid
            role = f"output:{output.artifact.path}"
            edges.append(Edge(source=version_uid, type=EdgeType.DERIVED_FROM, target=uid, role=role))
    return list(nodes.values()), edges, version_uid


def _code(code: Code) -> Node:
    identity = {"commit": code.commit} | ({"patch": code.patch} if code.patch else {})
    return Node(kind=Kind.CODE, identity=identity, name=code.commit[:12], attrs={"tree": code.tree})


def _image(environment: Environment) -> Node:
    image = environment.image
    return Node(
        kind=Kind.IMAGE,
        identity={"image": image.config},
        name=image.config[:19],
        attrs={"layers": list(image.layers), "platform": image.platform},
    )


def _execution(recorded: Recorded) -> Node:
    attrs: dict[str, Any] = {
        "profile": recorded.profile,
        "model": recorded.model,
        "code": msgspec.to_builtins(recorded.code),
        "environment": msgspec.to_builtins(recorded.environment),
        "machine": msgspec.to_builtins(recorded.machine),
        "gaps": msgspec.to_builtins(recorded.gaps),
        "image_archived": recorded.image_archived,
        "recorded_by": recorded.recorded_by,
        "tool": recorded.tool,
        "steps": [facts.run for facts in recorded.facts],
    }
    return Node(kind=Kind.COLLECTION, identity={"execution": recorded.execution}, name=recorded.name, attrs=attrs)


def _run(step: Step, facts: RunFacts) -> Node:
    attrs = {
        "command": list(step.command),
        "directory": step.directory,
        "parameters": step.parameters,
        "environment": step.environment,
        "resources": msgspec.to_builtins(step.resources),
        "seeds": msgspec.to_builtins(step.seeds),
        "seeds_missing": list(step.seeds_missing),
        "configs": [config.name for config in step.configs],
        "inputs": sorted(item.path for item in step.inputs),
        "outputs": sorted(output.artifact.path for output in step.outputs),
        "facts": msgspec.to_builtins(facts),
    }
    return Node(kind=Kind.RUN, identity={"run": facts.run}, name=step.name, attrs=attrs)


def _config(config: ConfigSnapshot) -> Node:
    plain = msgspec.to_builtins(config)
    return Node(
        kind=Kind.CONFIG,
        identity={"config": sha256_hex(canonical_json(plain))},
        name=config.name,
        attrs=plain,
    )


def _artifact(artifact: Artifact, kind: Kind) -> Node:
    attrs = {
        "kind": artifact.kind.value,
        "size": artifact.size,
        "files": artifact.files,
        "blake3": artifact.digests.blake3,
        "md5": artifact.digests.md5,
    }
    return Node(kind=kind, identity={"sha256": artifact.digests.sha256}, name=artifact.path, attrs=attrs)


def _output_attrs(output: Output) -> dict[str, Any]:
    return {
        "storage": output.artifact.storage.value,
        "role": output.role.value,
        "judgement": msgspec.to_builtins(output.judgement),
    }


def _model_version(recorded: Recorded, version: int) -> Node:
    return Node(
        kind=Kind.MODEL_VERSION,
        name=f"{recorded.name}:{version}",
        identity={"model": recorded.name, "version": str(version), "execution": recorded.execution},
    )
