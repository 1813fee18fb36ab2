"""Recording writes lineage, freezing reads it back: the round trip must lose nothing."""

import msgspec
import pytest
from tests_support.recipes import a_recipe

from replay.errors import FreezeError
from replay.freeze import freeze
from replay.lineage import Edge, EdgeType, Kind, Lineage, Node
from replay.recipe import Environment, EnvironmentKind, Gap, Grade, Image, Interpolation, Storage
from replay.record.graph import to_lineage
from replay.record.recorded import Definition, Recorded, RunFacts


def recorded(recipe, *, execution="01A", archived=True) -> Recorded:
    facts = tuple(
        RunFacts(run=f"{execution}{n}", started="2026-01-01T00:00:00Z", seconds="1.5", exit_code=0, log="f" * 64)
        for n, _ in enumerate(recipe.steps)
    )
    return Recorded(
        execution=execution,
        name=recipe.name,
        model=recipe.model,
        profile=recipe.profile,
        code=recipe.code,
        environment=recipe.environment,
        machine=recipe.machine,
        steps=recipe.steps,
        facts=facts,
        gaps=(),
        image_archived=archived,
        recorded_by="somebody",
        tool="replay 0.1",
        plan=Definition(steps=(), model=recipe.model),
        repository="store:test",
    )


def lineage_of(*records_and_versions) -> Lineage:
    nodes, edges, focal = {}, [], ""
    for record, version in records_and_versions:
        made, joined, focal = to_lineage(record, version)
        nodes |= {n.uid: n for n in made if n.uid not in nodes}
        edges += joined
    return Lineage(focal=focal, nodes=nodes, edges=tuple(edges))


def test_what_is_recorded_is_what_is_frozen():
    recipe = a_recipe()
    frozen = freeze(lineage_of((recorded(recipe), 1)))
    assert frozen.steps == recipe.steps
    assert msgspec.structs.replace(frozen, gaps=()) == recipe


def test_two_versions_that_share_content_do_not_mix():
    first, second = recorded(a_recipe(), execution="01A"), recorded(a_recipe(), execution="01B")
    frozen = freeze(lineage_of((first, 1), (second, 2)))
    assert frozen.version == 2
    assert [s.name for s in frozen.steps] == ["prepare", "train"]
    assert len(frozen.steps[1].outputs) == 2


def test_a_lost_run_is_named():
    whole = lineage_of((recorded(a_recipe()), 1))
    without = tuple(e for e in whole.edges if e.type is not EdgeType.PART_OF)
    with pytest.raises(FreezeError, match="lacks the runs"):
        freeze(msgspec.structs.replace(whole, edges=without))


def test_an_output_whose_edge_is_gone_does_not_shrink_the_recipe():
    whole = lineage_of((recorded(a_recipe()), 1))
    without = tuple(e for e in whole.edges if not (e.type is EdgeType.GENERATED and "metrics" in e.role))
    with pytest.raises(FreezeError, match="step train: the lineage has the outputs"):
        freeze(msgspec.structs.replace(whole, edges=without))


def test_everything_is_upstream_of_the_model_version():
    whole = lineage_of((recorded(a_recipe()), 1))
    reached, before = {whole.focal}, set()
    while reached != before:
        before = set(reached)
        reached |= {e.older for e in whole.edges if e.younger in reached}
    assert reached == set(whole.nodes)


def test_the_focal_node_must_be_a_model_version():
    node = Node(kind=Kind.DATASET, identity={"sha256": "a"})
    with pytest.raises(FreezeError, match="expected a model version"):
        freeze(Lineage(focal=node.uid, nodes={node.uid: node}, edges=()))


def grade(recipe, **kwargs):
    return freeze(lineage_of((recorded(recipe, **kwargs), 1))).grade


def test_grades_say_what_is_left_to_replay_from():
    recipe = a_recipe()
    image = recipe.environment.image
    locked = Environment(
        kind=EnvironmentKind.LOCKED, image=image, base=image, lock="requirements.txt", lock_sha256="a" * 64
    )
    assert grade(recipe) is Grade.A
    assert grade(msgspec.structs.replace(recipe, environment=locked), archived=False) is Grade.B
    assert grade(recipe, archived=False) is Grade.C
    prepare, train = recipe.steps
    lost = msgspec.structs.replace(prepare.inputs[0], storage=Storage.NONE)
    assert (
        grade(msgspec.structs.replace(recipe, steps=(msgspec.structs.replace(prepare, inputs=(lost,)), train)))
        is Grade.D
    )


def gaps(recipe) -> set[str]:
    return {gap.item for gap in freeze(lineage_of((recorded(recipe), 1))).gaps}


@pytest.mark.parametrize(
    ("resolver", "variable", "is_gap"),
    [
        ("oc.env", "RATE", True),
        ("oc.env", "PYTHONHASHSEED", False),
        ("now", None, True),
        ("custom", None, True),
        ("", None, False),
    ],
)
def test_a_floating_interpolation_is_a_gap(resolver, variable, is_gap):
    recipe = a_recipe()
    train = recipe.steps[1]
    found = Interpolation(expression="${floating}", resolver=resolver, variable=variable)
    config = msgspec.structs.replace(train.configs[0], interpolations=(found,))
    steps = (recipe.steps[0], msgspec.structs.replace(train, configs=(config,)))
    assert ("${floating}" in gaps(msgspec.structs.replace(recipe, steps=steps))) is is_gap


def test_a_missing_seed_an_image_in_no_registry_and_a_missing_remote_are_gaps():
    recipe = a_recipe()
    prepare = msgspec.structs.replace(recipe.steps[0], seeds_missing=("numpy.random",))
    found = gaps(msgspec.structs.replace(recipe, steps=(prepare, recipe.steps[1])))
    assert found == {"code.url", "environment.image", "seed of numpy.random"}
    assert all(isinstance(gap, Gap) and gap.consequence for gap in freeze(lineage_of((recorded(recipe), 1))).gaps)


def test_edges_point_upstream_from_what_was_made():
    edge = Edge(source="run", type=EdgeType.GENERATED, target="model")
    assert (edge.younger, edge.older) == ("model", "run")
    assert Image(config="sha256:", layers=(), platform="").repo_digests == ()
