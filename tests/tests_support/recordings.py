"""Model versions in a store as a recording writes them, without running anything."""

from __future__ import annotations

from typing import Any

import msgspec
from tests_support.recipes import a_recipe, digests

from replay.acting import Asker, act
from replay.identity import ModelId, sha256_hex, ulid
from replay.lineage import Edge, EdgeType
from replay.progress import Silent
from replay.recipe import Artifact, ConfigSnapshot, Output, Recipe, Step
from replay.record.graph import to_lineage
from replay.record.recorded import Definition, Recorded, RunFacts
from replay.session import Session
from replay.store.database import Store

METRICS = "out/metrics.json"


def recorded(recipe: Recipe, **changes: Any) -> Recorded:
    """What a recording of ``recipe`` would hand to the lineage."""
    facts = tuple(
        RunFacts(run=ulid(), started="2026-01-01T00:00:00Z", seconds="1.5", exit_code=0, log="f" * 64)
        for _ in recipe.steps
    )
    whole = {
        "execution": ulid(),
        "name": recipe.name,
        "model": recipe.model,
        "profile": recipe.profile,
        "code": recipe.code,
        "environment": recipe.environment,
        "machine": recipe.machine,
        "steps": recipe.steps,
        "facts": facts,
        "gaps": (),
        "image_archived": True,
        "recorded_by": "maker",
        "tool": "replay 0.1",
        "plan": Definition(steps=tuple({"name": step.name} for step in recipe.steps), model=recipe.model),
        "repository": "store:test",
    }
    return Recorded(**whole | changes)


def register(store: Store, recipe: Recipe | None = None, **changes: Any) -> str:
    """Register the next version of a model; the uid of its node."""
    recipe = recipe or a_recipe()
    made = recorded(recipe, **{"store": store.id} | changes)
    version = store.register(recipe.name, lambda number: to_lineage(made, number))
    return store.model_version(ModelId(name=recipe.name, version=version))


def tried(
    name: str = "momentum",
    *,
    parameters: dict[str, str] | None = None,
    config: str | None = None,
    unresolved: str | None = None,
    data: str = "a",
    commit: str = "0",
) -> Recipe:
    """`a_recipe` with other parameters, another configuration, other data or another commit."""
    recipe = a_recipe()
    steps = []
    for step in recipe.steps:
        changed = step
        if parameters is not None:
            changed = msgspec.structs.replace(changed, parameters=parameters)
        if config is not None:
            snapshot = ConfigSnapshot(name="config", unresolved=unresolved or config, resolved=config)
            changed = msgspec.structs.replace(changed, configs=(snapshot,))
        steps.append(msgspec.structs.replace(changed, inputs=tuple(_data(item, data) for item in changed.inputs)))
    code = msgspec.structs.replace(recipe.code, commit=commit * 40)
    return msgspec.structs.replace(recipe, name=name, code=code, steps=tuple(steps))


def _data(item: Artifact, letter: str) -> Artifact:
    return msgspec.structs.replace(item, digests=digests(letter)) if item.path == "data/raw.csv" else item


def with_outputs(recipe: Recipe, salt: str) -> Recipe:
    """``recipe`` with outputs of its own, as another setting gives them."""
    return msgspec.structs.replace(recipe, steps=tuple(_salted(step, salt) for step in recipe.steps))


def _salted(step: Step, salt: str) -> Step:
    outputs = []
    for output in step.outputs:
        sha256 = sha256_hex(f"{salt} {output.artifact.path}".encode())
        artifact = msgspec.structs.replace(
            output.artifact, digests=msgspec.structs.replace(output.artifact.digests, sha256=sha256)
        )
        outputs.append(Output(artifact=artifact, role=output.role, judgement=output.judgement))
    return msgspec.structs.replace(step, outputs=tuple(outputs))


def session_of(store: Store) -> Session:
    """A session of the store, as a command has it; who opened the store closes it."""
    return Session(store.root.parent, store, (), Silent())


def replayed(store: Store, version: str, verdict: str, *, started: str = "2026-01-02T00:00:00+00:00", by: str) -> None:
    """Record a replay of a model version and how it ended."""
    made = act("replay", Asker(user=by), {}, attrs={"verdict": verdict, "started": started, "certificate": False})
    store.append(made.nodes, (*made.edges, Edge(source=made.uid, type=EdgeType.REPLAYS, target=version)))
