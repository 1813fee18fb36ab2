"""The page of a node: everything that is known about it, on both databases."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from rich.console import Console
from tests_support.recordings import METRICS, register, replayed, session_of, tried

from replay import registry
from replay.errors import ResolveError
from replay.lineage import Edge, EdgeType, Kind, Node, experiment_node, group_node
from replay.pages import Page, page_of
from replay.pages.text import render_page
from replay.session import Session
from replay.store.database import Store
from replay.uid import uid_of


@pytest.fixture
def session(store: Store) -> Iterator[Session]:
    with session_of(store) as opened:
        yield opened


def shown(page: Page, *, brief: bool = False) -> str:
    console = Console(file=io.StringIO(), width=200)
    render_page(page, console, brief=brief)
    return console.file.getvalue()


def names(page: Page, side: str, kind: Kind) -> list[str]:
    return [node.name for node in getattr(page, side).nodes if node.kind == kind]


def test_a_model_version_tells_decisions_places_replays_plan_experiment_and_lineage(session: Session) -> None:
    version = register(session.store, experiment="horizons", trial="long", template=("momentum", "2", "d" * 64))
    registry.approve(version, session, reason="back-tested", by="Risk", stage="production")
    registry.annotate(version, session, tags={"desk": "rates"})
    registry.annotate(version, session, tags={"desk": "credit"}, reason="moved")
    registry.deploy(version, session, to="prod")
    registry.alias(version, session, name="champion")
    replayed(session.store, version, "reproduced", by="ann")
    page = page_of(version, session)
    assert page.facets == {"status": "approved", "stage": "production", "tag:desk": "credit"}
    assert [(one.key, one.value, one.by, one.why, one.holds) for one in page.history] == [
        ("status", "approved", "Risk", "back-tested", True),
        ("stage", "production", "Risk", "back-tested", True),
        ("tag:desk", "rates", session.asker.user, "", False),
        ("tag:desk", "credit", session.asker.user, "moved", True),
    ]
    assert page.standing is not None
    assert (page.standing.aliases, page.standing.experiments) == (("champion",), ("horizons / long",))
    assert [(plan.type, plan.name) for plan in page.plans] == [("pipeline", "momentum"), ("template", "momentum@2")]
    assert page.up.counts["run"] == 2
    assert page.up.counts["collection"] == 4
    assert page.down.counts == {"action": 6, "deployment": 1}
    assert (page.up.complete, page.down.complete, page.complete) == (True, True, True)
    text = shown(page)
    for part in (
        "momentum:1  model version",
        "✓ approved by Risk, ",
        "back-tested",
        "champion",
        "horizons / long",
        "template plan  momentum@2 (id:",
        "prod  now: since ",
        "✓ reproduced  2026-01-02 00:00:00 UTC by ann, rp_",
        "tag:desk = rates",
        "moved",
        "2 runs",
        "prepare",
        "6 actions",
    ):
        assert part in text, part


def test_two_versions_that_share_bytes_have_each_their_own_history(session: Session) -> None:
    first, second = (register(session.store, tried(commit=letter)) for letter in "12")
    page = page_of(first, session)
    assert names(page, "up", Kind.CODE) == ["1" * 12]
    assert page.up.same_bytes > 0
    assert "only because others made some of the same bytes" in shown(page)
    assert second not in {node.uid for node in page_of(uid_of({"commit": "1" * 40}), session).down.nodes}


def test_a_dataset_tells_who_used_it_and_what_stands_on_it(session: Session) -> None:
    register(session.store)
    data = uid_of({"sha256": "a" * 64})
    registry.annotate(data, session, status="suspect", reason="vendor called")
    page = page_of(data, session)
    assert [(tie.direction, tie.type, tie.role, tie.node.name) for tie in page.ties] == [
        ("up", "specializes", "", "data/raw.csv"),
        ("down", "used", "input:data/raw.csv", "prepare"),
        ("down", "used", "subject", "annotate data/raw.csv"),
    ]
    assert names(page, "down", Kind.MODEL_VERSION) == ["momentum:1"]
    text = shown(page)
    for part in (
        "data/raw.csv  dataset",
        "status    suspect",
        "vendor called",
        "used (input:data/raw.csv): prepare  run",
    ):
        assert part in text, part
    assert "size" in text


def test_a_place_tells_what_runs_there(session: Session) -> None:
    first, second = register(session.store), register(session.store)
    registry.deploy(first, session, to="prod")
    registry.approve(second, session, reason="fine")
    registry.deploy(second, session, to="prod")
    placed = [n.uid for n in session.store.find_name("prod") if n.kind is Kind.DEPLOYMENT]
    pages = [page_of(uid, session) for uid in placed]
    told = {page.models[0].name: page.deployment for page in pages}
    assert told["momentum:1"] is not None
    assert told["momentum:2"] is not None
    assert (told["momentum:1"].current, told["momentum:2"].current) == (False, True)
    text = shown(pages[-1])
    assert "prod  deployment, endpoint" in text
    assert "momentum:2  model version" in text


def test_a_path_tells_its_versions_and_an_overwritten_file_is_two(session: Session) -> None:
    register(session.store, tried(data="a"))
    register(session.store, tried(data="f"))
    page = page_of(uid_of({"repository": "store:test", "path": "data/raw.csv"}), session)
    assert [node.uid for node in page.versions] == [uid_of({"sha256": letter * 64}) for letter in "af"]
    assert "Versions" in shown(page)


def test_a_pipeline_tells_its_definition_and_what_changed(session: Session) -> None:
    register(session.store)
    page = page_of(uid_of({"repository": "store:test", "path": "dvc.yaml"}), session)
    assert [version.models for version in page.plan_versions] == [("momentum:1",)]
    assert page.versions[0].kind == "plan"
    text = shown(page)
    assert "Versions, in the order of their first execution" in text
    assert "Definition (newest version)" in text
    plan = page_of(page.plan_versions[0].uid, session)
    assert "(this one)" in shown(plan)


def test_an_experiment_tells_the_models_that_came_of_it(session: Session) -> None:
    register(session.store, experiment="horizons", metrics={METRICS: {"sharpe": "1.5"}})
    register(session.store, tried("carry"))
    page = page_of(experiment_node("horizons", session.store.id).uid, session)
    assert [node.name for node in page.models] == ["momentum:1"]


def test_a_model_tells_its_versions(session: Session) -> None:
    versions = [register(session.store) for _ in range(3)]
    page = page_of(group_node("momentum").uid, session)
    assert {node.uid for node in page.down.nodes} >= set(versions)


def test_a_brief_page_leaves_out_what_stands_beside_it(session: Session) -> None:
    version = register(session.store)
    page = page_of(version, session)
    assert "Directly upstream" in shown(page)
    assert "Directly upstream" not in shown(page, brief=True)


def test_very_much_is_counted_where_it_is_not_shown(session: Session) -> None:
    data = Node(kind=Kind.DATASET, identity={"sha256": "9" * 64}, attrs={f"k{n}": n for n in range(40)})
    runs = [Node(kind=Kind.RUN, identity={"run": f"01ARZ3NDEKTSV4RRFFQ69G5F{n:02d}"}, name=f"r{n}") for n in range(40)]
    session.store.append([data, *runs], [Edge(source=r.uid, type=EdgeType.USED, target=data.uid) for r in runs])
    for number in range(35):
        registry.annotate(data.uid, session, stage=f"stage {number}")
    text = shown(page_of(data.uid, session))
    assert "and 10 more; --json has all" in text  # attributes
    assert "and 45 more; --json has all" in text  # 75 edges
    assert "and 5 earlier; --json has all" in text
    assert "r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11 and 28 more" in text
    assert sha_is_whole(text)


def sha_is_whole(text: str) -> bool:
    return f"sha256:{'9' * 64}" in text


def test_hostile_words_do_not_reach_the_terminal(session: Session) -> None:
    node = Node(
        kind=Kind.DATASET, identity={"uri": "s3://x/\x1b[2J"}, name="\x1b[31mred", attrs={"\x1b[5m": "\u202eevil"}
    )
    session.store.append([node])
    text = shown(page_of(node.uid, session))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\\x1b[31mred" in text


def test_what_is_not_recorded_has_no_page(session: Session) -> None:
    with pytest.raises(ResolveError, match="no node"):
        page_of("sha256:" + "9" * 64, session)
