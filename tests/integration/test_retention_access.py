"""Who may forget, and what those learn who may not read everything, on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests_support.keeping import blobs_of, pipeline, record, replayed
from tests_support.recordings import session_of

from replay.access.groups import Groups
from replay.errors import PolicyError
from replay.lineage import EdgeType
from replay.retention.bill import bill
from replay.retention.deleting import clear
from replay.retention.forgetting import Wish, forget
from replay.retention.recomputable import forget_recomputable
from replay.retention.world import VEILED
from replay.session import Session
from replay.store.database import Store

NOT_TO_BE_DELETED = 'forbid (principal, action == Action::"delete", resource);'
NOT_TO_BE_READ = 'forbid (principal, action == Action::"read", resource);'
IDENTICAL = {"identical": ["out/clean.csv", "out/model.txt"]}


@pytest.fixture
def session(store: Store) -> Iterator[Session]:
    """Two model versions from the same data."""
    for number in (1, 2):
        record(store, pipeline(store, raw="shared", clean=f"clean {number}", model=f"model {number}"))
    with session_of(store) as opened:
        yield opened


def ruled(session: Session, policy: str, *uids: str) -> None:
    groups = Groups(session.store, session.asker)
    groups.create("vault")
    groups.add("vault", uids)
    groups.set_policy("vault", policy)


def version(session: Session, number: int) -> str:
    return session.store.models("momentum")[number - 1].uid


def output(session: Session, number: int, path: str) -> str:
    edges = session.store.neighbours(version(session, number))
    return next(n.uid for e, n in edges if e.type is EdgeType.DERIVED_FROM and n.name == path)


@pytest.mark.parametrize("subject", ["model", "artifact"])
@pytest.mark.parametrize("really", [False, True])
def test_a_policy_forbids_it_and_nothing_changes(subject: str, really: bool, session: Session) -> None:
    uid = version(session, 1) if subject == "model" else output(session, 1, "out/clean.csv")
    ruled(session, NOT_TO_BE_DELETED, uid)
    before = blobs_of(session.store)
    with pytest.raises(PolicyError, match="vault"):
        forget(["momentum:1"], session, Wish(reason="a test", really=really))
    assert blobs_of(session.store) == before
    assert "forgotten" not in session.store.facets(version(session, 1))
    assert forget(["momentum:2"], session, Wish(reason="a test", really=True)).dropped, "the other one is not concerned"


def test_what_stays_anyway_need_not_be_permitted(session: Session) -> None:
    ruled(session, NOT_TO_BE_DELETED, output(session, 2, "out/clean.csv"))
    assert forget(["momentum:1"], session, Wish(reason="a test", really=True)).dropped


def test_the_dividend_is_ruled_likewise(session: Session) -> None:
    replayed(session, version(session, 1), IDENTICAL)
    ruled(session, NOT_TO_BE_DELETED, version(session, 1))
    with pytest.raises(PolicyError, match="vault"):
        forget_recomputable(["momentum:1"], session, Wish(reason="a test"))


def test_finishing_is_ruled_likewise(session: Session) -> None:
    forget(["momentum:1"], session, Wish(reason="a test", really=True))
    uid = output(session, 1, "out/clean.csv")
    session.store.blobs.put_bytes(b"clean 1")
    session.store.blobs.take_new()
    ruled(session, NOT_TO_BE_DELETED, uid)
    assert len(clear(session, really=False).files) == 1
    with pytest.raises(PolicyError, match="vault"):
        clear(session, really=True)
    assert "clean 1" in blobs_of(session.store)


def test_names_that_may_not_be_read_are_not_told(session: Session) -> None:
    ruled(session, NOT_TO_BE_READ, version(session, 2))
    answer = forget(["momentum:1"], session, Wish(reason="a test"))
    assert {kept.what: kept.why for kept in answer.kept} == {"data/raw.csv": f"{VEILED} needs it"}
    found = bill([], session)
    assert [line.model for line in found.models] == ["momentum:1", VEILED]
    assert found.shared[0].by == ("momentum:1", VEILED)
    assert "momentum:2" not in str(found)
