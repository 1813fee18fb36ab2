"""Versions of pipeline definitions and templates, on both databases."""

from __future__ import annotations

from typing import Any

from tests_support.recipes import a_recipe
from tests_support.recordings import register, with_outputs

from replay.ask import Ground
from replay.lineage import EdgeType, Kind
from replay.plans import versions_of
from replay.record.recorded import Definition
from replay.store.database import Store
from replay.uid import uid_of


def plan(command: str) -> Definition:
    step = {"name": "fit", "command": ["/bin/sh", "-c", command], "inputs": [], "parameters": [], "outputs": []}
    return Definition(steps=(step,), model="out/model.txt")


def record(store: Store, number: int, definition: Definition, **options: Any) -> str:
    return register(store, with_outputs(a_recipe(), str(number)), plan=definition, **options)


def pipeline(version: str, store: Store) -> str:
    """The pipeline definition that a model version's execution followed."""
    (execution,) = (n for e, n in store.neighbours(version) if e.role == "execution")
    plans = [n for e, n in store.neighbours(execution.uid) if e.type is EdgeType.FOLLOWS_PLAN]
    (found,) = (one.uid for one in plans if one.type == "pipeline")
    return found


def test_an_execution_points_to_the_version_it_followed_also_after_it_changed(store: Store) -> None:
    first, second = plan("fit"), plan("fit -v")
    versions = [record(store, n, definition) for n, definition in enumerate((first, first, second, first))]
    assert [pipeline(version, store) for version in versions] == [
        f"plan:{definition.digest}" for definition in (first, first, second, first)
    ]
    assert store.node(pipeline(versions[0], store)).attrs["steps"][0]["command"][2] == "fit"


def test_the_versions_of_a_plan_are_told_in_the_order_of_their_first_execution(store: Store) -> None:
    first, second = plan("fit"), plan("fit -v")
    versions = [record(store, n, definition) for n, definition in enumerate((first, second, first))]
    expected = [f"plan:{first.digest}", f"plan:{second.digest}"]
    locator = uid_of({"repository": "store:test", "path": "dvc.yaml"})
    for start in (*expected, locator):
        found = versions_of(start, Ground.of(store))
        assert [one.uid for one in found] == expected
        assert [one.executions for one in found] == [2, 1]
        assert [one.models for one in found] == [("momentum:1", "momentum:3"), ("momentum:2",)]
        assert [(c.step, c.what, c.before, c.after) for c in found[1].changes] == [("fit", "command", "fit", "fit -v")]
        assert found[0].changes == ()
    executions = [n for e, n in store.neighbours(versions[0]) if e.role == "execution"]
    assert versions_of(locator, Ground.of(store))[0].first_execution == executions[0].uid


def test_the_plan_of_another_repository_is_another_one(store: Store) -> None:
    record(store, 0, plan("fit"))
    record(store, 1, plan("fit -v"), repository="https://example.org/other.git")
    locator = uid_of({"repository": "https://example.org/other.git", "path": "dvc.yaml"})
    assert [one.models for one in versions_of(locator, Ground.of(store))] == [("momentum:2",)]


def test_versions_of_a_template_are_told_too(store: Store) -> None:
    for number in (1, 2):
        record(store, number, plan("fit"), template=("momentum", str(number), f"{number}" * 64))
    found = versions_of(uid_of({"template": "momentum"}), Ground.of(store))
    assert [(one.name, one.type, one.models) for one in found] == [
        ("momentum@1", "template", ("momentum:1",)),
        ("momentum@2", "template", ("momentum:2",)),
    ]


def test_other_nodes_have_no_versions_of_a_plan(store: Store) -> None:
    version = record(store, 0, plan("fit"))
    path = next(n for n in store.closure(version).nodes.values() if n.kind is Kind.LOCATOR and n.name == "data/raw.csv")
    assert versions_of(version, Ground.of(store)) == ()
    assert versions_of(path.uid, Ground.of(store)) == ()
