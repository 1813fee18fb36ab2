"""A run that nobody watched: what is asserted, by whom, and what that is worth."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests_support.recipes import a_recipe
from tests_support.recordings import recorded

from replay.execute.determinism import deviations, restoration
from replay.execute.interface import HostFacts
from replay.freeze import freeze
from replay.lineage import EdgeType, Evidence, Kind, Lineage
from replay.recipe import Environment, EnvironmentKind, Grade, Recipe, Storage
from replay.record.graph import to_lineage
from replay.record.recorded import RunFacts
from replay.recorded_after import UNKNOWN

HOST = HostFacts(
    cpu_model="Xeon", cpu_flags=("avx2", "fma", "avx512f"), cpus=2, memory_bytes=1 << 33, kernel="6.1", architecture="x"
)


def lineage(recipe: Recipe | None = None, **changes: Any) -> Lineage:
    recipe = recipe or a_recipe()
    facts = tuple(
        RunFacts(run=f"{n}", started="", seconds="", exit_code=None, log="") for n, _ in enumerate(recipe.steps)
    )
    told = {"facts": facts, "machine": UNKNOWN, "asserted_by": "ann", **changes}
    nodes, edges, focal = to_lineage(recorded(recipe, **told), 1)
    return Lineage(focal=focal, nodes={node.uid: node for node in nodes}, edges=tuple(edges))


def test_what_happened_is_asserted_and_what_is_here_is_recorded() -> None:
    found = lineage()
    levels = {(node.kind, node.type): (node.evidence, node.basis) for node in found.nodes.values()}
    said = (Evidence.ASSERTED, "ann")
    assert levels[Kind.RUN, ""] == levels[Kind.COLLECTION, "execution"] == levels[Kind.MODEL_VERSION, ""] == said
    for kind in (Kind.DATASET, Kind.MODEL, Kind.CODE, Kind.IMAGE, Kind.PLAN):
        assert {level for (k, _), (level, _) in levels.items() if k is kind} == {Evidence.RECORDED}, kind
    for edge in found.edges:
        happened = edge.type in {EdgeType.USED, EdgeType.GENERATED, EdgeType.FOLLOWS_PLAN}
        assert (edge.evidence is Evidence.ASSERTED) is happened, edge


def test_a_watched_run_asserts_nothing_but_its_recorder() -> None:
    found = lineage(asserted_by="")
    asserted = {node.kind for node in found.nodes.values() if node.evidence is Evidence.ASSERTED}
    assert asserted == {Kind.AGENT}
    assert {edge.evidence for edge in found.edges} == {Evidence.RECORDED}


def with_environment(kind: EnvironmentKind) -> Recipe:
    recipe = a_recipe()
    return msgspec.structs.replace(recipe, environment=Environment(kind=kind, image=recipe.environment.image))


@pytest.mark.parametrize("kind", EnvironmentKind)
@pytest.mark.parametrize("archived", [True, False])
def test_c_is_the_best_grade_of_an_assertion(kind: EnvironmentKind, archived: bool) -> None:
    found = lineage(with_environment(kind), image_archived=archived)
    assert freeze(found).grade is Grade.C
    assert found.nodes[found.focal].attrs["grade"] == "C"


def test_an_assertion_without_its_data_is_worth_nothing() -> None:
    recipe = a_recipe()
    first = recipe.steps[0]
    lost = msgspec.structs.replace(first.inputs[0], storage=Storage.NONE)
    steps = (msgspec.structs.replace(first, inputs=(lost,)), *recipe.steps[1:])
    assert freeze(lineage(msgspec.structs.replace(recipe, steps=steps))).grade is Grade.D


def test_a_machine_that_is_not_known_restores_nothing_and_says_so() -> None:
    assert restoration(UNKNOWN, HOST, "pinned") == {}
    (found,) = deviations(UNKNOWN, HOST, "pinned")
    assert (found.facet, found.actual) == ("machine", "Xeon")
    assert found.recorded == "unknown: nobody watched the run"
    assert msgspec.convert(msgspec.to_builtins(UNKNOWN), type(UNKNOWN)) == UNKNOWN
