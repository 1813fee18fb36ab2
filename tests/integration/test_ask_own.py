"""Equal bytes are one node: what stands on a node is told apart from what only holds the same bytes."""

from __future__ import annotations

import itertools
import random

import msgspec
import pytest
from tests_support.recipes import a_recipe
from tests_support.recordings import register, tried, with_outputs

from replay.ask import Ground, ask
from replay.identity import Digests, sha256_hex
from replay.lineage import Edge, EdgeType, Kind, Node
from replay.query import Direction, Query
from replay.recipe import Recipe
from replay.store.database import Store
from replay.uid import uid_of

FIRST, SECOND = (uid_of({"commit": letter * 40}) for letter in "12")
CLEAN = uid_of({"sha256": "b" * 64})
"""The intermediate that every `a_recipe` makes and uses."""


def below(store: Store, *start: str) -> set[str]:
    return told(store, Query(start=start, direction=Direction.DOWN))


def above(store: Store, start: str) -> set[str]:
    return told(store, Query(start=(start,)))


def told(store: Store, query: Query) -> set[str]:
    """What an answer tells, which is a part of the plain walk; the rest it counts."""
    answer, plain = (ask(msgspec.structs.replace(query, same_bytes=all_), Ground.of(store)) for all_ in (False, True))
    assert set(answer.found) <= set(plain.found)
    assert answer.elsewhere == len(plain.found) - len(answer.found)
    assert plain.elsewhere == 0
    return {*query.start, *answer.found}


def test_a_commit_does_not_touch_a_model_that_made_the_same_intermediate_by_itself(store: Store) -> None:
    first, second = (register(store, tried(commit=letter)) for letter in "12")
    everything = store.closure(SECOND, direction="down").nodes
    assert first in everything, "the plain walk goes through the bytes that both made"
    assert {first, second} & below(store, SECOND) == {second}
    assert {first, second} & below(store, FIRST) == {first}
    assert {first, second} <= below(store, CLEAN), "who asks about the bytes gets everybody who holds them"
    assert {FIRST, SECOND} & above(store, first) == {FIRST}
    assert {FIRST, SECOND} & above(store, second) == {SECOND}
    assert CLEAN in above(store, first)


def without_preparing(recipe: Recipe) -> Recipe:
    """The recipe of a workflow that begins with the intermediate."""
    return msgspec.structs.replace(recipe, steps=recipe.steps[1:])


def test_who_did_not_make_the_bytes_stands_on_everybody_who_did(store: Store) -> None:
    register(store, tried(commit="1"))
    register(store, tried(commit="2"))
    user = register(store, without_preparing(with_outputs(tried("carry", commit="3"), "carry")))
    # `with_outputs` gave only outputs other names: the step still begins with the shared intermediate
    assert user in below(store, FIRST) & below(store, SECOND)
    assert {FIRST, SECOND} <= above(store, user)


def test_what_stands_on_a_touched_model_is_touched(store: Store) -> None:
    first, second = (register(store, tried(commit=letter)) for letter in "12")
    runs = [
        Node(kind=Kind.RUN, identity={"run": f"01ARZ3NDEKTSV4RRFFQ69G5FA{end}"}, name=f"tune {end}") for end in "AB"
    ]
    uses = [
        Edge(source=run.uid, type=EdgeType.USED, target=model, role="model")
        for run, model in zip(runs, (first, second), strict=True)
    ]
    store.append(runs, uses)
    assert {run.uid for run in runs} & below(store, SECOND) == {runs[1].uid}
    assert {FIRST, SECOND} & above(store, runs[0].uid) == {FIRST}


def test_runs_of_no_execution_are_each_one_of_their_own(store: Store) -> None:
    code = Node(kind=Kind.CODE, identity={"commit": "9" * 40})
    data, out = (Node(kind=Kind.DATASET, identity={"sha256": letter * 64}) for letter in "78")
    one, other, last = (Node(kind=Kind.RUN, identity={"run": f"01ARZ3NDEKTSV4RRFFQ69G5FA{end}"}) for end in "ABC")
    store.append(
        [code, data, out, one, other, last],
        [
            Edge(source=one.uid, type=EdgeType.USED, target=code.uid, role="code"),
            Edge(source=one.uid, type=EdgeType.GENERATED, target=data.uid),
            Edge(source=other.uid, type=EdgeType.GENERATED, target=data.uid),
            Edge(source=last.uid, type=EdgeType.USED, target=data.uid),
            Edge(source=last.uid, type=EdgeType.GENERATED, target=out.uid),
        ],
    )
    assert below(store, code.uid) == {code.uid, one.uid, data.uid, last.uid, out.uid}
    assert above(store, out.uid) == {out.uid, last.uid, data.uid, one.uid, other.uid, code.uid}


def test_two_names_of_one_thing_lead_on(store: Store) -> None:
    one, other = (Node(kind=Kind.DATASET, identity={"uri": f"s3://{bucket}/x"}) for bucket in ("eu", "us"))
    run = Node(kind=Kind.RUN, identity={"run": "01ARZ3NDEKTSV4RRFFQ69G5FAV"})
    store.append(
        [one, other, run],
        [
            Edge(source=one.uid, type=EdgeType.SAME_AS, target=other.uid),
            Edge(source=run.uid, type=EdgeType.USED, target=other.uid),
        ],
    )
    assert below(store, one.uid) == {one.uid, other.uid, run.uid}
    assert above(store, run.uid) == {one.uid, other.uid, run.uid}


def test_what_touches_nothing_and_what_was_made_from_nothing(store: Store) -> None:
    node = Node(kind=Kind.DATASET, identity={"sha256": "9" * 64})
    store.append([node])
    assert below(store, node.uid) == {node.uid} == above(store, node.uid)


def shuffled(rng: random.Random) -> Recipe:
    """A workflow of two steps over very few different bytes, so that executions often make the same ones."""

    def some(what: str, count: int) -> Digests:
        digest = sha256_hex(f"{what} {rng.randrange(count)}".encode())
        return Digests(sha256=digest, blake3=digest, md5=digest[:32])

    recipe = tried(commit=str(rng.randrange(4)))
    clean, raw = some("clean", 3), some("raw", 2)
    foreign = rng.random() < 0.3
    steps = []
    for step in recipe.steps[foreign:]:
        inputs = [
            msgspec.structs.replace(item, digests=raw if item.path == "data/raw.csv" else clean) for item in step.inputs
        ]
        outputs = []
        for output in step.outputs:
            digests = clean if output.artifact.path == "out/clean.csv" else some(output.artifact.path, 4)
            outputs.append(
                msgspec.structs.replace(output, artifact=msgspec.structs.replace(output.artifact, digests=digests))
            )
        steps.append(msgspec.structs.replace(step, inputs=tuple(inputs), outputs=tuple(outputs)))
    return msgspec.structs.replace(recipe, steps=tuple(steps))


@pytest.mark.parametrize("seed", range(4))
def test_both_ways_say_the_same(seed: int, sqlite_store: Store) -> None:
    rng = random.Random(seed)
    versions = [register(sqlite_store, shuffled(rng)) for _ in range(12)]
    commits = [uid for n in range(4) if sqlite_store.has(uid := uid_of({"commit": str(n) * 40}))]
    made_from = {version: above(sqlite_store, version) for version in versions}
    touched = {commit: below(sqlite_store, commit) for commit in commits}
    plain = {commit: set(sqlite_store.closure(commit, direction="down").nodes) for commit in commits}
    for version, commit in itertools.product(versions, commits):
        assert (commit in made_from[version]) == (version in touched[commit])
        assert version in plain[commit] or version not in touched[commit]
    assert any(touched[commit] < plain[commit] for commit in commits), "nothing was told apart"


def test_every_recipe_lies_in_what_its_model_was_made_from(store: Store) -> None:
    version = register(store, a_recipe())
    assert above(store, version) == set(store.closure(version).nodes)
