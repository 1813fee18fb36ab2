"""Experiments from the lineage, on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from tests_support.recordings import METRICS, register, session_of, tried, with_outputs

from replay.ask import Ground
from replay.errors import UsageError
from replay.experiments import Table, listed, table_of
from replay.experiments.trials import Files
from replay.lineage import experiment_node
from replay.recipe import Recipe
from replay.record.recorded import Definition
from replay.session import Session
from replay.store.database import Store

CONFIG = "rate: {rate}\ntwice: {rate}\nseed: 7\n"
UNRESOLVED = "rate: {rate}\ntwice: ${{rate}}\nseed: 7\n"


@pytest.fixture
def session(store: Store) -> Iterator[Session]:
    with session_of(store) as opened:
        yield opened


def record(session: Session, recipe: Recipe, sharpe: str, **options: object) -> str:
    made = with_outputs(recipe, sharpe + str(options))
    return register(
        session.store, made, **{"experiment": "horizons", "metrics": {METRICS: {"sharpe": sharpe}}} | options
    )


def table(session: Session, name: str = "horizons", files: Files | None = None) -> Table:
    return table_of(experiment_node(name, session.store.id).uid, Ground.of(session.store), files=files)


def test_parameters_and_metrics_of_all_trials_are_one_table(session: Session) -> None:
    for rate, sharpe in (("0.1", "1.0"), ("0.2", "1.5")):
        recipe = tried(
            parameters={"params.yaml:depth": "3"},
            config=CONFIG.format(rate=rate),
            unresolved=UNRESOLVED.format(rate=rate),
        )
        record(session, recipe, sharpe, trial=f"rate {rate}")
    found = table(session)
    assert (found.varied, found.constant) == (("rate",), {"params.yaml:depth": "3", "seed": "7"})
    assert [(one.label, one.models, one.parameters["rate"], one.metrics) for one in found.trials] == [
        ("rate 0.1", ("momentum:1",), "0.1", {"sharpe": "1.0"}),
        ("rate 0.2", ("momentum:2",), "0.2", {"sharpe": "1.5"}),
    ]
    (pair,) = found.pairs
    assert (pair.a, pair.b, pair.changes[0].change, pair.also) == ("rate 0.1", "rate 0.2", 0.5, ())
    assert found.complete


def test_equal_metrics_of_two_trials_are_one_node_and_two_rows(session: Session) -> None:
    for rate in ("1", "2"):
        recipe = tried(parameters={"params.yaml:rate": rate})
        register(session.store, recipe, experiment="horizons", metrics={METRICS: {"sharpe": "1.0"}})
    assert [one.metrics for one in table(session).trials] == [{"sharpe": "1.0"}] * 2


def test_bytes_that_were_recorded_before_they_were_called_metrics_have_their_values(session: Session) -> None:
    register(session.store, tried())
    register(session.store, tried(), experiment="horizons", metrics={METRICS: {"sharpe": "1.0"}})
    assert [one.metrics for one in table(session).trials] == [{"sharpe": "1.0"}]


def test_a_trial_that_was_executed_twice_has_two_rows(session: Session) -> None:
    for sharpe in ("1", "2"):
        record(session, tried(), sharpe, trial="again")
    assert [one.label for one in table(session).trials] == ["again (momentum:1)", "again (momentum:2)"]


def test_what_else_differs_is_named(session: Session) -> None:
    record(session, tried(parameters={"params.yaml:rate": "1"}), "1")
    record(
        session,
        tried(parameters={"params.yaml:rate": "2"}, data="f", commit="7"),
        "2",
        profile="portable-v3",
        plan=Definition(steps=(), model="out/model.txt"),
    )
    (pair,) = table(session).pairs
    assert pair.also == (
        "input data/raw.csv",
        "pipeline definition",
        "profile",
        "code (commits 000000000000 and 777777777777 are not both here to be compared)",
    )


def test_code_that_changed_is_named_where_both_commits_are_here(session: Session) -> None:
    record(session, tried(parameters={"params.yaml:rate": "1"}), "1")
    record(session, tried(parameters={"params.yaml:rate": "2"}, commit="7"), "2")
    changed = ["params.yaml", "dvc.lock", "recipes/momentum/1.json", "data/raw.csv", "data/x.csv.dvc", "conf/x.yaml"]
    changed.append(METRICS)
    (pair,) = table(session, files=lambda a, b: [*changed, "src/fit.py"]).pairs
    assert pair.also == ("code src/fit.py",)
    asked: list[tuple[str, str]] = []

    def files(one: object, other: object) -> list[str]:
        asked.append((one["commit"], other["commit"]))  # type: ignore[index]
        return changed

    (pair,) = table(session, files=files).pairs
    assert pair.also == ()
    assert asked == [("0" * 40, "7" * 40)]


def test_configuration_files_count_as_code_where_no_configuration_was_seen(session: Session) -> None:
    for number in ("1", "2"):
        recipe = tried(parameters={"params.yaml:rate": number}, commit=number)
        steps = tuple(msgspec.structs.replace(step, configs=()) for step in recipe.steps)
        bare = msgspec.structs.replace(recipe, steps=steps)
        record(session, bare, number)
    (pair,) = table(session, files=lambda a, b: ["settings.yaml"]).pairs
    assert pair.also == ("code settings.yaml",)


def test_the_same_name_in_one_store_is_one_experiment(session: Session) -> None:
    record(session, tried(), "1")
    record(session, tried("carry"), "2")
    record(session, tried(), "3", experiment="seeds")
    record(session, tried(), "4", experiment="")
    rows = listed(Ground.of(session.store))
    assert [(row.name, row.trials, row.executions) for row in rows] == [("horizons", 2, 2), ("seeds", 1, 1)]
    assert [one.trial for one in table(session).trials] == ["momentum:1", "carry:1"]


def test_something_else_is_no_experiment(session: Session) -> None:
    version = record(session, tried(), "1")
    with pytest.raises(UsageError, match="momentum:1 is no experiment"):
        table_of(version, Ground.of(session.store))


def test_without_experiments_the_list_is_empty(session: Session) -> None:
    register(session.store, tried())
    assert listed(Ground.of(session.store)) == []
