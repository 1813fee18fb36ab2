"""The dividend from replays on record, on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests_support.keeping import BYTES, blobs_of, pipeline, record, replayed
from tests_support.recordings import session_of

from replay.errors import ModelNotFoundError, PolicyError
from replay.judgement import Judgement, Tolerance
from replay.recipe import Code
from replay.retention.bill import bill
from replay.retention.forgetting import Wish, forget
from replay.retention.recomputable import dividend_of, forget_recomputable
from replay.session import Session
from replay.store.database import Store
from replay.store.verify import verify_store

IDENTICAL = {"identical": ["out/clean.csv", "out/model.txt"]}


@pytest.fixture
def session(store: Store) -> Iterator[Session]:
    with session_of(store) as opened:
        yield opened


def commit(session: Session) -> Code:
    """A commit of this repository, so that the code is here."""
    from replay.fetch.command import run

    root = session.root
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "code"]):
        run(["-c", "user.name=t", "-c", "user.email=t@localhost", *command], cwd=root)
    ids = run(["rev-parse", "HEAD", "HEAD^{tree}"], cwd=root).out.decode().split()
    return Code(commit=ids[0], tree=ids[1])


def version(session: Session, code: Code, number: int = 1, judgement: Judgement = BYTES) -> str:
    texts = {part: f"{part} {number}" for part in ("raw", "clean", "model")}
    recipe = pipeline(session.store, **texts, judgement=judgement)  # type: ignore[arg-type]
    return record(session.store, recipe, code=code, seconds="2.5")


def whys(session: Session, *models: str) -> dict[str, str]:
    return {kept.what: kept.why for kept in dividend_of(models, session).kept}


def test_what_a_replay_proved_is_dropped_and_says_so(session: Session) -> None:
    uid = version(session, commit(session))
    assert whys(session) == {
        "out/clean.csv of momentum:1": "momentum:1: no replay on record says how step prepare comes out"
    }
    proof = replayed(session, uid, IDENTICAL)
    found = dividend_of([], session)
    (one,) = found.recomputable
    assert (one.what, one.frees, one.seconds, one.proof) == ("out/clean.csv", 7, 2.5, f"rp_{proof.partition(':')[2]}")
    assert (found.frees, found.seconds) == (7, 2.5)
    told = forget_recomputable([], session, Wish(reason="the disk is full"))
    assert "clean 1" in blobs_of(session.store), "a dry run drops nothing"
    answer = forget_recomputable([], session, Wish(reason="the disk is full", really=True))
    assert [d.what for d in told.dropped] == [d.what for d in answer.dropped] == ["out/clean.csv"]
    assert "clean 1" not in blobs_of(session.store)
    facet = session.store.facets(one.uid)["forgotten"]
    assert facet.value == {"reason": "the disk is full", "proof": one.proof}
    assert "forgotten" not in session.store.facets(uid), "the model itself is not forgotten"
    assert verify_store(session.store) == []
    assert dividend_of([], session).recomputable == ()
    again = forget_recomputable([], session, Wish(reason="once more", really=True))
    assert (again.dropped, again.action) == ((), "")
    assert bill(["momentum:1"], session).models[0].bytes > 0


@pytest.mark.parametrize(
    ("matches", "says"),
    [
        ({"different": ["out/clean.csv"], "identical": ["out/model.txt"]}, "step prepare came out different"),
        ({"identical": ["out/model.txt"]}, "no replay on record"),
        ({}, "no replay on record"),
    ],
)
def test_without_proof_nothing_goes(matches: dict[str, list[str]], says: str, session: Session) -> None:
    uid = version(session, commit(session))
    replayed(session, uid, matches)
    assert says in whys(session)["out/clean.csv of momentum:1"]
    assert forget_recomputable([], session, Wish(reason="a test", really=True)).dropped == ()
    assert "clean 1" in blobs_of(session.store)


def test_a_replay_of_another_recipe_proves_nothing(session: Session) -> None:
    uid = version(session, commit(session))
    replayed(session, uid, IDENTICAL, recipe="f" * 64)
    assert "no replay on record" in whys(session)["out/clean.csv of momentum:1"]


def test_code_that_is_gone_makes_nothing_again(session: Session) -> None:
    commit(session)
    uid = version(session, Code(commit="1" * 40, tree="2" * 40))
    replayed(session, uid, IDENTICAL)
    assert whys(session) == {"out/clean.csv of momentum:1": "momentum:1: its code is not here"}


def test_a_sealed_tolerance_wants_the_recorded_bytes(session: Session) -> None:
    loose = Judgement(comparator="table", tolerance=Tolerance(relative=(1e-6).hex()), owner="risk", reason="bits")
    uid = version(session, commit(session), judgement=loose)
    replayed(session, uid, IDENTICAL)
    assert "judges it otherwise than bit for bit" in whys(session)["out/clean.csv of momentum:1"]


def test_a_hold_keeps_what_could_be_recomputed(session: Session) -> None:
    uid = version(session, commit(session))
    replayed(session, uid, IDENTICAL)
    held = Session(
        session.root, session.store, ("retention.holds=[{model:momentum,reason:case 17}]",), session.progress
    )
    answer = forget_recomputable([], held, Wish(reason="a test", really=True))
    assert answer.dropped == ()
    assert answer.kept[0].why == "momentum:1: it is under legal hold: case 17"
    with pytest.raises(PolicyError, match="case 17"):
        forget(["momentum:1"], held, Wish(reason="a test", really=True))


def test_only_the_models_that_are_named(session: Session) -> None:
    code = commit(session)
    for number in (1, 2):
        replayed(session, version(session, code, number), IDENTICAL)
    answer = forget_recomputable(["momentum:2"], session, Wish(reason="a test", really=True))
    assert answer.models == ("momentum:2",)
    assert {"clean 1"} == {text for text in blobs_of(session.store) if text.startswith("clean")}
    with pytest.raises(ModelNotFoundError):
        forget_recomputable(["momentum:9"], session, Wish(reason="a test"))


def test_what_was_dropped_is_forgotten_with_its_model(session: Session) -> None:
    uid = version(session, commit(session))
    replayed(session, uid, IDENTICAL)
    forget_recomputable([], session, Wish(reason="the disk is full", really=True))
    answer = forget(["momentum:1"], session, Wish(reason="request 17", really=True))
    assert "out/clean.csv" not in {one.what for one in answer.dropped}
    assert blobs_of(session.store) == set()
    assert verify_store(session.store) == []
