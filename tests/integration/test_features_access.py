"""Feature groups under a policy, on both databases: what may not be read is not told, and a refusal leaves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests_support.features import parquet, registered
from tests_support.recordings import session_of

from replay import features
from replay.access.asking import system_user
from replay.access.groups import Groups
from replay.errors import PolicyError, UsageError
from replay.session import Session
from replay.store.database import Store


@pytest.fixture
def session(store: Store, tmp_path: Path) -> Session:
    """A group with two batches and a view of both."""
    made = session_of(store)
    group = registered(made)
    for value in (1.0, 2.0):
        features.write(group, parquet(tmp_path / "rows.parquet", [("a", 1, value)]), made)
    features.read(group, made, as_of="2026-01-01", target=tmp_path / "view.parquet")
    return made


def forbid(session: Session, action: str, uids: list[str]) -> Session:
    """A session of somebody who may not; nobody may."""
    groups = Groups(session.store, system_user())
    groups.create("closed")
    groups.add("closed", uids)
    groups.set_policy("closed", f'@id("embargo") forbid (principal, action == Action::"{action}", resource);')
    return session_of(session.store)


def test_a_group_that_may_not_be_read_looks_like_none(session: Session) -> None:
    group = features.find("prices", session.ground)
    closed = forbid(session, "read", [group.uid])
    assert features.every(closed.ground) == []
    with pytest.raises(UsageError, match="no feature group 'prices'"):
        features.find("prices", closed.ground)


def test_a_batch_that_may_not_be_read_is_counted_and_its_rows_are_refused(session: Session, tmp_path: Path) -> None:
    group = features.find("prices", session.ground)
    batch = features.batches_of(group, session.store)[0]
    closed = forbid(session, "read", [batch.uid])
    told = features.tell(group, closed.ground)
    assert ([one.uid == batch.uid for one in told.batches], told.hidden) == ([False], 1)
    with pytest.raises(PolicyError, match="embargo"):
        features.read(group, closed, as_of="2026-01-01", target=tmp_path / "other.parquet")
    assert not (tmp_path / "other.parquet").exists()


def test_a_group_that_may_not_be_used_gets_no_rows_and_no_definition(session: Session, tmp_path: Path) -> None:
    group = features.find("prices", session.ground)
    closed = forbid(session, "use", [group.uid])
    with pytest.raises(PolicyError, match="embargo"):
        features.write(group, parquet(tmp_path / "new.parquet", [("b", 1, 1.0)]), closed)
    with pytest.raises(PolicyError, match="embargo"):
        features.register("prices", closed, record_id="id", event_time="at", document="a: 1\n")
    assert len(features.batches_of(group, session.store)) == 2
    assert len(features.find("prices", closed.ground).definitions) == 1
