"""Searching under real policies: in one's own store, and in another team's that is attached."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests_support.search_sample import record

from replay.access import close, ground_of
from replay.access.asking import system_user
from replay.access.attached import attach
from replay.access.groups import Groups
from replay.ask.search import search
from replay.lineage import Kind
from replay.search.parse import parse
from replay.search.request import Found, Search
from replay.store.database import Store

MODELS = "kind=model_version"
READ = 'permit (principal, action == Action::"read", resource);'
NO_MODELS = 'forbid (principal, action == Action::"read", resource) when { resource.kind == "model_version" };'


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "own" / ".replay", create=True) as store:
        record(store, "churn", parameters={"lr": 0.1})
        record(store, "carry", parameters={"lr": 0.2})
        yield store


@pytest.fixture
def theirs(own: Store, tmp_path: Path) -> Iterator[Store]:
    """Another team's store that is attached: two models, nothing of them shared yet."""
    with Store.open(tmp_path / "theirs" / ".replay", create=True) as store:
        record(store, "open", parameters={"lr": 0.3, "secret": 42})
        record(store, "closed", parameters={"lr": 0.4, "secret": 43})
        attach(own, "theirs", str(store.root), tmp_path)
        yield store


def share(store: Store, *uids: str, upstream: bool, policy: str = READ) -> None:
    groups = Groups(store, system_user())
    groups.create("shared")
    groups.add("shared", list(uids), upstream=upstream)
    groups.set_policy("shared", policy)


def version(store: Store, name: str) -> str:
    return next(row.uid for row in store.models(name))


def found(store: Store, text: str) -> Found:
    ground = ground_of(store)
    try:
        return search(Search(where=parse(text)), ground)
    finally:
        close(ground)


def names(answer: Found) -> list[str]:
    return [hit.name for hit in answer.hits]


def test_what_a_policy_of_ones_own_store_forbids_is_hidden(own: Store) -> None:
    assert names(found(own, MODELS)) == ["carry:1", "churn:1"]
    share(own, version(own, "churn"), upstream=False, policy=NO_MODELS)
    answer = found(own, MODELS)
    assert (names(answer), answer.hidden, answer.complete) == (["carry:1"], 1, False)


def test_another_team_shares_nothing_by_itself(own: Store, theirs: Store) -> None:
    assert len(theirs.models()) == 2
    answer = found(own, MODELS)
    assert (names(answer), answer.hidden, answer.complete) == (["carry:1", "churn:1"], 0, True)


def test_what_another_team_shares_is_found(own: Store, theirs: Store) -> None:
    share(theirs, version(theirs, "open"), upstream=True)
    answer = found(own, f"{MODELS} and params.lr>=0.2")
    assert [(hit.name, hit.stores) for hit in answer.hits] == [("open:1", ("theirs",)), ("carry:1", ())]
    assert found(own, "params.secret=42 and kind=run").total == 1


@pytest.mark.parametrize("upstream", [False, True])
def test_values_that_are_not_shared_cannot_be_found_out(own: Store, theirs: Store, upstream: bool) -> None:
    """Whatever is asked of what is not shared, the answer is the same; also of a model whose run is not shared."""
    share(theirs, version(theirs, "open"), upstream=upstream)
    told = set()
    for secret in range(41, 45):
        answer = found(own, f"{MODELS} and params.secret={secret}")
        told.add((secret, tuple(names(answer)), answer.total, answer.hidden, answer.complete))
    expected = {(secret, (), 0, 0, True) for secret in range(41, 45)}
    if upstream:
        expected = expected - {(42, (), 0, 0, True)} | {(42, ("open:1",), 1, 0, True)}
    assert told == expected
    assert names(found(own, MODELS)) == ["open:1", "carry:1", "churn:1"]
    assert all(hit.kind is Kind.MODEL_VERSION for hit in found(own, MODELS).hits)
