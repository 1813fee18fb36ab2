"""What a store promises, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import itertools
import random
import re
import sqlite3
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from tests_support.stores import DATA, TABLES, Run, build, contents, link, node, raw, run_id, set_alias, uid

from replay import merkle
from replay.errors import ModelNotFoundError, ResolveError, StoreError, UsageError
from replay.identity import ModelId
from replay.lineage import Edge, EdgeType, Evidence, Facet, Kind, Node, agent_node, group_node
from replay.store import reads, writes
from replay.store.database import Store
from replay.store.verify import verify_store

USED, GENERATED, DERIVED_FROM, SAME_AS = (
    EdgeType.USED, EdgeType.GENERATED, EdgeType.DERIVED_FROM, EdgeType.SAME_AS,
)  # fmt: skip


def sha256(number: int) -> dict[str, str]:
    return {"sha256": f"{number:064x}"}


# -- registering and appending -------------------------------------------------------------------------------------


def test_registering_counts_from_one_for_each_model(store: Store) -> None:
    assert [store.register("momentum", build) for _ in range(3)] == [1, 2, 3]
    assert store.register("other", lambda version: build(version, "other")) == 1
    assert [(m.name, m.version) for m in store.models()] == [
        ("momentum", 1),
        ("momentum", 2),
        ("momentum", 3),
        ("other", 1),
    ]
    assert [m.version for m in store.models("other")] == [1]
    assert store.models()[1].uid == build(2)[2] == uid(store, "momentum:2")
    assert uid(store, "momentum") == build(3)[2], "a name alone is the newest"


def test_values_come_back_as_they_were(store: Store) -> None:
    store.register("momentum", build)
    assert store.node(DATA.uid) == DATA
    nodes, edges, _ = build(1)
    lineage = store.closure(uid(store, "momentum:1"))
    metrics = nodes[3]
    assert lineage.nodes == {n.uid: n for n in nodes if n is not metrics}
    assert sorted(map(repr, lineage.edges)) == sorted(repr(e) for e in edges if e.target != metrics.uid)
    assert (lineage.complete, lineage.truncated_by, lineage.focal) == (True, (), build(1)[2])


EVERY_FORM = [
    {"sha256": "0a" * 32},
    {"commit": "0b" * 20},
    {"commit": "0c" * 32},
    {"image": "sha256:" + "0d" * 32},
    {"run": run_id(1)},
    {"action": run_id(2)},
    {"execution": run_id(3)},
    {"plan": "0e" * 32},
    {"config": "0f" * 32},
    {"commit": "0b" * 20, "patch": "1a" * 32},
    {"model": "ü \U0001f600 \0", "version": "1"},
    {"sha256": "no digest"},
]


@pytest.mark.parametrize("evidence", list(Evidence))
def test_every_kind_and_identity_and_edge_comes_back(store: Store, evidence: Evidence) -> None:
    attrs = {"ü\U0001f600\0": [2**53 - 1, -(2**53) + 1, None, True, {"deep": [[[[[[[[["deeper"]]]]]]]]]}]}
    basis = "" if evidence is Evidence.RECORDED else "by: rule\n7 \U0001f600"
    nodes = [
        Node(
            kind=kind, identity=identity, type="a type", name=f"ü\n{kind}", attrs=attrs, evidence=evidence, basis=basis
        )
        for kind, identity in zip(itertools.cycle(Kind), [*EVERY_FORM, *map(sha256, range(8))], strict=False)
    ]
    assert {n.kind for n in nodes} == set(Kind)
    edges = [
        Edge(source=a.uid, type=type_, target=b.uid, role="r\U0001f600", attrs=attrs, evidence=evidence, basis=basis)
        for type_, (a, b) in zip(EdgeType, itertools.pairwise(nodes), strict=False)
        if type_ is not SAME_AS  # which has no direction
    ]
    store.append(nodes, edges)
    assert [store.node(n.uid) for n in nodes] == nodes
    assert all(store.has(n.uid) for n in nodes)
    told = [e for n in nodes for e, _ in store.neighbours(n.uid)]
    assert sorted(map(repr, told)) == sorted(map(repr, edges))


def test_what_was_recorded_first_stays(store: Store) -> None:
    edge = Edge(source=build(1)[0][1].uid, type=USED, target=DATA.uid, role="x", attrs={"first": True})
    other_edge = Edge(source=edge.source, type=USED, target=DATA.uid, role="x")
    other = Node(kind=DATA.kind, identity=DATA.identity, attrs={"path": "elsewhere"}, name="other")
    assert other.uid == DATA.uid
    store.append([DATA, other, build(1)[0][1]], [edge, other_edge])
    assert store.node(DATA.uid) == DATA
    assert [e for e, _ in store.neighbours(edge.source)] == [edge]
    before = contents(store)
    store.append([other, other], [other_edge])
    assert store.node(DATA.uid) == DATA
    assert contents(store) == before, "nothing new, no transaction"


def test_equal_edges_are_one(store: Store) -> None:
    nodes, edges, _ = build(1)
    store.append(nodes, edges)
    store.append(nodes, [*edges, *edges])
    assert len(store.closure(DATA.uid, direction="down").edges) == len(edges)


def test_one_dataset_in_two_roles_of_one_run(store: Store) -> None:
    store.register("momentum", build)
    run = build(1)[0][1]
    inputs = store.neighbours(run.uid)
    assert sorted(e.role for e, _ in inputs) == ["train", "valid"]
    assert [n for _, n in inputs] == [DATA, DATA]


def test_an_edge_may_come_after_both_its_ends(store: Store) -> None:
    one, two = node(Kind.DATASET, **sha256(1)), node(Kind.DATASET, **sha256(2))
    late = link(one, DERIVED_FROM, two)
    store.append([one])
    store.append([two])
    store.append([], [late])
    assert store.closure(one.uid).edges == (late,)
    assert store.closure(two.uid, direction="down").edges == (late,)
    with raw(store) as run:
        assert run("SELECT late, tx FROM edges") == [(1, 3)]


def test_many_nodes_in_one_transaction(store: Store) -> None:
    """More than one batch of look-ups."""
    chain = [node(Kind.DATASET, id=str(i)) for i in range(1300)]
    edges = [link(a, DERIVED_FROM, b) for a, b in itertools.pairwise(chain)]
    store.append(chain, edges)
    store.append(chain, edges)
    lineage = store.closure(chain[0].uid)
    assert list(lineage.nodes) == [n.uid for n in chain]
    assert len(lineage.edges) == 1299
    with raw(store) as run:
        assert run("SELECT count(*) FROM transactions") == [(1,)]
        assert run("SELECT count(*) FROM edges WHERE younger <= older") == [(0,)], "the younger, the greater"


def test_blobs_are_recorded_with_the_next_transaction(store: Store) -> None:
    kept = store.blobs.put_bytes(b"log")
    with pytest.raises(UsageError):
        store.append([Node(kind=Kind.RUN, identity={"id": "x"}, attrs={"seconds": 1.5})])
    store.append([])
    store.blobs.put_bytes(b"log")
    store.append([])
    with raw(store) as run:
        assert [(sha256.hex(), size, tx) for sha256, size, tx in run("SELECT * FROM blobs")] == [(kept, 3, 1)]


STRANGER = node(Kind.RUN, run=run_id(99))


def failing(store: Store) -> list[tuple[Any, type[Exception], str]]:
    """What registering may be given: how it builds, and how that ends."""
    batch = [([DATA], [])]

    def bad_edge(version: int) -> tuple[list[Node], list[Edge], str]:
        nodes, edges, registered = build(version)
        return nodes, [*edges, link(STRANGER, USED, DATA)], registered

    def raising(error: Exception) -> Any:
        def fail(_: int) -> Any:
            raise error

        return fail

    def after(act: Any) -> Any:
        return lambda version: (act(), build(version))[1]

    undecodable = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "of the caller")
    return [
        (bad_edge, StoreError, STRANGER.uid),
        (lambda v: (*build(v)[:2], DATA.uid), StoreError, "expected a recorded model version"),
        (lambda v: (*build(v)[:2], STRANGER.uid), StoreError, "expected a recorded model version"),
        (lambda v: (*build(v)[:2], "momentum:1"), UsageError, "got the uid 'momentum:1'"),
        (raising(FileNotFoundError("of the caller")), FileNotFoundError, "of the caller"),
        (raising(undecodable), UnicodeDecodeError, "of the caller"),
        (raising(sqlite3.OperationalError("of the caller")), sqlite3.OperationalError, "of the caller"),
        (raising(psycopg.OperationalError("of the caller")), psycopg.OperationalError, "of the caller"),
        (after(lambda: store.append([DATA])), StoreError, "inside another write"),
        (after(lambda: store.register("other", build)), StoreError, "inside another write"),
        (after(lambda: store.load(batch)), StoreError, "inside another write"),
        (after(store.checkpoint), StoreError, "inside another write"),
        (after(lambda: store.note("nested")), StoreError, "inside another write"),
    ]


def test_a_failed_write_leaves_nothing(store: Store) -> None:
    store.append([node(Kind.DATASET, **sha256(7))])
    store.blobs.put_bytes(b"log")
    before = contents(store)
    for build_it, error, text in failing(store):
        with pytest.raises(error, match=text):
            store.register("momentum", build_it)
        assert contents(store) == before, text
    assert (store.models(), store.journal.records()) == ([], [])
    assert store.register("momentum", build) == 1
    with raw(store) as run:
        assert run("SELECT count(*) FROM blobs") == [(1,)], "given back by the failed ones"
    with pytest.raises(StoreError, match="is momentum:1 already"):
        store.register("momentum", lambda _: build(1))
    assert verify_store(store) == []


NAMED = {"identity": sha256(8), "kind": Kind.DATASET}
PAIR = {"source": build(1)[0][1].uid, "type": USED, "target": DATA.uid}
REFUSED: dict[str, dict[str, Any]] = {
    "float in a node": {"nodes": [Node(**NAMED, attrs={"seconds": 1.5})]},
    "float in an edge": {"edges": [Edge(**PAIR, attrs={"a": [0.0]})]},
    "float in a facet": {"facets": [Facet(node=DATA.uid, key="k", value=2.5)]},
    "NaN in a facet": {"facets": [Facet(node=DATA.uid, key="k", value={"a": float("nan")})]},
    "great integer": {"nodes": [Node(**NAMED, attrs={"n": 2**53})]},
    "NUL in a name": {"nodes": [Node(**NAMED, name="a\0b")]},
    "NUL in a type": {"nodes": [Node(**NAMED, type="\0")]},
    "NUL in a basis": {"nodes": [Node(**NAMED, basis="\0")]},
    "NUL in a role": {"edges": [Edge(**PAIR, role="a\0")]},
    "NUL in an edge's basis": {"edges": [Edge(**PAIR, basis="\0a")]},
    "NUL in a key": {"facets": [Facet(node=DATA.uid, key="\0")]},
    "NUL in a facet's basis": {"facets": [Facet(node=DATA.uid, key="k", basis="\0")]},
    "no Unicode in a name": {"nodes": [Node(**NAMED, name="\udcff.csv")]},
    "no Unicode in attrs": {"nodes": [Node(**NAMED, attrs={"path": "\udcff.csv"})]},
    "no Unicode in attrs' keys": {"nodes": [Node(**NAMED, attrs={"\udcff.csv": 1})]},
    "no Unicode in a role": {"edges": [Edge(**PAIR, role="input:\udcff.csv")]},
    "no Unicode in a facet": {"facets": [Facet(node=DATA.uid, key="k", value="\udcff")]},
    "no Unicode in a key": {"facets": [Facet(node=DATA.uid, key="\udcff")]},
    "no text in an identity": {"nodes": [Node(kind=Kind.RUN, identity={"n": 1})]},  # type: ignore[dict-item]
    "no identity": {"nodes": [Node(kind=Kind.RUN, identity={})]},
    "no uid in an edge": {"edges": [Edge(source="prices", type=USED, target=DATA.uid)]},
    "no uid in a facet": {"facets": [Facet(node="prices", key="k")]},
}


def test_what_cannot_be_kept_is_refused(store: Store) -> None:
    store.append(build(1)[0])
    before = contents(store)
    for what, given in REFUSED.items():
        with pytest.raises(UsageError):
            store.append(given.get("nodes", ()), given.get("edges", ()), given.get("facets", ()))
        assert contents(store) == before, what


def test_a_facet_is_about_recorded_nodes(store: Store) -> None:
    store.append([DATA])
    for facet in (Facet(node=STRANGER.uid, key="k"), Facet(node=DATA.uid, key="k", action=STRANGER.uid)):
        with pytest.raises(StoreError, match=f"facet k: {STRANGER.uid} is no recorded node"):
            store.append([], facets=[facet])
    assert store.history(DATA.uid) == []


def test_bad_model_names_are_refused(store: Store) -> None:
    for bad in ("Momentum", "momentum:1", "a b", "", "momentum@prod", "../x", "a\0"):
        with pytest.raises(UsageError):
            store.register(bad, build)
    assert store.models() == []


# -- walks ------------------------------------------------------------------------------------------------------------


def test_closures_go_both_ways_nearest_first(store: Store) -> None:
    for _ in range(2):
        store.register("momentum", build)
    up = store.closure(uid(store, "momentum:1"))
    assert [n.kind for n in up.nodes.values()] == [Kind.MODEL_VERSION, Kind.MODEL, Kind.RUN, Kind.DATASET]
    down = store.closure(DATA.uid, direction="down")
    kinds = [n.kind for n in down.nodes.values()]
    assert kinds[:3] == [Kind.DATASET, Kind.RUN, Kind.RUN]
    assert sorted(kinds[3:7]) == sorted(2 * [Kind.MODEL, Kind.METRICS])
    assert kinds[7:] == 2 * [Kind.MODEL_VERSION]
    assert len(down.edges) == 10


def levels_of(start: str, edges: list[Edge], direction: str) -> dict[str, int]:
    """Breadth first: how far away each node is."""
    near: dict[str, list[str]] = {}
    for edge in edges:
        one, other = (edge.younger, edge.older) if direction == "up" else (edge.older, edge.younger)
        near.setdefault(one, []).append(other)
    found, queue = {start: 0}, deque([start])
    while queue:
        here = queue.popleft()
        for other in near.get(here, ()):
            if other not in found:
                found[other] = found[here] + 1
                queue.append(other)
    return found


@pytest.mark.parametrize("size", [12, 400])
def test_closures_are_those_of_a_breadth_first_search(store: Store, size: int) -> None:
    """On any graph, whatever the planner knows of it."""
    chance = random.Random(size)
    nodes = [node(Kind.DATASET, **sha256(chance.getrandbits(200))) for _ in range(size)]
    types = [GENERATED, USED, DERIVED_FROM]
    edges = list(
        {
            (a.uid, b.uid): link(a, chance.choice(types), b)
            for a, b in (chance.choices(nodes, k=2) for _ in range(2 * size))
        }.values()
    )
    half = len(edges) // 2
    store.append(nodes, edges[:half])
    store.append([], edges[half:])
    for statement in ("SELECT 1", "ANALYZE"):
        with raw(store) as run:
            run(statement)
        for start, direction in itertools.product(nodes[:6], ("up", "down")):
            levels = levels_of(start.uid, edges, direction)
            lineage = store.closure(start.uid, direction=direction)
            found = [levels[one] for one in lineage.nodes]
            assert found == sorted(levels.values()), (statement, direction)
            within = [e for e in edges if e.source in levels and e.target in levels]
            assert sorted(map(repr, lineage.edges)) == sorted(map(repr, within))


def test_fifteen_hops(store: Store) -> None:
    chain = [node(Kind.RUN if i % 2 else Kind.DATASET, id=str(i)) for i in range(16)]
    edges = [
        link(young, USED, old) if young.kind is Kind.RUN else link(old, GENERATED, young)
        for old, young in itertools.pairwise(chain)
    ]
    for young, *rest in zip(chain, [None, *edges], strict=True):  # one by one, as they came to be
        store.append([young], [e for e in rest if e])
    up = store.closure(chain[15].uid)
    assert list(up.nodes) == [n.uid for n in reversed(chain)]
    down = store.closure(chain[0].uid, direction="down")
    assert list(down.nodes) == [n.uid for n in chain]
    assert len(up.edges) == len(down.edges) == 15


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
def test_a_cut_closure_says_so(store: Store, limit: int) -> None:
    store.register("momentum", build)
    whole = store.closure(uid(store, "momentum:1"))
    cut = store.closure(uid(store, "momentum:1"), limit=limit)
    assert list(cut.nodes) == list(whole.nodes)[:limit]
    within = [e for e in whole.edges if e.source in cut.nodes and e.target in cut.nodes]
    assert sorted(map(repr, cut.edges)) == sorted(map(repr, within))
    assert cut.complete == (limit >= 4)
    assert cut.truncated_by == (() if limit >= 4 else (f"limit of {limit} nodes",))


def test_a_closure_of_nothing_is_refused(store: Store) -> None:
    store.append([DATA])
    for limit in (0, -1):
        with pytest.raises(UsageError, match="expected at least 1"):
            store.closure(DATA.uid, limit=limit)


def test_dense_diamonds_are_walked_once(store: Store) -> None:
    """12 levels × 4 nodes, fully linked: 16.8 million paths, 49 nodes."""
    levels = [[node(Kind.DATASET, id=f"{level}-{i}") for i in range(4 if level else 1)] for level in range(13)]
    pairs = [(a, b) for one, two in itertools.pairwise(levels) for a in one for b in two]
    store.append(
        [n for level in levels for n in level],
        [link(a, DERIVED_FROM, b) for a, b in pairs],
    )
    enough = store.closure(levels[0][0].uid, limit=49)  # first: where paths are walked, this ends soon, and too early
    assert (len(enough.nodes), enough.complete) == (49, True)
    lineage = store.closure(levels[0][0].uid)
    assert (len(lineage.nodes), len(lineage.edges)) == (49, 4 + 11 * 16)
    assert store.closure(levels[12][0].uid, direction="down", limit=46).complete


def test_cycles_end(store: Store) -> None:
    ring = [node(Kind.DATASET, id=str(i)) for i in range(3)]
    edges = [link(a, DERIVED_FROM, b) for a, b in zip(ring, [*ring[1:], ring[0]], strict=True)]
    store.append(ring, [*edges, link(ring[0], DERIVED_FROM, ring[0])])
    for start in ring:
        for direction in ("up", "down"):
            lineage = store.closure(start.uid, direction=direction)
            assert (len(lineage.nodes), len(lineage.edges)) == (3, 4)


def test_sameness_goes_both_ways_and_is_told_once(store: Store) -> None:
    one, two, three = (node(Kind.DATASET, **sha256(i)) for i in (1, 2, 3))
    edge = Edge(source=two.uid, type=SAME_AS, target=one.uid, role="r", attrs={"a": "b"})
    turned = Edge(source=one.uid, type=SAME_AS, target=two.uid, role="r", attrs={"a": "b"})
    store.append([one, two, three], [edge, link(one, DERIVED_FROM, three)])
    before = contents(store)
    store.append([], [turned])
    assert contents(store) == before
    for start, direction in itertools.product((one, two), ("up", "down")):
        lineage = store.closure(start.uid, direction=direction)
        assert [e for e in lineage.edges if e.type is SAME_AS] in ([edge], [turned])
        assert {one.uid, two.uid} <= set(lineage.nodes)
        told = [(e, n) for e, n in store.neighbours(start.uid, direction=direction) if e.type is SAME_AS]
        assert told in ([(edge, n)] if (n := two if start is one else one) else [], [(turned, n)])
    assert three.uid in store.closure(two.uid).nodes


def test_neighbours_tell_the_outputs_of_a_run(store: Store) -> None:
    store.register("momentum", build)
    run = build(1)[0][1]
    outputs = store.neighbours(run.uid, direction="down")
    assert [(e.role, n.kind) for e, n in outputs] == [("model", Kind.MODEL), ("metrics", Kind.METRICS)]
    assert all((e.source, e.target) == (run.uid, n.uid) for e, n in outputs)


def test_unknown_nodes_are_an_error(store: Store) -> None:
    store.append([DATA])
    for use in (store.node, store.closure, store.neighbours):
        with pytest.raises(ResolveError, match="no node sha256:00"):
            use("sha256:" + "00" * 32)
        for bad in ("prices", "sha256:00", "momentum:1", "", ":", "sha256:" + "AB" * 32, "run:\udcff"):
            with pytest.raises(UsageError, match="got the uid"):
                use(bad)
    assert store.facets("sha256:" + "00" * 32) == {}
    assert not store.has("sha256:" + "00" * 32)


# -- looking up -------------------------------------------------------------------------------------------------------


COMMIT = Node(kind=Kind.CODE, identity={"commit": "ab12" + "0" * 36}, name="ab1200000000")
IMAGE = Node(kind=Kind.IMAGE, identity={"image": "sha256:ab12" + "1" * 60})
LONG = Node(kind=Kind.CODE, identity={"commit": "ab12" + "2" * 60})


def test_nodes_are_found_by_a_prefix(store: Store) -> None:
    store.register("momentum", build)
    store.append([COMMIT, IMAGE, LONG])
    run = build(1)[0][1]
    assert store.find_prefix("abab") == store.find_prefix("sha256:abab") == store.find_prefix(DATA.uid) == [DATA]
    assert store.find_prefix("ABABAB") == [DATA]
    assert store.find_prefix("ab12") == [COMMIT, LONG, IMAGE]
    assert store.find_prefix("commit:ab12") == [COMMIT, LONG]
    assert store.find_prefix("commit:ab120") == store.find_prefix("ab12" + "0" * 36) == [COMMIT]
    assert store.find_prefix("image:ab12") == [IMAGE]
    assert store.find_prefix("ab12" + "2" * 60) == [LONG]
    ulid = run.identity["run"]
    assert store.find_prefix(ulid[:4]) == store.find_prefix(ulid.lower()) == store.find_prefix(f"run:{ulid}") == [run]
    registered = build(1)[0][4]
    assert registered.uid.startswith("id:")
    assert store.find_prefix(registered.uid[3:9]) == store.find_prefix(registered.uid) == [registered]


def test_a_prefix_that_is_none_finds_nothing(store: Store) -> None:
    store.register("momentum", build)
    store.append([COMMIT])
    bad_ones = ["ab1", "", ":", "run:ab12", "nonsense:ab12", "ab12%", "ab1_", "zzzz", "commit:", "ab\0cd", "ab\udcffcd"]
    for bad in [*bad_ones, "ab12" + "0" * 61]:
        assert store.find_prefix(bad) == [], bad


def test_a_prefix_finds_no_more_than_asked(store: Store) -> None:
    nodes = [node(Kind.DATASET, sha256=f"cafe{i:060x}") for i in range(30)]
    store.append(nodes)
    assert store.find_prefix("cafe", limit=3) == nodes[:3]
    assert len(store.find_prefix("cafe")) == 20


def test_some_kinds_are_found_by_name(store: Store) -> None:
    tag = Node(kind=Kind.LOCATOR, type="tag", identity={"tag": "1"}, name="prices")
    view = Node(kind=Kind.FEATURE_VIEW, identity={"view": "1"}, name="prices")
    more = [Node(kind=Kind.PLAN, identity={"plan": f"{i:064x}"}, name="daily") for i in range(25)]
    user = agent_node("ü", "git")
    store.append([DATA, tag, view, user, group_node("m/n"), *more])
    assert DATA.name == "prices"
    assert store.find_name("prices") == [tag, view], "in the order of recording, and no dataset"
    assert store.find_name("ü") == [user]
    assert store.find_name("m/n") == [group_node("m/n")]
    assert [store.find_name(name) for name in ("price", "Prices", "pri%", "prices\0", "")] == [[]] * 5
    assert store.find_name("daily", limit=3) == more[:3]
    assert len(store.find_name("daily")) == 20


@pytest.mark.parametrize("text", ["\udcff", "a\udcff\U0001f600"])
def test_asking_for_no_unicode_is_told(store: Store, text: str) -> None:
    store.append([DATA])
    with pytest.raises(UsageError, match="no Unicode"):
        store.find_name(text)
    assert store.node(DATA.uid) == DATA


# -- facets, models, aliases ------------------------------------------------------------------------------------------


def test_the_newest_facet_holds_and_the_past_is_kept(store: Store) -> None:
    act = Node(kind=Kind.ACTION, type="annotate", identity={"action": run_id(5)})
    said = [
        Facet(node=DATA.uid, key="owner", value="ann"),
        Facet(node=DATA.uid, key="status", value={"ok": [True, "ü"]}, evidence=Evidence.ASSERTED, basis="bob"),
        Facet(node=DATA.uid, key="owner", value="bob", action=act.uid),
        Facet(node=act.uid, key="owner", value=3),
    ]
    store.append([DATA, act], facets=said[:1])
    store.append([], facets=said[1:])
    history = store.history(DATA.uid)
    with raw(store) as run:
        times = [time for (time,) in run("SELECT created FROM transactions ORDER BY tx")]
    assert [f.recorded for f in history] == [times[0], times[1], times[1]]
    assert [(f.node, f.key, f.value, f.evidence, f.basis, f.action) for f in history] == [
        (f.node, f.key, f.value, f.evidence, f.basis, f.action) for f in said[:3]
    ]
    assert store.facets(DATA.uid) == {"owner": history[2], "status": history[1]}
    many = store.histories([act.uid, DATA.uid, STRANGER.uid])
    assert many == {DATA.uid: history, act.uid: store.history(act.uid)}
    assert [f.value for f in many[act.uid]] == [3]
    store.append([], facets=[Facet(node=DATA.uid, key="owner")])
    assert store.facets(DATA.uid)["owner"].value is None, "taken back"
    assert [f.value for f in store.history(DATA.uid) if f.key == "owner"] == ["ann", "bob", None]


def test_saying_the_same_again_is_saying_it_again(store: Store) -> None:
    facet = Facet(node=DATA.uid, key="stage", value="x")
    store.append([DATA], facets=[facet, facet])
    store.append([DATA], facets=[facet])
    assert len(store.history(DATA.uid)) == 3


def test_aliases_move_and_keep_their_past(store: Store) -> None:
    for _ in range(2):
        store.register("momentum", build)
    store.register("other", lambda version: build(version, "other"))
    set_alias(store, "momentum", "prod", 1)
    assert uid(store, "momentum@prod") == build(1)[2]
    set_alias(store, "momentum", "prod", 2)
    set_alias(store, "momentum", "champion", 2)
    set_alias(store, "other", "prod", 1)
    assert uid(store, "momentum@prod") == build(2)[2]
    assert [m.aliases for m in store.models()] == [(), ("champion", "prod"), ("prod",)]
    set_alias(store, "momentum", "prod", 1)
    assert uid(store, "momentum@prod") == build(1)[2]
    assert store.alias("momentum", "prod") == 1
    assert [f.value for f in store.history(group_node("momentum").uid) if f.key == "alias:prod"] == [1, 2, 1]
    set_alias(store, "momentum", "prod", None)
    assert store.alias("momentum", "prod") is None
    assert [m.aliases for m in store.models("momentum")] == [(), ("champion",)]
    with pytest.raises(ModelNotFoundError):
        uid(store, "momentum@prod")


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("momentun:1", "did you mean momentum?"),
        ("momentum:3", "recorded of momentum: 1, 2, @prod"),
        ("momentum@prud", "recorded of momentum: 1, 2, @prod"),
        ("quite-else", "`replay models` lists what is recorded"),
        ("quite-else@prod", "`replay models` lists what is recorded"),
    ],
)
def test_an_unknown_model_has_near_matches(store: Store, wanted: str, hint: str) -> None:
    for _ in range(2):
        store.register("momentum", build)
    set_alias(store, "momentum", "prod", 2)
    with pytest.raises(ModelNotFoundError, match=wanted) as caught:
        store.model_version(ModelId.parse(wanted))
    assert hint in (caught.value.hint or "")


# -- the chain --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_append_only(store: Store, table: str) -> None:
    store.blobs.put_bytes(b"x")
    store.register("momentum", build)
    set_alias(store, "momentum", "prod", 1)
    store.note("recorded")
    before = contents(store)
    assert before[table]
    with raw(store) as run:
        for statement in changes_of(table, run, shared=store.database.shared):
            with pytest.raises((sqlite3.IntegrityError, psycopg.errors.RaiseException), match="append-only"):
                run(statement)
    assert contents(store) == before


def changes_of(table: str, run: Run, *, shared: bool) -> list[str]:
    """Every statement that could change a row or take it away, and changes nothing."""
    if not shared:
        column = run(f"SELECT name FROM pragma_table_info('{table}')")[0][0]
        others = [
            f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
            f"UPDATE OR REPLACE {table} SET {column} = {column}",
        ]
    else:
        key = (
            "SELECT string_agg(a.attname, ',') FROM pg_index i JOIN pg_attribute a "
            "ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) WHERE i.indrelid = ?::regclass AND i.indisprimary"
        )
        columns = run(key, table)[0][0]
        column = columns.partition(",")[0]
        upsert = f"ON CONFLICT ({columns}) DO UPDATE SET {column} = EXCLUDED.{column}"
        others = [f"INSERT INTO {table} SELECT * FROM {table} {upsert}", f"TRUNCATE {table} CASCADE"]
    return [f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}", *others]


def test_every_transaction_is_bound_to_the_one_before(store: Store) -> None:
    for _ in range(3):
        store.register("momentum", build)
    with raw(store) as run:
        leaves = [leaf for (leaf,) in run("SELECT leaf FROM transactions ORDER BY tx")]
        assert run("SELECT count(DISTINCT leaf), max(tx), min(tx) FROM transactions") == [(3, 3, 1)]
    made = store.checkpoint()
    assert made is not None
    assert (made.size, made.root) == (3, merkle.root(leaves))
    assert store.checkpoint() == made, "nothing new"
    store.register("momentum", build)
    again = store.checkpoint()
    assert again is not None
    assert again.size == 4


def test_an_empty_store_has_no_checkpoint(store: Store) -> None:
    assert store.checkpoint() is None
    record = store.note("looked")
    assert (record.fields["size"], record.fields["root"]) == (0, "")
    assert verify_store(store) == []


def test_a_checkpoint_comes_by_itself_now_and_then(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writes, "CHECKPOINT_EVERY", 4)
    for number in range(9):
        store.append([node(Kind.DATASET, id=str(number))])
    with raw(store) as run:
        assert run("SELECT size FROM checkpoints ORDER BY size") == [(4,), (8,)]
    assert verify_store(store) == []


def test_a_note_ties_journal_and_database_together(store: Store) -> None:
    store.register("momentum", build)
    first = store.note("record", model="momentum:1")
    second = store.note("replay")
    made = store.checkpoint()
    assert made is not None
    assert first.fields == {"model": "momentum:1", "size": 1, "root": made.root.hex()}
    assert second.fields == {"size": 1, "root": made.root.hex()}
    with raw(store) as run:
        tied = run("SELECT key, value FROM meta WHERE key <> 'store'")
    assert tied == [(f"journal {first.hash} 1", first.hash)], "each note tells the database of the one before"


def test_time_never_goes_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(["2030-01-01", "2020-01-01", "2031-01-01", "2020-01-01"])
    monkeypatch.setattr(writes, "now", lambda: f"{next(clock)}T00:00:00.000000+00:00")
    for _ in range(4):
        store.register("momentum", build)
    assert [m.created[:4] for m in store.models()] == ["2030", "2030", "2031", "2031"]
    assert [reads.tx_at(store.database, time) for time in ("2029", "2030-01-02", "2031-01-02")] == [0, 2, 4]
    assert [reads.tx_at(store.database, m.created) for m in store.models()] == [2, 2, 4, 4]
    assert reads.created_at(store.database, [1, 3]) == {1: store.models()[0].created, 3: store.models()[2].created}
    assert verify_store(store) == []


# -- several at once --------------------------------------------------------------------------------------------------


def test_the_same_store_opened_twice(store: Store) -> None:
    with Store.open(store.root) as other:
        assert other.id == store.id
        assert store.register("momentum", build) == 1
        assert other.models() == store.models() != []
        assert other.register("momentum", build) == 2
        assert [m.version for m in store.models()] == [1, 2]
        assert verify_store(store) == verify_store(other) == []


def test_threads_take_turns(store: Store) -> None:
    allotted: list[int] = []
    trouble: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(5):
                allotted.append(store.register("momentum", build))
                assert store.closure(DATA.uid, direction="down").complete
        except BaseException as error:
            trouble.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trouble == []
    assert sorted(allotted) == list(range(1, 41))
    assert verify_store(store) == []


def test_a_snapshot_is_one_state(store: Store) -> None:
    store.register("momentum", build)
    with Store.open(store.root) as other, other.reading() as database, database.snapshot():
        assert len(reads.model_versions(database)) == 1
        store.register("momentum", build)
        with database.snapshot():
            assert len(reads.model_versions(database)) == 1
        assert list(database.stream("SELECT version FROM model_versions")) == [(1,)]
        assert len(reads.model_versions(database)) == 1
    assert len(store.models()) == 2


def test_two_streams_go_side_by_side(store: Store) -> None:
    store.append([node(Kind.DATASET, id=str(i)) for i in range(50)])
    streams = [store.database.stream("SELECT id FROM nodes ORDER BY id") for _ in range(2)]
    assert next(streams[0]) == next(streams[1]) == (1,)
    assert [row[0] for row in streams[0]] == list(range(2, 51))
    assert [row[0] for row in streams[1]] == list(range(2, 51))


def test_reading_never_imports_sqlalchemy(store: Store) -> None:
    store.register("momentum", build)
    set_alias(store, "momentum", "prod", 1)
    code = (
        "import sys; from pathlib import Path; from replay.identity import ModelId\n"
        "from replay.store.database import Store\n"
        "with Store.open(Path(sys.argv[1])) as store:\n"
        "    uid = store.model_version(ModelId.parse('momentum@prod')); assert len(store.closure(uid).nodes) == 4\n"
        "    store.models(); store.node(uid); store.neighbours(uid); store.facets(uid)\n"
        "    store.find_name('ab'); store.find_prefix('abab')\n"
        "heavy = {'sqlalchemy', 'alembic', 'docker', 'git', 'boto3', 'numpy', 'rfc8785'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    subprocess.run([sys.executable, "-c", code, store.root], check=True)


HOT: dict[str, Callable[[Store], object]] = {
    "node": lambda store: store.node(DATA.uid),
    "closure": lambda store: store.closure(uid(store, "momentum:1")),
    "closure down": lambda store: store.closure(DATA.uid, direction="down"),
    "cut closure": lambda store: store.closure(DATA.uid, direction="down", limit=2),
    "neighbours": lambda store: store.neighbours(DATA.uid, direction="down"),
    "neighbours up": lambda store: store.neighbours(build(1)[0][1].uid),
    "prefix": lambda store: store.find_prefix("abab"),
    "name": lambda store: store.find_name("momentum"),
    "facets": lambda store: store.histories([DATA.uid, group_node("momentum").uid]),
    "version": lambda store: uid(store, "momentum:2"),
    "newest version": lambda store: uid(store, "momentum"),
    "alias": lambda store: uid(store, "momentum@prod"),
}
_SCANS = re.compile(r"SCAN (?!walk|cut|json_each|CONSTANT)|Seq Scan on (?!walk|cut)")


@pytest.mark.parametrize("what", HOT)
def test_no_hot_read_reads_a_whole_table(store: Store, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Whatever the planner knows of the tables."""
    for _ in range(3):
        store.register("momentum", build)
    set_alias(store, "momentum", "prod", 1)
    asked: list[tuple[str, Any]] = []
    rows = store.database.rows

    def listening(sql: str, values: Any = ()) -> list[Any]:
        asked.append((sql, values))
        return rows(sql, values)

    monkeypatch.setattr(store.database, "rows", listening)
    HOT[what](store)
    monkeypatch.undo()
    selects = [(sql, values) for sql, values in asked if sql.lstrip().startswith(("SELECT", "WITH"))]
    assert selects
    for statement in ("SELECT 1", "ANALYZE"):
        with raw(store) as run:
            run(statement)
        for sql, values in selects:
            plan = rows(("EXPLAIN " if store.database.shared else "EXPLAIN QUERY PLAN ") + sql, values)
            assert not _SCANS.search("\n".join(str(step[-1]) for step in plan)), (sql, plan)


# -- great ones -------------------------------------------------------------------------------------------------------


def test_a_node_with_fifty_thousand_consumers(store: Store) -> None:
    count = 50_000
    runs = [node(Kind.RUN, run=run_id(number)) for number in range(count)]
    batches = [([DATA], [])] + [
        (part, [link(run, USED, DATA, "train") for run in part])
        for part in (runs[start : start + 10_000] for start in range(0, count, 10_000))
    ]
    assert store.load(batches) == count + 1
    down = store.closure(DATA.uid, direction="down")
    assert (len(down.nodes), len(down.edges), down.complete) == (count + 1, count, True)
    cut = store.closure(DATA.uid, direction="down", limit=100)
    assert (len(cut.nodes), cut.complete) == (100, False)
    assert list(store.closure(runs[-1].uid).nodes) == [runs[-1].uid, DATA.uid]
    assert len(store.neighbours(DATA.uid, direction="down")) == count
