"""Forgetting on both databases: what goes, what stays, why, and what is left on record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from tests_support.keeping import (
    archive,
    blob_path,
    blobs_of,
    kept,
    kept_directory,
    made,
    pipeline,
    record,
    with_steps,
)
from tests_support.recipes import a_recipe
from tests_support.recordings import session_of
from tests_support.stores import contents

from replay.acting import act
from replay.engine import recipe_of
from replay.errors import PolicyError, ReplayError, StoreBusyError, StoreError
from replay.lineage import Edge, EdgeType, Facet, Kind, Node, group_node
from replay.recipe import OutputRole
from replay.registry import annotate, deploy, withdraw
from replay.retention.bill import bill
from replay.retention.deleting import clear
from replay.retention.forgetting import Forgetting, Wish, forget
from replay.session import Session
from replay.store.database import Decision, Store
from replay.store.journal import Record
from replay.store.verify import verify_store
from replay.uid import uid_of


@pytest.fixture
def session(store: Store) -> Iterator[Session]:
    with session_of(store) as opened:
        yield opened


def with_settings(session: Session, *overrides: str) -> Session:
    """The same store, asked with ``-o``."""
    return Session(session.root, session.store, overrides, session.progress)


def gone(session: Session, *models: str, reason: str = "a test") -> Forgetting:
    return forget(models, session, Wish(reason=reason, really=True))


def findings(session: Session) -> list[str]:
    return [str(finding) for finding in verify_store(session.store)]


def why(answer: Forgetting) -> dict[str, str]:
    return {kept.what: kept.why for kept in answer.kept}


def data_uid(text: str) -> str:
    return uid_of({"sha256": hashlib.sha256(text.encode()).hexdigest()})


def test_what_others_need_stays_and_the_rest_goes(session: Session) -> None:
    store = session.store
    record(store, pipeline(store, raw="shared", clean="clean 1", model="model 1"))
    record(store, pipeline(store, raw="shared", clean="clean 2", model="model 2"))
    before, lineage = blobs_of(store), store.closure(uid_of_version(store, 1))
    (frees,) = (one.frees for one in bill(["momentum:1"], session).models)
    told = forget(["momentum:1"], session, Wish(reason="a test"))
    assert blobs_of(store) == before, "a dry run drops nothing"
    answer = gone(session, "momentum:1", reason="request 17")
    left = before - blobs_of(store)
    logs = {text for text in left if text.startswith("momentum ")}
    assert left == {"clean 1", "model 1", *logs}
    assert len(logs) == 2, "the logs of its two steps"
    assert answer.frees == told.frees == frees == sum(map(len, left))
    assert why(answer) == {"data/raw.csv": "momentum:2 needs it"}
    assert {one.what for one in answer.dropped} == {
        "out/clean.csv",
        "out/model.txt",
        "log of prepare",
        "log of train",
    }
    assert store.closure(uid_of_version(store, 1)) == lineage, "what it was made from stays on record"
    assert recipe_of("momentum:1", session).model == "out/model.txt", "and its recipe with all digests"
    facet = store.facets(data_uid("model 1"))["forgotten"]
    assert (facet.value, facet.action, facet.basis) == ({"reason": "request 17"}, answer.action, session.asker.user)
    assert store.facets(uid_of_version(store, 1))["forgotten"].value == {"reason": "request 17"}
    assert "forgotten" not in store.facets(data_uid("shared"))
    assert store.node(answer.action).type == "forget"
    assert [r.action for r in store.journal.records()] == ["forget", "forgotten"]
    assert findings(session) == []


def uid_of_version(store: Store, version: int, name: str = "momentum") -> str:
    return next(row.uid for row in store.models(name) if row.version == version)


def test_a_dry_run_writes_nothing_at_all(session: Session) -> None:
    record(session.store, pipeline(session.store))
    before = contents(session.store)
    answer = forget(["momentum:1"], session, Wish(reason="a test"))
    assert answer.dropped
    assert not answer.action
    assert contents(session.store) == before
    assert session.store.journal.records() == []


def test_what_two_shared_goes_with_the_second_one(session: Session) -> None:
    store = session.store
    for number in (1, 2):
        recipe = pipeline(store, raw="shared", clean=f"clean {number}", model=f"model {number}")
        record(store, archive(store, recipe, "config", "layer"))
    assert {"image sha256:b79606fb3", "data/raw.csv"} == {what[:22] for what in why(gone(session, "momentum:1"))}
    assert {"shared", "config", "layer"} <= blobs_of(store)
    answer = gone(session, "momentum:2")
    assert blobs_of(store) == set()
    assert answer.kept == ()
    assert findings(session) == []


def test_both_at_once_free_what_they_share(session: Session) -> None:
    store = session.store
    for number in (1, 2):
        record(store, pipeline(store, raw="shared", clean=f"clean {number}", model=f"model {number}"))
    together = bill([], session).together
    answer = gone(session, "momentum:1", "momentum:2")
    assert answer.frees == together
    assert blobs_of(store) == set()


def test_forgetting_again_says_when_it_was_done(session: Session) -> None:
    record(session.store, pipeline(session.store))
    gone(session, "momentum:1", reason="the first time")
    before = contents(session.store)
    answer = gone(session, "momentum:1")
    assert "was forgotten by" in why(answer)["momentum:1"]
    assert "the first time" in why(answer)["momentum:1"]
    assert contents(session.store) == before
    assert (answer.dropped, answer.action) == ((), "")


def test_a_layer_that_two_images_share_stays(session: Session) -> None:
    store = session.store
    record(store, archive(store, pipeline(store, clean="a", model="a"), "config 1", "base", "top 1"))
    record(store, archive(store, pipeline(store, clean="b", model="b"), "config 2", "base", "top 2"))
    answer = gone(session, "momentum:1")
    assert {"config 1", "top 1"}.isdisjoint(blobs_of(store))
    assert {"config 2", "base", "top 2"} <= blobs_of(store)
    assert any("as part of image" in reason for reason in why(answer).values())
    assert findings(session) == []


def test_files_that_two_directories_share_stay(session: Session) -> None:
    store, sample = session.store, a_recipe().steps[0]

    def version(files: dict[str, str], model: str) -> None:
        folder = kept_directory(store, "out/parts", files)
        outputs = (made(folder), made(kept(store, "out/model.txt", model), OutputRole.MODEL))
        source = kept(store, "data/raw.csv", model)
        step = msgspec.structs.replace(sample, name="train", inputs=(source,), outputs=outputs, configs=(), seeds=())
        record(store, with_steps(a_recipe(), "momentum", (step,)))

    version({"a.csv": "only here", "deep/b.csv": "in both"}, "model 1")
    version({"b.csv": "in both", "c.csv": "only there"}, "model 2")
    answer = gone(session, "momentum:1")
    assert "only here" not in blobs_of(store)
    assert {"in both", "only there"} <= blobs_of(store)
    assert why(answer)["out/parts (1 of 2 files)"] == "momentum:2 needs it, as part of out/parts"
    assert findings(session) == [], "the listing of a directory is a digest, and stays"
    gone(session, "momentum:2")
    assert "in both" not in blobs_of(store)
    assert findings(session) == []


def test_other_things_that_stand_on_an_artifact_keep_it(session: Session) -> None:
    store = session.store
    record(store, pipeline(store, raw="raw", clean="clean", model="model"))
    run = Node(kind=Kind.RUN, identity={"run": "0" * 26}, name="imported")
    view = Node(kind=Kind.FEATURE_VIEW, identity={"view": "prices"}, name="prices@2026")
    group = Node(kind=Kind.COLLECTION, type="feature_group", identity={"group": "prices"}, name="prices")
    attrs = {"rows": 3}
    store.append(
        [run, view, group],
        [
            Edge(source=run.uid, type=EdgeType.USED, target=data_uid("raw"), role="input:raw.csv"),
            Edge(source=view.uid, type=EdgeType.DERIVED_FROM, target=data_uid("clean")),
            Edge(source=data_uid("model"), type=EdgeType.PART_OF, target=group.uid, role="batch", attrs=attrs),
        ],
    )
    answer = gone(session, "momentum:1")
    assert why(answer) == {
        "data/raw.csv": "run imported needs it",
        "out/clean.csv": "feature view prices@2026 needs it",
        "out/model.txt": "feature group prices needs it",
    }
    assert {"raw", "clean", "model"} <= blobs_of(store)
    assert findings(session) == []


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (("retention.holds=[{model:'momentum:1',reason:case 17}]",), "it is under legal hold: case 17"),
        (("retention.holds=[{model:'mom*',reason:case 17}]",), "it is under legal hold: case 17"),
        (("retention.holds=[{tags:{desk:ra*},reason:audit}]",), "it is under legal hold: audit"),
        (("retention.holds=[{status:approved,reason:audit}]",), "it is under legal hold: audit"),
        (("retention.rules=[{class:regulated,model:momentum}]",), "its retention class regulated keeps it until"),
        (("+retention.classes.long.keep_days=9", "retention.default=long"), "its retention class long keeps it until"),
    ],
)
def test_what_must_be_kept_is_refused_and_journalled(overrides: tuple[str, ...], says: str, session: Session) -> None:
    store = session.store
    version = record(store, pipeline(store))
    store.append(
        [],
        facets=[
            Facet(node=version, key="status", value="approved"),
            Facet(node=group_node("momentum").uid, key="tag:desk", value="rates"),
        ],
    )
    before = blobs_of(store)
    strict = with_settings(session, *overrides)
    for really in (False, True):
        with pytest.raises(PolicyError, match="nothing may be dropped of momentum:1") as error:
            forget(["momentum:1"], strict, Wish(reason="a test", really=really))
        assert says in str(error.value)
    assert blobs_of(store) == before
    assert [r.action for r in store.journal.records()] == ["forget-refused"]
    assert gone(session, "momentum:1").dropped, "without that nothing forbids it"


def test_settings_of_one_command_only_add(session: Session) -> None:
    store = session.store
    version = record(store, pipeline(store))
    store.append([], facets=[Facet(node=version, key="retention", value="regulated")])
    loose = with_settings(session, "retention.classes.regulated.keep_days=0")
    with pytest.raises(PolicyError, match="its retention class regulated keeps it until"):
        gone(loose, "momentum:1")


def test_an_annotation_names_the_class(session: Session) -> None:
    version = record(session.store, pipeline(session.store))
    annotate(version, session, properties={"retention": "regulated"})
    with pytest.raises(PolicyError, match="its retention class regulated keeps it until"):
        gone(session, "momentum:1")
    annotate(version, session, remove=("retention",))
    assert gone(session, "momentum:1").dropped


def test_an_unknown_class_forbids_everything(session: Session) -> None:
    version = record(session.store, pipeline(session.store))
    session.store.append([], facets=[Facet(node=version, key="retention", value="forever")])
    with pytest.raises(PolicyError, match="its retention class 'forever' is not defined"):
        gone(session, "momentum:1")


def test_a_deployed_model_is_not_forgotten(session: Session) -> None:
    version = record(session.store, pipeline(session.store))
    deploy(version, session, to="prod")
    with pytest.raises(PolicyError, match="it is deployed to prod"):
        gone(session, "momentum:1")
    withdraw(version, session, to="prod", reason="replaced")
    assert gone(session, "momentum:1").dropped


def test_a_hold_on_a_path_keeps_that_alone(session: Session) -> None:
    store = session.store
    record(store, pipeline(store, raw="evidence", clean="clean", model="model"))
    held = with_settings(session, "retention.holds=[{path:'data/*',reason:case 17}]")
    answer = gone(held, "momentum:1")
    assert why(answer) == {"data/raw.csv": "momentum:1: legal hold: case 17"}
    assert blobs_of(store) == {"evidence"}
    assert findings(session) == []


def test_a_hold_that_came_later_keeps_what_is_left(session: Session) -> None:
    store = session.store
    record(store, pipeline(store, raw="shared", clean="clean 1", model="model 1"))
    record(store, pipeline(store, name="other", raw="shared", clean="clean 2", model="model 2"))
    gone(session, "momentum:1")
    answer = gone(with_settings(session, "retention.holds=[{model:momentum,reason:case 17}]"), "other:1")
    assert why(answer)["data/raw.csv"] == "momentum:1: it is under legal hold: case 17"
    assert blobs_of(store) == {"shared"}
    assert findings(session) == []


def test_the_audit_knows_what_was_forgotten_and_notices_everything_else(session: Session) -> None:
    store = session.store
    record(store, pipeline(store, raw="raw", clean="clean", model="model"))
    record(store, pipeline(store, raw="raw", clean="other", model="other model"))
    gone(session, "momentum:1", reason="request 17")
    back = blob_path(store, "clean")
    back.write_text("clean")
    (found,) = findings(session)
    assert back.parent.name + back.name in found
    assert "is here, although it was forgotten by" in found
    assert "(request 17)" in found
    blob_path(store, "raw").unlink()
    assert any("is gone, expected its file" in one for one in findings(session)), "what others need must be there"
    blob_path(store, "raw").write_text("raw")
    assert clear(session, really=False).files == (f"out/clean.csv ({back.parent.name + back.name[:10]}…)",)
    assert back.exists(), "that was a dry run"
    assert len(clear(session, really=True).files) == 1
    assert not back.exists()
    assert findings(session) == []
    assert clear(session, really=True).files == ()


def test_what_is_recorded_again_is_there_again(session: Session) -> None:
    store = session.store
    recipe = pipeline(store, raw="raw", clean="clean", model="model")
    record(store, recipe)
    gone(session, "momentum:1")
    assert blobs_of(store) == set()
    record(store, pipeline(store, raw="raw", clean="clean", model="model"))
    assert {"raw", "clean", "model"} <= blobs_of(store)
    assert findings(session) == []
    blob_path(store, "clean").unlink()
    assert any("is gone" in one for one in findings(session)), "the tombstone is older than the record"
    blob_path(store, "clean").write_text("clean")
    assert clear(session, really=True).files == ()
    gone(session, "momentum:2")
    assert blobs_of(store) == set()
    assert findings(session) == []


def test_a_recorder_that_counted_on_a_blob_is_told(session: Session) -> None:
    """It found the blob there; until it writes its record, another process forgets it."""
    store = session.store
    record(store, pipeline(store, raw="raw", clean="clean", model="model"))
    with Store.open(store.root) as recorder:
        late = pipeline(recorder, raw="raw", clean="late", model="late model")
        gone(session, "momentum:1")
        with pytest.raises(StoreError, match="was forgotten by another process"):
            record(recorder, late)
    with Store.open(store.root) as recorder:
        record(recorder, pipeline(recorder, raw="raw", clean="late", model="late model"))
    assert findings(session) == []


class Stop(Exception):  # noqa: N818  # no error: the end of a process
    pass


class Ending(Store):
    """A store whose process ends when the tombstone is told to the journal, before a file is deleted."""

    def note(self, action: str, /, **fields: Any) -> Record:
        raise Stop


def test_a_hold_that_came_after_a_kill_keeps_what_is_here(session: Session) -> None:
    store = session.store
    record(store, pipeline(store, raw="raw", clean="clean", model="model"))
    with session_of(Ending.open(store.root)) as killed, pytest.raises(Stop):
        gone(killed, "momentum:1")
    held = with_settings(session, "retention.holds=[{model:momentum,reason:case 17}]")
    assert clear(held, really=True).files == ()
    assert {"raw", "clean", "model"} <= blobs_of(store)
    assert all("although it was forgotten" in one for one in findings(session)), "which is told"
    assert len(clear(session, really=True).files) == 5, "three artifacts and two logs, once the hold ended"
    assert blobs_of(store) == set()
    assert findings(session) == []


class Overtaken(Store):
    """A store in which somebody else records just before something is decided."""

    def decide(self, build: Callable[[], Decision]) -> None:
        with Store.open(self.root) as recorder:
            record(recorder, pipeline(recorder, raw="raw", clean="late", model="late model"))
        super().decide(build)


def test_what_is_recorded_while_it_is_decided_is_not_dropped(session: Session) -> None:
    """Between the plan and the tombstone somebody records the same data: nothing is forgotten, and a retry works."""
    store = session.store
    record(store, pipeline(store, raw="raw", clean="clean", model="model"))
    with session_of(Overtaken.open(store.root)) as late, pytest.raises(StoreBusyError, match="changes what can be"):
        gone(late, "momentum:1")
    assert {"raw", "clean", "model", "late model"} <= blobs_of(store)
    assert all("forgotten" not in store.facets(row.uid) for row in store.models())
    answer = gone(session, "momentum:1")
    assert why(answer) == {"data/raw.csv": "momentum:2 needs it"}
    assert findings(session) == []


@pytest.mark.parametrize(
    ("models", "reason", "says"),
    [
        (["momentum"], "a test", "expected exactly one model version"),
        (["momentum:9"], "a test", "no such model version"),
        (["Momentum:1"], "a test", "is not a model id"),
        (["momentum:1"], "  ", "got an empty text"),
        (["momentum:1"], "two\nlines", "control character"),
        (["momentum:1"], "password=hunter2hunter2", "looks like a password"),
    ],
)
def test_wrong_words_change_nothing(models: list[str], reason: str, says: str, session: Session) -> None:
    record(session.store, pipeline(session.store))
    before = contents(session.store)
    with pytest.raises(ReplayError, match=says):
        forget(models, session, Wish(reason=reason, really=True))
    assert contents(session.store) == before


def test_an_alias_means_the_version_that_it_points_to(session: Session) -> None:
    store = session.store
    for number in (1, 2):
        record(store, pipeline(store, raw=f"raw {number}", clean=f"clean {number}", model=f"model {number}"))
    store.append([], facets=[Facet(node=group_node("momentum").uid, key="alias:old", value=1)])
    assert gone(session, "momentum@old", "momentum:1").models == ("momentum:1",)
    assert "model 2" in blobs_of(store)


def test_the_action_is_part_of_the_lineage(session: Session) -> None:
    store = session.store
    record(store, pipeline(store))
    answer = gone(session, "momentum:1", reason="request 17")
    roles = {edge.role for edge, _ in store.neighbours(answer.action)}
    assert roles == {"model", "dropped", ""}
    assert store.node(answer.action).attrs["reason"] == "request 17"
    replay = act("annotate", session.asker, {data_uid("raw"): "subject"})
    store.append(replay.nodes, replay.edges)
    assert findings(session) == [], "an action needs no bytes"
