"""Decisions about model versions, on both databases: what holds, who said so, and what stays on record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests_support.recordings import register, replayed, session_of
from tests_support.stores import statements

from replay import registry
from replay.ask import Ground, Place, ask, focal
from replay.errors import PolicyError, ResolveError, UsageError
from replay.lineage import Edge, EdgeType, Evidence, Kind, Node, group_node
from replay.query import Direction, Query
from replay.registry.listing import models
from replay.registry.reading import deployments, standings
from replay.registry.standing import Standing
from replay.session import Session
from replay.store.database import Store
from replay.uid import uid_of


@pytest.fixture
def session(store: Store) -> Iterator[Session]:
    with session_of(store) as opened:
        yield opened


@pytest.fixture
def version(session: Session) -> str:
    return register(session.store)


def standing(uid: str, session: Session, **options: Any) -> Standing:
    return standings([uid], Ground.of(session.store), **options).versions[uid]


def holding(uid: str, session: Session) -> dict[str, Any]:
    return {key: facet.value for key, facet in session.store.facets(uid).items() if facet.value is not None}


def edges_of(uid: str, session: Session) -> set[tuple[str, str, str]]:
    found = session.store.neighbours(uid)
    return {(edge.type.value, edge.role, node.name) for edge, node in found}


def test_an_approval_says_who_when_and_why(version: str, session: Session) -> None:
    done = registry.approve(version, session, reason="back-tested", stage="production")
    said = standing(version, session).status
    assert said is not None
    assert (said.value, said.by, said.why, said.action) == ("approved", session.asker.user, "back-tested", done.action)
    assert said.when == session.store.facets(version)["status"].recorded
    assert holding(version, session) == {"status": "approved", "stage": "production"}
    assert edges_of(done.action, session) == {("used", "version", "momentum:1"), ("acted_by", "", session.asker.user)}
    action = session.store.node(done.action)
    assert (action.kind, action.type, action.attrs["reason"]) == (Kind.ACTION, "approve", "back-tested")


def test_a_decision_of_somebody_else_is_asserted_by_them_and_told_by_the_asker(version: str, session: Session) -> None:
    done = registry.approve(version, session, reason="signed on paper", by="Risk Committee")
    user = session.asker.user
    assert (done.by, done.told_by) == ("Risk Committee", user)
    assert {("acted_by", "", "Risk Committee"), ("acted_by", "teller", user)} < edges_of(done.action, session)
    action = session.store.node(done.action)
    assert (action.evidence, action.basis) == (Evidence.ASSERTED, "Risk Committee")
    (agent,) = (n for e, n in session.store.neighbours(done.action) if e.type is EdgeType.ACTED_BY and not e.role)
    assert (agent.evidence, agent.basis) == (Evidence.ASSERTED, user)
    facet = session.store.facets(version)["status"]
    assert (facet.evidence, facet.basis) == (Evidence.ASSERTED, "Risk Committee")


def test_a_rejection_takes_the_place_of_an_approval_and_both_stay_on_record(version: str, session: Session) -> None:
    registry.approve(version, session, reason="fine")
    registry.reject(version, session, reason="it leaks")
    assert [f.value for f in session.store.history(version) if f.key == "status"] == ["approved", "rejected"]
    said = standing(version, session).status
    assert said is not None
    assert (said.value, said.why) == ("rejected", "it leaks")


def test_nothing_that_an_update_does_not_mention_changes(version: str, session: Session) -> None:
    registry.approve(version, session, reason="fine", stage="production")
    registry.annotate(version, session, tags={"desk": "rates"}, properties={"ticket": "MRM-7"}, owner="Rates desk")
    registry.annotate(version, session, tags={"desk": "credit"})
    registry.annotate(version, session, remove=("ticket",))
    registry.deploy(version, session, to="prod")
    registry.alias(version, session, name="prod")
    assert holding(version, session) == {
        "status": "approved",
        "stage": "production",
        "owner": "Rates desk",
        "tag:desk": "credit",
    }
    said = standing(version, session).status
    assert said is not None
    assert said.why == "fine"


@pytest.mark.parametrize("decide", [registry.approve, registry.reject])
@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"reason": " "}, "reason: got an empty text"),
        ({"reason": "ok", "stage": ""}, "stage: got the name ''"),
        ({"reason": "ok", "by": "\x1b[2J"}, "by: got the control character"),
    ],
)
def test_a_decision_that_says_nothing_is_none(
    decide: Callable[..., Any], given: dict[str, str], says: str, version: str, session: Session
) -> None:
    with pytest.raises(UsageError) as caught:
        decide(version, session, **given)
    assert says in str(caught.value)
    assert session.store.history(version) == []


def test_a_secret_is_never_written_into_a_reason(version: str, session: Session) -> None:
    with pytest.raises(PolicyError, match="the reason: looks like a password"):
        registry.approve(version, session, reason="see password=hunter2hunter2")
    assert session.store.history(version) == []


def test_only_model_versions_are_approved(version: str, session: Session) -> None:
    data = uid_of({"sha256": "a" * 64})
    with pytest.raises(UsageError, match=r"data/raw\.csv is a dataset, expected a model version"):
        registry.approve(data, session, reason="ok")
    with pytest.raises(UsageError, match="not recorded in this store"):
        registry.approve("run:01ARZ3NDEKTSV4RRFFQ69G5FAV", session, reason="ok")


def test_who_may_not_approve_is_refused_and_nothing_is_written(version: str, session: Session) -> None:
    asked: list[tuple[str, list[str]]] = []

    class Strict(Session):
        def require(self, action: str, uids: Any) -> None:
            asked.append((action, list(uids)))
            raise PolicyError("forbidden by policy four-eyes")

    strict = Strict(session.root, session.store, (), session.progress)
    for decide in (registry.approve, registry.reject):
        with pytest.raises(PolicyError, match="four-eyes"):
            decide(version, strict, reason="ok")
    with pytest.raises(PolicyError, match="four-eyes"):
        registry.deploy(version, strict, to="prod")
    with pytest.raises(PolicyError, match="four-eyes"):
        registry.annotate(version, strict, status="pending")
    with pytest.raises(PolicyError, match="four-eyes"):
        registry.annotate(version, strict, tags={"a": "b"})
    assert asked == [("approve", [version])] * 4 + [("use", [version])]
    assert session.store.history(version) == []
    assert standing(version, session).deployments == ()


# deployments


def test_a_deployment_stands_on_the_version_and_on_its_approval(version: str, session: Session) -> None:
    approval = registry.approve(version, session, reason="fine").action
    done = registry.deploy(version, session, to="prod", reason="release 7")
    assert edges_of(done.action, session) == {
        ("used", "version", "momentum:1"),
        ("used", "approval", "approve momentum:1"),
        ("acted_by", "", session.asker.user),
    }
    below = session.store.closure(approval, direction="down").nodes.values()
    (deployment,) = (node for node in below if node.kind is Kind.DEPLOYMENT)
    assert deployment.identity == {"deployment": "prod", "action": done.action.removeprefix("action:")}
    assert ("specializes", "", "prod") in edges_of(deployment.uid, session)
    (told,) = standing(version, session).deployments
    assert (told.to, told.current, told.approved, told.forced, told.by) == (
        "prod", True, True, False, session.asker.user,
    )  # fmt: skip


def test_the_newest_deployment_of_a_place_is_the_current_one(session: Session) -> None:
    first, second = register(session.store), register(session.store)
    registry.deploy(first, session, to="prod")
    registry.deploy(first, session, to="shadow")
    done = registry.deploy(second, session, to="prod")
    assert "it takes the place of momentum:1" in done.notes
    past = {one.to: one for one in standing(first, session).deployments}
    assert {place: one.current for place, one in past.items()} == {"prod": False, "shadow": True}
    (now,) = standing(second, session).deployments
    assert now.current
    assert past["prod"].until == now.since
    assert past["shadow"].until == ""


def test_a_place_means_what_runs_there_now(session: Session) -> None:
    first, second = register(session.store), register(session.store)
    for version in (first, second, first, second):
        registry.deploy(version, session, to="prod")
    (running, *_) = standing(second, session).deployments
    meant = focal("prod", Ground.of(session.store), directory=session.root)
    assert meant == running.uid
    assert deployments([meant], Ground.of(session.store))[meant] == running


def test_a_rejected_version_is_not_deployed(version: str, session: Session) -> None:
    registry.reject(version, session, reason="it leaks", by="Validation")
    with pytest.raises(PolicyError, match=r"momentum:1 is rejected \(by Validation") as caught:
        registry.deploy(version, session, to="prod")
    assert caught.value.hint is not None
    assert "--force" in caught.value.hint
    assert not session.store.find_name("prod")
    registry.deploy(version, session, to="prod", force=True)
    (told,) = standing(version, session).deployments
    assert (told.forced, told.approved, told.current) == (True, False, True)


def test_force_is_not_recorded_where_nothing_was_forced(version: str, session: Session) -> None:
    registry.deploy(version, session, to="prod", force=True)
    assert not standing(version, session).deployments[0].forced


def test_a_rejection_says_where_the_version_still_runs(session: Session) -> None:
    first, second = register(session.store), register(session.store)
    for place in ("prod", "shadow"):
        registry.deploy(first, session, to=place)
    registry.deploy(second, session, to="shadow")
    assert registry.reject(first, session, reason="bad").notes == (
        "it is deployed to prod, and stays so until it is withdrawn",
    )


def test_what_is_withdrawn_runs_nowhere(version: str, session: Session) -> None:
    registry.deploy(version, session, to="prod")
    registry.withdraw(version, session, to="prod", reason="incident 12")
    (told,) = standing(version, session).deployments
    assert not told.current
    assert told.until > told.since
    with pytest.raises(UsageError, match="momentum:1 is not deployed to 'prod': nothing of it is"):
        registry.withdraw(version, session, to="prod", reason="again")
    registry.deploy(version, session, to="prod")
    assert [one.current for one in standing(version, session).deployments] == [True, False]


def test_another_version_cannot_be_withdrawn_in_its_place(session: Session) -> None:
    first, second = register(session.store), register(session.store)
    registry.deploy(second, session, to="prod")
    with pytest.raises(UsageError, match="not deployed to 'prod': momentum:2 is"):
        registry.withdraw(first, session, to="prod", reason="incident")
    assert standing(second, session).deployments[0].current


# aliases


def test_an_alias_moves_and_its_history_is_kept(session: Session) -> None:
    first, second = register(session.store), register(session.store)
    registry.alias(first, session, name="champion")
    done = registry.alias(second, session, name="champion")
    assert done.notes == ("momentum@champion meant momentum:1 before",)
    assert session.store.alias("momentum", "champion") == 2
    history = session.store.history(group_node("momentum").uid)
    assert [(facet.key, facet.value) for facet in history] == [("alias:champion", 1), ("alias:champion", 2)]
    assert standing(first, session).aliases == ()
    assert standing(second, session).aliases == ("champion",)
    assert ("used", "version", "momentum:2") in edges_of(done.action, session)


def test_an_alias_that_is_taken_back_means_nothing(session: Session) -> None:
    first, second = register(session.store), register(session.store)
    registry.alias(second, session, name="champion")
    with pytest.raises(UsageError, match="momentum@champion means momentum:2, not momentum:1"):
        registry.unalias(first, session, name="champion", exact=True)
    registry.unalias(first, session, name="champion", exact=False)
    assert session.store.alias("momentum", "champion") is None
    with pytest.raises(UsageError, match="momentum has no alias 'champion'"):
        registry.unalias(first, session, name="champion", exact=False)


@pytest.mark.parametrize("name", ["", "3", "Champion", "a b", "a@b", "../x", "x" * 3 + "\n"])
def test_what_is_no_alias_is_refused(name: str, version: str, session: Session) -> None:
    with pytest.raises(UsageError, match="got the alias"):
        registry.alias(version, session, name=name)


# annotations


def test_any_node_can_be_annotated(version: str, session: Session) -> None:
    data = uid_of({"sha256": "a" * 64})
    registry.annotate(data, session, status="suspect", reason="vendor called", tags={"vendor": "x"})
    assert holding(data, session) == {"status": "suspect", "tag:vendor": "x"}


@pytest.mark.parametrize("status", ["approved", "Rejected"])
def test_an_annotation_does_not_approve(status: str, version: str, session: Session) -> None:
    with pytest.raises(UsageError, match=f"not {status.lower()} by an annotation"):
        registry.annotate(version, session, status=status)


def test_who_takes_an_approval_back_is_told(version: str, session: Session) -> None:
    registry.approve(version, session, reason="fine")
    done = registry.annotate(version, session, remove=("status",), reason="not ours")
    assert "no longer holds" in done.notes[0]
    assert standing(version, session).status is None


@pytest.mark.parametrize(
    ("given", "says", "hint"),
    [
        ({}, "nothing is said", "--tag"),
        ({"remove": ("desk",)}, "'desk' can mean tag:desk or property:desk", "tag:desk"),
        ({"remove": ("colour",)}, "momentum:1 has no 'colour'", "it has"),
        ({"remove": ("alias:prod",)}, "got --remove alias:prod", "replay alias"),
        ({"remove": ("tag:desk",), "tags": {"desk": "x"}}, "tag:desk: got a value and --remove", ""),
        ({"status": ""}, "status: got the name ''", ""),
    ],
)
def test_wrong_annotations_are_refused(
    given: dict[str, Any], says: str, hint: str, version: str, session: Session
) -> None:
    registry.annotate(version, session, tags={"desk": "rates"}, properties={"desk": "3"})
    before = session.store.history(version)
    with pytest.raises(UsageError) as caught:
        registry.annotate(version, session, **given)
    assert says in str(caught.value)
    assert hint in (caught.value.hint or "")
    assert session.store.history(version) == before


# links


def test_two_names_for_one_thing_are_walked_as_one(session: Session) -> None:
    one, other = (
        Node(kind=Kind.DATASET, identity={"uri": f"s3://{bucket}/prices.csv"}, name=bucket) for bucket in ("eu", "us")
    )
    run = Node(kind=Kind.RUN, identity={"run": "01ARZ3NDEKTSV4RRFFQ69G5FAV"})
    session.store.append([one, other, run])
    registry.link(one.uid, other.uid, session, Ground.of(session.store), reason="a replica")
    assert other.uid in session.store.closure(one.uid, direction="down").nodes
    assert one.uid in session.store.closure(other.uid, direction="down").nodes
    with pytest.raises(UsageError, match="got the same node twice"):
        registry.link(one.uid, one.uid, session, Ground.of(session.store))
    with pytest.raises(UsageError, match="eu is a dataset and"):
        registry.link(one.uid, run.uid, session, Ground.of(session.store))
    with pytest.raises(ResolveError, match="no node"):
        registry.link(one.uid, "sha256:" + "9" * 64, session, Ground.of(session.store))


def test_a_node_of_an_attached_store_is_linked_by_a_copy_of_it(session: Session, tmp_path: Path) -> None:
    ours, theirs = (Node(kind=Kind.DATASET, identity={"uri": f"s3://{team}/x"}, name=team) for team in ("us", "them"))
    run = Node(kind=Kind.RUN, identity={"run": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, name="fit")
    with Store.open(tmp_path / "other" / ".replay", create=True) as other:
        other.append([theirs, run], [Edge(source=run.uid, type=EdgeType.USED, target=theirs.uid)])
        session.store.append([ours])
        ground = Ground([Place(session.store), Place(other, "other")])
        registry.link(ours.uid, theirs.uid, session, ground)
        assert session.store.node(theirs.uid) == theirs
        found = ask(Query(start=(ours.uid,), direction=Direction.DOWN), ground).found
        assert {theirs.uid, run.uid} <= set(found)
        with pytest.raises(UsageError, match="neither node is recorded in this store"):
            registry.link(run.uid, other_run(other), session, ground)
        with pytest.raises(UsageError, match="not recorded in this store"):
            registry.annotate(run.uid, session, tags={"a": "b"})


def other_run(store: Store) -> str:
    run = Node(kind=Kind.RUN, identity={"run": "01ARZ3NDEKTSV4RRFFQ69G5FAW"})
    store.append([run])
    return run.uid


# reading


def test_replays_are_told_newest_first_with_who_ran_them(version: str, session: Session) -> None:
    replayed(session.store, version, "diverged", by="ann")
    replayed(session.store, version, "reproduced", by="bob")
    told = standing(version, session)
    assert [(one.verdict, one.by) for one in told.replays] == [("reproduced", "bob"), ("diverged", "ann")]
    assert told.verdict == "reproduced"
    assert told.replays[0].replay.startswith("rp_")


def test_the_owner_of_the_model_answers_for_versions_without_one(session: Session) -> None:
    first, second = register(session.store), register(session.store)
    assert (standing(first, session).owner, standing(first, session).ownership) == ("maker", "recorded")
    registry.annotate(group_node("momentum").uid, session, owner="Rates desk")
    registry.annotate(second, session, owner="Ann")
    assert (standing(first, session).owner, standing(first, session).ownership) == ("Rates desk", "model")
    assert (standing(second, session).owner, standing(second, session).ownership) == ("Ann", "version")


def test_how_it_stood_at_a_time(version: str, session: Session) -> None:
    registry.approve(version, session, reason="fine")
    registry.deploy(version, session, to="prod")
    then = session.store.facets(version)["status"].recorded
    registry.reject(version, session, reason="bad")
    before = standing(version, session, as_of=then)
    assert before.status is not None
    assert (before.status.value, before.deployments) == ("approved", ())


def test_the_list_of_models_tells_status_stage_and_place(session: Session) -> None:
    first, second = register(session.store), register(session.store)
    registry.approve(first, session, reason="fine", stage="production")
    registry.deploy(first, session, to="prod")
    registry.deploy(second, session, to="shadow")
    registry.deploy(first, session, to="shadow")
    registry.alias(first, session, name="champion")
    replayed(session.store, first, "reproduced", by="ann")
    rows = models(session.store, Ground.of(session.store))
    assert [(r.model_id, r.status, r.stage, r.deployed, r.aliases) for r in rows] == [
        ("momentum:1", "approved", "production", ("prod", "shadow"), ("champion",)),
        ("momentum:2", "", "", (), ()),
    ]
    assert rows[0].verdict is not None
    assert (rows[0].verdict.value, rows[0].replayed) == ("reproduced", "2026-01-02T00:00:00+00:00")
    assert (rows[1].grade, rows[1].commit, rows[1].verdict) == ("A", "0" * 40, None)


def test_the_number_of_questions_does_not_grow_with_the_models(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        registry.deploy(register(session.store), session, to="prod")
    asked = statements(session.store, monkeypatch)
    models(session.store, Ground.of(session.store))
    few = len(asked)
    for _ in range(8):
        registry.approve(register(session.store), session, reason="fine")
    asked.clear()
    models(session.store, Ground.of(session.store))
    assert len(asked) == few > 0


def test_every_decision_is_in_the_journal_and_the_record_stays_intact(version: str, session: Session) -> None:
    from replay.store.verify import verify_store

    registry.approve(version, session, reason="fine")
    registry.deploy(version, session, to="prod")
    registry.withdraw(version, session, to="prod", reason="done")
    lines = [record for record in session.store.journal.records() if record.fields.get("subject")]
    assert [line.action for line in lines] == ["approve", "deploy", "withdraw"]
    assert lines[0].fields["name"] == "momentum:1"
    assert verify_store(session.store) == []
