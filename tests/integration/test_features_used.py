"""Feature views among the inputs of a run, on both databases: what the lineage says, up and down."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest
from tests_support.features import parquet, registered
from tests_support.recipes import a_recipe
from tests_support.recordings import recorded, session_of

from replay import features
from replay.ask import ask
from replay.features.using import views_among
from replay.identity import ModelId
from replay.lineage import EdgeType, Evidence, Kind
from replay.query import Direction, Query
from replay.recipe import Artifact, Storage
from replay.record.graph import to_lineage
from replay.session import Session
from replay.store.database import Store
from replay.store.hashing import describe
from replay.store.verify import verify_store


@pytest.fixture
def session(store: Store) -> Session:
    return session_of(store)


def view_of(session: Session, folder: Path, as_of: str, name: str = "view.parquet") -> features.Reading:
    group = features.find("prices", session.ground)
    return features.read(group, session, as_of=as_of, target=folder / name)


def artifact(place: Path, path: str) -> Artifact:
    found = describe(place)
    return Artifact(
        path=path, kind=found.kind, size=found.size, files=found.files, digests=found.digests, storage=Storage.STORE
    )


def record(session: Session, inputs: list[tuple[Artifact, Path]]) -> str:
    """Record `a_recipe` with other inputs of its first step; the ULID of that step's run."""
    recipe = a_recipe()
    first = msgspec.structs.replace(recipe.steps[0], inputs=tuple(item for item, _ in inputs))
    made = recorded(msgspec.structs.replace(recipe, steps=(first, *recipe.steps[1:])), store=session.store.id)
    run = made.facts[0].run
    made = msgspec.structs.replace(made, views={run: views_among(inputs, session.store)})
    session.store.register(recipe.name, lambda version: to_lineage(made, version))
    return run


def batch(session: Session, folder: Path, value: float) -> str:
    group = features.find("prices", session.ground)
    return features.write(group, parquet(folder / "rows.parquet", [("a", 1, value)]), session).batch.uid


def test_the_run_says_which_view_it_used_with_its_times(session: Session, tmp_path: Path) -> None:
    registered(session)
    batch(session, tmp_path, 1.0)
    made = view_of(session, tmp_path, "2026-01-01")
    run = record(session, [(artifact(made.path, "data/features.parquet"), made.path)])
    edges = [e for e, n in session.store.neighbours(f"run:{run}") if n.uid == made.view.uid and e.type is EdgeType.USED]
    assert [(edge.role, edge.evidence) for edge in edges] == [("features:prices", Evidence.INFERRED)]
    assert edges[0].attrs == {
        "path": "data/features.parquet", "as_of": "2026-01-01T00:00:00Z", "written": made.view.written,
    }  # fmt: skip
    used = {n.uid for e, n in session.store.neighbours(f"run:{run}") if e.role == "input:data/features.parquet"}
    assert used == {f"sha256:{made.described.digests.sha256}"}
    assert not verify_store(session.store)


def test_from_a_model_up_to_the_batches_and_from_a_batch_down_to_the_models(session: Session, tmp_path: Path) -> None:
    group = registered(session)
    old = batch(session, tmp_path, 1.0)
    made = view_of(session, tmp_path, "2026-01-01")
    record(session, [(artifact(made.path, "f.parquet"), made.path)])
    late = batch(session, tmp_path, 2.0)
    version = session.store.model_version(ModelId.parse("momentum:1"))
    up = session.store.closure(version).nodes
    assert {old, made.view.uid, group.uid} <= set(up)
    assert late not in up, "what was written later did not make it"
    query = Query(start=(old,), direction=Direction.DOWN, kinds=(Kind.MODEL_VERSION,))
    assert ask(query, session.ground).found == (version,)
    assert ask(msgspec.structs.replace(query, start=(late,)), session.ground).found == ()
    met = Query(start=(version,), kinds=(Kind.FEATURE_VIEW,), roles=("features",))
    assert ask(met, session.ground).found == (made.view.uid,)


def test_the_group_tells_who_used_it(session: Session, tmp_path: Path) -> None:
    registered(session)
    batch(session, tmp_path, 1.0)
    made = view_of(session, tmp_path, "2026-01-01")
    unused = view_of(session, tmp_path, "2026-01-02", "other.parquet")
    run = record(session, [(artifact(made.path, "f.parquet"), made.path)])
    group = features.find("prices", session.ground)
    told = features.tell(group, session.ground)
    assert (len(told.batches), told.hidden) == (1, 0)
    assert [(view.uid, view.runs, view.models) for view in told.views] == [
        (made.view.uid, (run,), ("momentum:1",)),
        (unused.view.uid, (), ()),
    ]


def test_views_in_a_directory_and_under_another_name_are_found(session: Session, tmp_path: Path) -> None:
    registered(session)
    batch(session, tmp_path, 1.0)
    one, two = (view_of(session, tmp_path, day, f"{day}.parquet") for day in ("2026-01-01", "2026-01-02"))
    folder = tmp_path / "features"
    (folder / "deep").mkdir(parents=True)
    shutil.copy(one.path, folder / "deep" / "a.parquet")
    shutil.copy(two.path, folder / "b.parquet")
    (folder / "notes.txt").write_text("none of it")
    (folder / "own.parquet").write_bytes(b"something else")
    found = views_among([(artifact(folder, "data"), folder)], session.store)
    assert [(used.path, used.view) for used in found] == [
        ("data/b.parquet", two.view.uid), ("data/deep/a.parquet", one.view.uid),
    ]  # fmt: skip
    run = record(session, [(artifact(folder, "data"), folder)])
    uses = [e.target for e, _ in session.store.neighbours(f"run:{run}") if e.role == "features:prices"]
    assert sorted(uses) == sorted([one.view.uid, two.view.uid])


def test_other_inputs_are_no_views(session: Session, tmp_path: Path) -> None:
    plain = tmp_path / "plain.csv"
    plain.write_text("a,b\n")
    assert views_among([(artifact(plain, "plain.csv"), plain)], session.store) == ()
    registered(session)
    batch(session, tmp_path, 1.0)
    rows = tmp_path / "rows.parquet"
    inputs = [(artifact(plain, "plain.csv"), plain), (artifact(rows, "rows.parquet"), rows)]
    assert views_among(inputs, session.store) == (), "the batch itself is data, not a view"
    run = record(session, inputs)
    assert not [e for e, _ in session.store.neighbours(f"run:{run}") if e.role.startswith("features:")]
