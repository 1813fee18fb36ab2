"""What a question can say, and what its answer owes, on both databases."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
from tests_support.lineages import Endpoint, chain, data, diamonds, link, made, names, sha, thing, used

from replay.ask import Ground, Guard, Place, ask, focal
from replay.errors import NotRecordedError, ResolveError, UsageError
from replay.lineage import Edge, EdgeType, Evidence, Facet, Kind, Node
from replay.query import Answer, Entry, Query
from replay.store.database import Store
from replay.store.writes import now


@pytest.fixture
def recorded(store: Store) -> Store:
    Endpoint.record(store)
    return store


def told(store: Store, start: Node | tuple[Node, ...], **question: Any) -> Answer:
    starts = start if isinstance(start, tuple) else (start,)
    return ask(Query(start=tuple(node.uid for node in starts), **question), Ground.of(store))


def test_an_answer_has_nodes_edges_and_distances(recorded: Store) -> None:
    answer = told(recorded, Endpoint.model)
    assert [answer.nodes[uid].depth for uid in answer.found] == sorted(answer.nodes[uid].depth for uid in answer.found)
    assert answer.nodes[Endpoint.model.uid].depth == 0
    assert answer.nodes[Endpoint.training.uid].depth == 1
    assert answer.nodes[Endpoint.raw.uid].depth == 4
    assert Endpoint.model.uid not in answer.found
    assert set(answer.nodes) == {*answer.found, Endpoint.model.uid}
    roles = {(e.role, e.target) for e in answer.edges if e.source == Endpoint.training.uid and e.role}
    assert roles == {("train", Endpoint.train.uid), ("validation", Endpoint.val.uid)}
    assert len(answer.edges) == len({(e.source, e.type, e.role, e.target) for e in answer.edges}) == 10


def test_the_same_question_in_json(recorded: Store) -> None:
    text = f'{{"start": ["{Endpoint.endpoint.uid}"], "kinds": ["dataset"], "include_edges": false}}'
    answer = ask(msgspec.json.decode(text, type=Query), Ground.of(recorded))
    again = msgspec.json.decode(msgspec.json.encode(answer), type=Answer)
    assert again == answer
    assert again.query.kinds == (Kind.DATASET,)
    with pytest.raises(msgspec.ValidationError, match="Invalid enum value 'datasets'"):
        msgspec.json.decode('{"start": ["x"], "kinds": ["datasets"]}', type=Query)
    with pytest.raises(msgspec.ValidationError, match="unknown field `kind`"):
        msgspec.json.decode('{"start": ["x"], "kind": "dataset"}', type=Query)


def test_edges_bring_what_lies_on_the_way(recorded: Store) -> None:
    answer = told(recorded, Endpoint.endpoint, kinds=(Kind.CODE,))
    assert answer.found == (Endpoint.code.uid,)
    on_the_way = {"ep1", "deploying", "approval", "g:1", "model.tar.gz", "tj", "code"}
    assert names(answer.nodes, recorded) == on_the_way
    bare = told(recorded, Endpoint.endpoint, kinds=(Kind.CODE,), include_edges=False)
    assert (names(bare.nodes, recorded), bare.edges) == ({"ep1", "code"}, ())


def test_several_starts(recorded: Store) -> None:
    answer = told(recorded, (Endpoint.raw, Endpoint.val), direction="down", kinds=(Kind.RUN,))
    assert names(answer.found, recorded) == {"pj", "tj"}
    with pytest.raises(UsageError, match="without a start"):
        told(recorded, ())


def test_roles_choose_by_the_edge_that_led_there(recorded: Store) -> None:
    assert names(told(recorded, Endpoint.model, roles=("validation",)).found, recorded) == {"val.csv"}
    assert names(told(recorded, Endpoint.val, direction="down", roles=("validation",)).found, recorded) == {"tj"}
    both = told(recorded, Endpoint.training, roles=("train", "validation"))
    assert names(both.found, recorded) == {"train.csv v1", "val.csv"}


def test_a_dataset_in_two_roles_is_one_node_and_two_edges(store: Store) -> None:
    run, prices = thing(Kind.RUN, "run"), data("prices")
    store.append([run, prices], used(run, train=prices, validation=prices))
    answer = told(store, run)
    assert answer.found == (prices.uid,)
    assert sorted(edge.role for edge in answer.edges) == ["train", "validation"]
    for role in ("train", "validation"):
        assert told(store, run, roles=(role,)).found == (prices.uid,)


def test_a_role_is_also_known_by_its_head(store: Store) -> None:
    run, prices = thing(Kind.RUN, "run"), data("prices")
    edge = Edge(source=run.uid, type=EdgeType.USED, target=prices.uid, role="input:data/prices.csv")
    store.append([run, prices], [edge])
    for role in ("input", "input:data/prices.csv"):
        assert told(store, run, roles=(role,)).found == (prices.uid,)
    with pytest.raises(UsageError, match="unknown role 'output'") as caught:
        told(store, run, roles=("output",))
    assert caught.value.hint == "valid here: input"


def test_properties_by_and_and_by_or(store: Store) -> None:
    top = thing(Kind.MODEL_VERSION, "m:1")
    runs = [thing(Kind.RUN, f"r{n}", seed=n, parameters={"params.yaml:rate": f"0.{n}", "depth": "4"}) for n in range(4)]
    store.append([top, *runs], [link(top, EdgeType.DERIVED_FROM, run) for run in runs])
    store.append([], [], [Facet(node=runs[2].uid, key="tag:desk", value="rates")])

    def chosen(**filters: Any) -> set[str]:
        return names(told(store, top, **filters).found, store)

    assert chosen(where={"seed": "2"}) == {"r2"}
    assert chosen(where={"parameters.params.yaml:rate": "0.3"}) == {"r3"}
    assert chosen(where={"parameters.depth": "4", "seed": "1"}) == {"r1"}
    assert chosen(where={"seed": "2", "parameters.params.yaml:rate": "0.3"}) == set()
    assert chosen(where_any={"seed": "2", "parameters.params.yaml:rate": "0.3"}) == {"r2", "r3"}
    assert chosen(where={"desk": "rates"}) == chosen(where={"tag:desk": "rates"}) == {"r2"}
    assert chosen(where={"parameters.depth": "4"}, where_any={"seed": "0", "desk": "rates"}) == {"r0", "r2"}


def test_windows_of_time(store: Store) -> None:
    old, top = data("old"), data("top")
    store.append([old])
    between = now()
    store.append([top], [link(top, EdgeType.DERIVED_FROM, old)])
    assert told(store, top, created_before=between).found == (old.uid,)
    assert told(store, top, created_after=between).found == ()
    assert told(store, top, modified_after=between).found == ()
    store.append([], [], [Facet(node=old.uid, key="owner", value="risk")])
    assert told(store, top, modified_after=between).found == (old.uid,)
    assert told(store, top, modified_before=between).found == ()
    assert told(store, top, created_before="2001-01-01").found == ()
    with pytest.raises(UsageError, match="got the time 'soon'"):
        told(store, top, created_after="soon")


def test_as_of_shows_the_graph_as_it_was(store: Store) -> None:
    model, run, late = data("model", Kind.MODEL), thing(Kind.RUN, "run"), data("late")
    store.append([model, run], made(run, model), [Facet(node=model.uid, key="status", value="pending")])
    then = now()
    store.append([late], used(run, late), [Facet(node=model.uid, key="status", value="approved")])
    assert told(store, model).found == (run.uid, late.uid)
    past = told(store, model, as_of=then)
    assert past.found == (run.uid,)
    assert past.nodes[model.uid].facets == {"status": "pending"}
    assert told(store, model).nodes[model.uid].facets == {"status": "approved"}
    with pytest.raises(ResolveError, match="is recorded at 2001"):
        told(store, model, as_of="2001-01-01T00:00:00Z")


def test_follow_and_stop_bound_the_walk(recorded: Store) -> None:
    only = told(recorded, Endpoint.model, follow=(EdgeType.GENERATED, EdgeType.USED))
    assert names(only.found, recorded) == {"tj", "train.csv v1", "val.csv", "image", "code", "pj", "raw"}
    stopped = told(recorded, Endpoint.endpoint, stop_at=(Kind.MODEL,))
    assert "model.tar.gz" in names(stopped.found, recorded)
    assert not names(stopped.found, recorded) & {"tj", "raw", "image"}
    assert stopped.complete, "the walk went as far as it was asked to"


def test_the_shortest_way_and_all_ways(recorded: Store) -> None:
    question = {"kinds": (Kind.MODEL_VERSION,), "include_edges": False}
    (way,) = told(recorded, Endpoint.endpoint, paths="shortest", **question).paths
    assert [recorded.node(uid).name for uid in way] == ["ep1", "deploying", "g:1"]
    ways = told(recorded, Endpoint.endpoint, paths="all", **question).paths
    assert sorted([recorded.node(uid).name for uid in way] for way in ways) == [
        ["ep1", "deploying", "approval", "g:1"],
        ["ep1", "deploying", "g:1"],
    ]


def test_ways_without_number_are_cut_and_said_so(store: Store) -> None:
    nodes, edges = diamonds(12, 4)
    store.append(nodes, edges)
    whole = told(store, nodes[0])
    assert (len(whole.nodes), len(whole.edges), whole.complete) == (49, 4 + 11 * 16, True)
    cut = told(store, nodes[0], paths="all")
    assert len(cut.paths) == 1000
    assert (cut.complete, cut.truncated_by) == (False, ("paths",))
    short = told(store, nodes[0], paths="shortest")
    assert [len(way) - 1 for way in short.paths] == [short.nodes[uid].depth for uid in short.found]


def test_a_cycle_ends_the_walk_with_a_finding(store: Store) -> None:
    one, two, three, tail = data("1"), data("2"), data("3"), data("tail")
    edges = [
        link(one, EdgeType.DERIVED_FROM, two),
        link(two, EdgeType.DERIVED_FROM, three),
        link(three, EdgeType.DERIVED_FROM, one),
        link(three, EdgeType.DERIVED_FROM, tail),
    ]
    store.append([one, two, three, tail], edges)
    answer = told(store, one)
    assert names(answer.found, store) == {"2", "3", "tail"}
    (finding,) = answer.findings
    assert finding.startswith("cycle: ")
    assert set(finding.removeprefix("cycle: ").split(" → ")) == {one.uid, two.uid, three.uid}
    assert answer.complete


def test_a_cycle_that_was_closed_later_and_one_to_itself(store: Store) -> None:
    one, two, alone = data("1"), data("2"), data("alone")
    store.append([one, two, alone], [link(one, EdgeType.DERIVED_FROM, two)])
    assert told(store, one).findings == ()
    store.append([], [link(two, EdgeType.DERIVED_FROM, one), link(alone, EdgeType.DERIVED_FROM, alone)])
    assert len(told(store, one).findings) == 1
    assert told(store, alone).findings == (f"cycle: {alone.uid} → {alone.uid}",)
    assert len(told(store, alone, direction="connected").edges) == 1


def test_an_edge_that_came_late_is_no_cycle(store: Store) -> None:
    old, young = data("old"), data("young")
    store.append([old])
    store.append([young])
    store.append([], [link(old, EdgeType.DERIVED_FROM, young)])
    assert told(store, old).findings == ()


def test_sameness_is_walked_both_ways_and_is_no_cycle(store: Store) -> None:
    ours, theirs, raw = data("ours"), data("theirs"), data("raw")
    store.append([ours, theirs, raw], [link(theirs, EdgeType.SAME_AS, ours), link(theirs, EdgeType.DERIVED_FROM, raw)])
    for direction in ("up", "connected"):
        answer = told(store, ours, direction=direction)
        assert names(answer.found, store) == {"theirs", "raw"}
        assert answer.findings == ()
        assert [edge.type for edge in answer.edges].count(EdgeType.SAME_AS) == 1


def test_a_locator_that_was_used_as_such_is_unresolved(recorded: Store) -> None:
    assert told(recorded, Endpoint.model).unresolved == (), "a version of it is known"
    run = thing(Kind.RUN, "imported")
    recorded.append([run], used(run, Endpoint.place))
    answer = told(recorded, run)
    assert answer.unresolved == (Endpoint.place.uid,)


def test_evidence_is_told(store: Store) -> None:
    run = thing(Kind.RUN, "run")
    guess = Node(
        kind=Kind.DATASET,
        identity={"sha256": sha("x")},
        evidence=Evidence.INFERRED,
        basis="newest at the start",
    )
    edge = Edge(
        source=run.uid, type=EdgeType.USED, target=guess.uid, evidence=Evidence.ASSERTED, basis="the model's owner"
    )
    store.append([run, guess], [edge])
    answer = told(store, run)
    entry = answer.nodes[guess.uid]
    assert (entry.evidence, entry.basis) == (Evidence.INFERRED, "newest at the start")
    assert answer.edges == (edge,)


def test_frontiers_of_depth_are_only_where_something_follows(recorded: Store) -> None:
    answer = told(recorded, Endpoint.model, max_depth=2)
    assert answer.truncated_by == ("depth",)
    assert names(answer.frontier, recorded) == {"train.csv v1"}, "image, code and val.csv have nothing above them"
    assert told(recorded, Endpoint.model, max_depth=0).found == ()
    with pytest.raises(UsageError, match="max_depth: got -1"):
        told(recorded, Endpoint.model, max_depth=-1)
    with pytest.raises(UsageError, match="limit: got 0"):
        told(recorded, Endpoint.model, limit=0)


def test_cursors_belong_to_their_question(recorded: Store) -> None:
    page = told(recorded, Endpoint.endpoint, limit=3)
    assert page.next
    rest = told(recorded, Endpoint.endpoint, limit=100, cursor=page.next)
    assert rest.next is None
    assert page.found + rest.found == told(recorded, Endpoint.endpoint).found
    with pytest.raises(UsageError, match="belongs to another question"):
        told(recorded, Endpoint.endpoint, kinds=(Kind.RUN,), cursor=page.next)
    for bad in ("", "x", "AAAA", "é"):
        with pytest.raises(UsageError, match="cursor"):
            told(recorded, Endpoint.endpoint, cursor=bad)


def test_unknown_types_are_named_with_the_valid_ones(recorded: Store) -> None:
    with pytest.raises(UsageError, match="unknown type 'trainning'") as caught:
        told(recorded, Endpoint.endpoint, types=("trainning",))
    assert "training" in (caught.value.hint or "")
    assert told(recorded, Endpoint.raw, types=("training",)).found == (), "it exists, only not above raw data"


def test_what_is_not_recorded_is_an_error(recorded: Store) -> None:
    with pytest.raises(NotRecordedError, match=r"no node .* is recorded"):
        told(recorded, data("never"))
    with pytest.raises(UsageError, match="got the uid 'train'"):
        ask(Query(start=("train",)), Ground.of(recorded))


class Hiding(Guard):
    """Hides everything of these names."""

    def __init__(self, *hidden: str) -> None:
        self.hidden = hidden

    def readable(self, place: Place, entries: Any) -> set[str]:
        return {entry.uid for entry in entries if entry.name not in self.hidden}


def test_what_the_asker_may_not_see_is_counted_and_not_shown(recorded: Store) -> None:
    ground = Ground([Place(recorded)], Hiding("tj", "raw"))
    answer = ask(Query(start=(Endpoint.endpoint.uid,)), ground)
    assert (answer.hidden, answer.complete, answer.truncated_by) == (2, False, ("access",))
    shown = msgspec.json.encode(answer).decode()
    assert Endpoint.training.uid not in shown
    assert Endpoint.raw.uid not in shown
    assert "val.csv" in names(answer.found, recorded)
    with pytest.raises(ResolveError) as hidden:
        ask(Query(start=(Endpoint.training.uid,)), ground)
    with pytest.raises(ResolveError) as unknown:
        ask(Query(start=(data("never").uid,)), ground)
    assert str(hidden.value).replace(Endpoint.training.uid, "X") == str(unknown.value).replace(data("never").uid, "X")


def test_fifty_thousand_consumers(store: Store) -> None:
    hot = data("hot")
    runs = [Node(kind=Kind.RUN, identity={"test": f"run {n}"}, name=f"run {n}") for n in range(50_000)]
    store.load([([hot], []), (runs, [Edge(source=r.uid, type=EdgeType.USED, target=hot.uid) for r in runs])])
    answer = told(store, hot, direction="down", include_edges=False)
    assert len(answer.found) == 50_000
    assert answer.complete
    assert len(store.reach(hot.uid, direction="down")) == 50_001
    assert set(store.reach(hot.uid, direction="down")) == {hot.uid, *answer.found}, "by the snapshot, the second time"
    late = thing(Kind.RUN, "late")
    store.append([late], used(late, hot))
    assert late.uid in set(store.reach(hot.uid, direction="down"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("sha256:" + sha("raw"), "raw"),
        (sha("raw")[:12], "raw"),
        (sha("commit")[:40], "code"),
        (f"commit:{sha('commit')[:8]}", "code"),
        ("sha256:" + sha("image"), "image"),
        ("s3://bucket/train.csv", "s3://bucket/train.csv"),
        ("ep1", "ep1"),
        ("pe", "pe"),
    ],
)
def test_what_a_person_writes_is_found(recorded: Store, tmp_path: Any, text: str, name: str) -> None:
    assert recorded.node(focal(text, Ground.of(recorded), directory=tmp_path)).name == name


def test_a_file_is_found_by_its_bytes(store: Store, tmp_path: Any) -> None:
    (tmp_path / "prices.csv").write_text("prices")
    store.append([data("prices")])
    assert focal("prices.csv", Ground.of(store), directory=tmp_path) == data("prices").uid


def test_what_can_mean_several_is_told_with_candidates(store: Store, tmp_path: Any) -> None:
    same = [Node(kind=Kind.DATASET, identity={"sha256": "abcd" + sha(str(n))[4:]}, name=f"n{n}") for n in range(3)]
    store.append(same)
    with pytest.raises(UsageError, match="'abcd' can mean 3 nodes") as caught:
        focal("abcd", Ground.of(store), directory=tmp_path)
    assert all(node.name in str(caught.value) for node in same)
    with pytest.raises(NotRecordedError, match="nothing is recorded as 'abce'"):
        focal("abce", Ground.of(store), directory=tmp_path)
    with pytest.raises(NotRecordedError, match="nothing is recorded as 'abc'"):
        focal("abc", Ground.of(store), directory=tmp_path)


def test_two_stores_are_walked_as_one(tmp_path: Any, store: Store) -> None:
    raw, clean, run, model = data("raw"), data("clean"), thing(Kind.RUN, "theirs"), data("model", Kind.MODEL)
    with Store.open(tmp_path / "other", create=True) as other:
        other.append([raw, clean, run], [*used(run, raw), *made(run, clean)])
        train = thing(Kind.RUN, "ours")
        store.append([clean, train, model], [*used(train, clean), *made(train, model)])
        ground = Ground([Place(store), Place(other, "data-team")])
        answer = ask(Query(start=(model.uid,)), ground)
        assert [answer.nodes[uid].name for uid in answer.found] == ["ours", "clean", "theirs", "raw"]
        assert answer.nodes[clean.uid].stores == ("", "data-team")
        assert answer.nodes[raw.uid].stores == ("data-team",)
        assert answer.nodes[train.uid].stores == ()
        down = ask(Query(start=(raw.uid,), direction="down"), ground)
        assert [down.nodes[uid].name for uid in down.found] == ["theirs", "clean", "ours", "model"]
        assert ask(Query(start=(model.uid,)), Ground.of(store)).found == (train.uid, clean.uid)


def test_entries_say_when(store: Store) -> None:
    before = now()
    store.append([data("x")])
    time.sleep(0.001)
    store.append([], [], [Facet(node=data("x").uid, key="owner", value="risk")])
    entry = told(store, data("x")).nodes[data("x").uid]
    assert isinstance(entry, Entry)
    assert before <= entry.created < entry.modified <= now()
    assert chain(1)[0][0].uid not in told(store, data("x")).nodes
