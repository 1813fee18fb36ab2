"""Writes a recorded execution down as lineage: nodes and edges, nothing else. ``freeze`` reads it back."""

from __future__ import annotations

from typing import Any

import msgspec

from replay.grading import grade_of
from replay.identity import canonical_json, sha256_hex
from replay.lineage import (
    Edge,
    EdgeType,
    Evidence,
    Kind,
    Node,
    agent_node,
    experiment_node,
    group_node,
    template_nodes,
    trial_node,
)
from replay.recipe import Artifact, ConfigSnapshot, Environment, Output, OutputRole, Step
from replay.record.recorded import Recorded, RunFacts
from replay.record.views import view_edge

_KIND = {
    OutputRole.MODEL: Kind.MODEL,
    OutputRole.METRICS: Kind.METRICS,
    OutputRole.PLOT: Kind.PLOT,
    OutputRole.DATA: Kind.DATASET,
}

_HAPPENED = (EdgeType.USED, EdgeType.GENERATED, EdgeType.FOLLOWS_PLAN)
"""What is only known when somebody watched."""


def to_lineage(recorded: Recorded, version: int) -> tuple[list[Node], list[Edge], str]:
    """The nodes and edges of ``recorded`` as version ``version``, and the uid of its model version."""
    graph = _Graph(recorded)
    code = graph.add_code()
    image = graph.add(_image(recorded.environment))
    execution = graph.add_told(_execution(recorded))
    graph.join(
        execution, EdgeType.ACTED_BY, graph.add(agent_node(recorded.recorded_by, "the operating system")), "recorder"
    )
    graph.join(execution, EdgeType.FOLLOWS_PLAN, graph.add_plan(), "pipeline")
    graph.place(execution, recorded.trial or f"{recorded.name}:{version}")
    focal = graph.add_told(_model_version(recorded, version))
    graph.join(focal, EdgeType.DERIVED_FROM, execution, "execution")
    graph.join(focal, EdgeType.PART_OF, graph.add(group_node(recorded.name)), "version")
    for step, facts in zip(recorded.steps, recorded.facts, strict=True):
        run = graph.add_told(_run(step, facts))
        graph.join(run, EdgeType.PART_OF, execution, "step")
        graph.join(run, EdgeType.USED, code, "code")
        graph.join(run, EdgeType.USED, image, "image")
        for config in step.configs:
            graph.join(run, EdgeType.USED, graph.add(_config(config)), f"config:{config.name}")
        for item in step.inputs:
            place = {"storage": item.storage.value}
            graph.join(run, EdgeType.USED, graph.add_artifact(item, Kind.DATASET), f"input:{item.path}", place)
        graph.edges += [view_edge(run, used) for used in recorded.views.get(facts.run, ())]
        # An evaluation stands on the model, not under it; a model version rests on its evaluation all the same.
        graph.join(focal, EdgeType.DERIVED_FROM, run, "step")
        for output in step.outputs:
            path, made = output.artifact.path, graph.add_artifact(output.artifact, _KIND[output.role])
            attrs = _output_attrs(output, recorded.metrics.get(path))
            graph.join(run, EdgeType.GENERATED, made, f"output:{path}", attrs)
            graph.join(focal, EdgeType.DERIVED_FROM, made, "model" if path == recorded.model else f"output:{path}")
    return list(graph.nodes.values()), graph.edges, focal


class _Graph:
    """Nodes by uid, and edges, while a recording is written down."""

    def __init__(self, recorded: Recorded) -> None:
        self.nodes: dict[str, Node] = {}
        self.edges: list[Edge] = []
        self._recorded = recorded
        self._evidence = Evidence.ASSERTED if recorded.asserted_by else Evidence.RECORDED

    def add(self, node: Node) -> str:
        self.nodes.setdefault(uid := node.uid, node)
        return uid

    def add_told(self, node: Node) -> str:
        """Something that is only known because somebody says so, unless it was watched."""
        return self.add(msgspec.structs.replace(node, evidence=self._evidence, basis=self._recorded.asserted_by))

    def join(self, source: str, type_: EdgeType, target: str, role: str, attrs: dict[str, Any] | None = None) -> None:
        edge = Edge(source=source, type=type_, target=target, role=role, attrs=attrs or {})
        if type_ in _HAPPENED:
            edge = msgspec.structs.replace(edge, evidence=self._evidence, basis=self._recorded.asserted_by)
        self.edges.append(edge)

    def add_code(self) -> str:
        """The commit; what was recorded from a dirty tree stands on it."""
        code = self._recorded.code
        commit = self.add(
            Node(kind=Kind.CODE, identity={"commit": code.commit}, name=code.commit[:12], attrs={"tree": code.tree})
        )
        if code.patch is None:
            return commit
        dirty = Node(kind=Kind.CODE, identity={"commit": code.commit, "patch": code.patch}, name=f"{code.commit[:12]}+")
        self.join(self.add(dirty), EdgeType.DERIVED_FROM, commit, "commit")
        return dirty.uid

    def add_plan(self) -> str:
        plan = self._recorded.plan
        node = Node(
            kind=Kind.PLAN,
            type="pipeline",
            identity={"plan": plan.digest},
            name=self._recorded.name,
            attrs=msgspec.to_builtins(plan),
        )
        self.join(self.add(node), EdgeType.SPECIALIZES, self._locator("dvc.yaml", "pipeline"), "")
        return node.uid

    def place(self, execution: str, trial: str) -> None:
        """Put the execution into its experiment, and say which template its project comes from."""
        recorded = self._recorded
        if recorded.experiment:
            experiment = self.add(experiment_node(recorded.experiment, recorded.store))
            part = self.add(trial_node(trial, recorded.experiment, recorded.store))
            self.join(execution, EdgeType.PART_OF, part, "execution")
            self.join(part, EdgeType.PART_OF, experiment, "trial")
        if recorded.template:
            version, template = template_nodes(*recorded.template)
            self.join(execution, EdgeType.FOLLOWS_PLAN, self.add(version), "template")
            self.join(version.uid, EdgeType.SPECIALIZES, self.add(template), "")

    def add_artifact(self, artifact: Artifact, kind: Kind) -> str:
        """The content, and where it lay: another content of the same path is another version of that locator."""
        attrs: dict[str, Any] = {
            "kind": artifact.kind.value,
            "size": artifact.size,
            "files": artifact.files,
            "blake3": artifact.digests.blake3,
            "md5": artifact.digests.md5,
        }
        if values := self._recorded.metrics.get(artifact.path):
            attrs["values"] = values
        node = Node(kind=kind, identity={"sha256": artifact.digests.sha256}, name=artifact.path, attrs=attrs)
        self.join(self.add(node), EdgeType.SPECIALIZES, self._locator(artifact.path, "path"), "")
        return node.uid

    def _locator(self, path: str, type_: str) -> str:
        directory = self._recorded.code.directory
        place = f"{directory}/{path}" if directory else path
        identity = {"repository": self._recorded.repository, "path": place}
        return self.add(Node(kind=Kind.LOCATOR, type=type_, identity=identity, name=place))


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
        "tool": recorded.tool,
        "steps": [facts.run for facts in recorded.facts],
    }
    return Node(
        kind=Kind.COLLECTION,
        type="execution",
        identity={"execution": recorded.execution},
        name=recorded.name,
        attrs=attrs,
    )


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


def _output_attrs(output: Output, values: dict[str, str] | None) -> dict[str, Any]:
    attrs = {
        "storage": output.artifact.storage.value,
        "role": output.role.value,
        "judgement": msgspec.to_builtins(output.judgement),
    }
    # The node of the same bytes may have been recorded before they were called metrics.
    return attrs | {"values": values} if values else attrs


def _model_version(recorded: Recorded, version: int) -> Node:
    return Node(
        kind=Kind.MODEL_VERSION,
        name=f"{recorded.name}:{version}",
        identity={"model": recorded.name, "version": str(version), "execution": recorded.execution},
        attrs={
            "commit": recorded.code.commit,
            "grade": grade_of(
                recorded.environment,
                recorded.steps,
                image_archived=recorded.image_archived,
                watched=not recorded.asserted_by,
            ).value,
        },
    )
