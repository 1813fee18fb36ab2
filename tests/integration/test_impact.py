"""What a dataset, a commit or an image touches, on both databases."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests_support.recordings import register, replayed, session_of, tried, with_outputs
from tests_support.stores import statements

from replay import registry
from replay.ask import Ground, Guard, Place
from replay.errors import ResolveError
from replay.impact import Impact, impact
from replay.impact.text import render_impact
from replay.lineage import Edge, EdgeType, Kind, Node
from replay.session import Session
from replay.store.database import Store
from replay.uid import uid_of

BAD, GOOD = (uid_of({"sha256": letter * 64}) for letter in "ab")


@pytest.fixture
def session(store: Store) -> Iterator[Session]:
    with session_of(store) as opened:
        yield opened


def versions(session: Session, count: int, *, name: str = "momentum", data: str = "a", **options: Any) -> list[str]:
    made = []
    for number in range(count):
        recipe = with_outputs(tried(name, data=data), f"{name} {data} {number}")
        made.append(register(session.store, recipe, **options))
    return made


def touched(session: Session, *start: str, **options: Any) -> Impact:
    return impact(start, Ground.of(session.store), **options)


def shown(found: Impact) -> str:
    console = Console(file=io.StringIO(), width=200)
    render_impact(found, console)
    return console.file.getvalue()


def test_a_bad_dataset_touches_the_models_made_from_it_and_no_others(session: Session) -> None:
    first, second, third = versions(session, 3, experiment="horizons")
    (other,) = versions(session, 1, name="carry", data="f")
    registry.approve(first, session, reason="fine", stage="production")
    for version, place in ((other, "prod"), (first, "prod"), (second, "shadow"), (third, "shadow")):
        registry.deploy(version, session, to=place)
    registry.reject(third, session, reason="it leaks")
    registry.alias(first, session, name="champion")
    replayed(session.store, second, "diverged", by="ann")
    found = touched(session, BAD)
    assert found.headline == (
        "3 model versions, 1 approved, 1 rejected, 1 deployed to prod, 1 deployed to shadow, "
        "1 diverged when last replayed"
    )
    assert [one.model_id for one in found.models] == ["momentum:3", "momentum:1", "momentum:2"]
    assert found.models[1].aliases == ("champion",)
    assert found.models[1].experiments == ("horizons / momentum:1",)
    assert [one.replays[0].by for one in found.models if one.replays] == ["ann"]
    assert (found.complete, found.hidden, found.other_deployments) == (True, 0, ())
    assert touched(session, uid_of({"sha256": "f" * 64})).headline == "1 model version, none deployed"


def test_the_same_is_told_of_the_commit_the_image_and_the_experiment(session: Session) -> None:
    made = versions(session, 2, experiment="horizons")
    versions(session, 1, name="carry", data="f")
    image, commit = uid_of({"image": "sha256:" + "1" * 64}), uid_of({"commit": "0" * 40})
    experiment = uid_of({"experiment": "horizons", "store": session.store.id})
    assert {one.uid for one in touched(session, experiment).models} == set(made)
    for start in (image, commit):
        assert [one.model_id for one in touched(session, start).models] == ["carry:1", "momentum:1", "momentum:2"]


def test_a_commit_does_not_touch_models_that_made_the_same_bytes_without_it(session: Session) -> None:
    first, second = (register(session.store, tried(commit=letter)) for letter in "12")
    registry.deploy(first, session, to="prod")
    found = touched(session, uid_of({"commit": "2" * 40}))
    assert [one.uid for one in found.models] == [second]
    assert [(one.uid, one.name) for one in found.same_bytes] == [(first, "momentum:1")]
    assert found.headline == "1 model version, none deployed"
    assert found.touched == {"dataset": 1, "metrics": 1, "model": 1, "model_version": 1, "run": 2}
    assert "Not touched, for they made some of the same bytes by themselves: momentum:1." in shown(found)


def test_a_model_version_touches_itself(session: Session) -> None:
    (version,) = versions(session, 1)
    registry.deploy(version, session, to="prod")
    found = touched(session, version)
    assert [one.uid for one in found.models] == [version]
    assert found.touched == {"action": 1, "deployment": 1}


def test_several_starts_are_one_report(session: Session) -> None:
    versions(session, 1)
    versions(session, 1, name="carry", data="f")
    found = touched(session, BAD, uid_of({"sha256": "f" * 64}), BAD)
    assert [subject.name for subject in found.start] == ["data/raw.csv", "data/raw.csv"]
    assert [one.model_id for one in found.models] == ["carry:1", "momentum:1"]


def test_it_can_be_asked_as_it_was(session: Session) -> None:
    (first,) = versions(session, 1)
    registry.approve(first, session, reason="fine")
    then = session.store.facets(first)["status"].recorded
    registry.deploy(first, session, to="prod")
    versions(session, 1, name="carry")
    found = touched(session, BAD, as_of=then)
    assert found.headline == "1 model version, 1 approved, none deployed"
    assert found.as_of == then
    with pytest.raises(ResolveError, match="is recorded at 2001"):
        touched(session, BAD, as_of="2001-01-01")


def test_deployments_of_something_else_are_told_as_well(session: Session) -> None:
    versions(session, 1)
    locator = Node(kind=Kind.LOCATOR, type="endpoint", identity={"deployment": "legacy"}, name="legacy")
    imported = Node(kind=Kind.DEPLOYMENT, type="endpoint", identity={"arn": "arn:aws:endpoint/legacy"}, name="legacy")
    edges = [
        Edge(source=imported.uid, type=EdgeType.USED, target=BAD, role="data"),
        Edge(source=imported.uid, type=EdgeType.SPECIALIZES, target=locator.uid),
    ]
    session.store.append([locator, imported], edges)
    found = touched(session, BAD)
    assert [(one.to, one.current) for one in found.other_deployments] == [("legacy", True)]
    assert found.headline == "1 model version, 1 deployed to legacy"
    assert "something else that stands on it runs at legacy" in shown(found)


def test_a_deployment_without_an_action_is_one_of_the_version_it_stands_on(session: Session) -> None:
    (version,) = versions(session, 1)
    imported = Node(kind=Kind.DEPLOYMENT, type="endpoint", identity={"arn": "arn:aws:endpoint/ep1"}, name="ep1")
    session.store.append([imported], [Edge(source=imported.uid, type=EdgeType.DERIVED_FROM, target=version)])
    found = touched(session, BAD)
    assert [one.to for one in found.models[0].running] == ["ep1"]
    assert found.other_deployments == ()


def test_models_of_an_attached_store_are_touched_too(session: Session, tmp_path: Path) -> None:
    versions(session, 1)
    with Store.open(tmp_path / "other" / ".replay", create=True) as other, session_of(other) as theirs:
        (model,) = versions(theirs, 1, name="carry")
        registry.approve(model, theirs, reason="fine", by="Their risk")
        registry.deploy(model, theirs, to="their prod")
        found = impact([BAD], Ground([Place(session.store), Place(other, "other")]))
    assert found.headline == "2 model versions, 1 approved, 1 deployed to their prod"
    assert [(one.model_id, one.stores) for one in found.models] == [("carry:1", ("other",)), ("momentum:1", ())]
    assert found.models[0].status is not None
    assert (found.models[0].status.by, found.models[0].status.why) == ("Their risk", "fine")


class Blind(Guard):
    """Shows nothing of some kinds."""

    def __init__(self, *kinds: Kind) -> None:
        self._kinds = kinds

    def readable(self, place: Place, nodes: Collection[Any]) -> set[str]:
        return {node.uid for node in nodes if node.kind not in self._kinds}


def guarded(session: Session, *kinds: Kind) -> Ground:
    return Ground([Place(session.store)], Blind(*kinds))


def test_models_that_may_not_be_seen_are_counted_and_the_report_is_not_complete(session: Session) -> None:
    versions(session, 2)
    found = impact([BAD], guarded(session, Kind.MODEL_VERSION))
    assert (found.models, found.complete, found.hidden, found.truncated_by) == ((), False, 2, ("access",))
    assert "not complete: 2 nodes downstream may not be seen" in shown(found)


def test_decisions_that_may_not_be_seen_make_it_incomplete_too(session: Session) -> None:
    (version,) = versions(session, 1)
    registry.approve(version, session, reason="fine", by="Risk")
    found = impact([BAD], guarded(session, Kind.AGENT))
    assert (found.complete, found.hidden, found.truncated_by) == (False, 0, ("access",))
    assert "may not be seen" in found.findings[0]
    assert "This is complete" not in shown(found)


def test_the_report_names_every_model_its_decision_and_its_owner(session: Session) -> None:
    first, second = versions(session, 2)
    registry.approve(first, session, reason="fine", by="Risk")
    registry.annotate(first, session, owner="Rates desk")
    registry.deploy(first, session, to="prod")
    registry.deploy(second, session, to="prod")
    replayed(session.store, first, "reproduced", by="ann")
    text = shown(touched(session, BAD))
    for part in (
        "2 model versions, 1 approved, 1 deployed to prod",
        "downstream of the dataset data/raw.csv (sha256:aaaa",
        "✓ approved",
        "by Risk, ",
        '"fine"',
        "undecided",
        "Rates desk",
        "maker (recorded it; nobody is named as owner)",
        "✓ reproduced",
        "never replayed",
        "prod until ",
        "Everything that stands on it: ",
        "This is complete: nothing that is recorded was left out.",
    ):
        assert part in text, part
    assert text.index("momentum:2") < text.index("momentum:1")


def test_what_touches_nothing_says_so(session: Session) -> None:
    (version,) = versions(session, 1)
    found = touched(session, registry.approve(version, session, reason="fine").action)
    assert (found.headline, found.touched) == ("no model version", {})
    assert "Everything that stands on it: nothing." in shown(found)


def test_the_number_of_questions_does_not_grow_with_the_models(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in versions(session, 2) + versions(session, 2):  # of equal bytes, so that makers are looked up
        registry.deploy(version, session, to="prod")
    asked = statements(session.store, monkeypatch)
    touched(session, BAD)
    few = len(asked)
    for version in versions(session, 8):
        registry.deploy(version, session, to="prod")
        registry.approve(version, session, reason="fine")
    asked.clear()
    touched(session, BAD)
    assert len(asked) == few > 0
