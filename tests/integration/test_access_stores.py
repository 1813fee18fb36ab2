"""Two teams' stores: what one shares, what the other sees of it, and what it cannot tell from nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests_support import postgres, stores
from tests_support.stores import link, run_id

from replay.access import close, ground_of
from replay.access.asking import system_user
from replay.access.attached import attach
from replay.access.groups import Groups
from replay.ask import Ground, ask, focal
from replay.ask.seen import seen
from replay.errors import PolicyError, ReplayError, ResolveError, UsageError
from replay.lineage import Edge, EdgeType, Facet, Kind, Node
from replay.query import Answer, Direction, Query
from replay.store.database import Store
from replay.store.migrating import upgrade_postgres


def content(name: str, digit: str) -> Node:
    return Node(kind=Kind.DATASET, identity={"sha256": digit * 64}, name=name)


# Team A made features from raw data with a secret step; team B trained on the features, which it has by their bytes.
RAW, SECRET, FEATURES = content("raw.csv", "a"), content("secret.csv", "5"), content("features.csv", "f")
CLEAN = Node(kind=Kind.RUN, identity={"run": run_id(1)}, name="clean")
JOIN = Node(kind=Kind.RUN, identity={"run": run_id(2)}, name="join")
TRAIN = Node(kind=Kind.RUN, identity={"run": run_id(3)}, name="train")
MODEL = Node(kind=Kind.MODEL, identity={"sha256": "e" * 64}, name="model.bin")
VERSION = Node(kind=Kind.MODEL_VERSION, identity={"model": "churn", "version": "1"}, name="churn:1")
THEIRS = Node(kind=Kind.MODEL_VERSION, identity={"model": "score", "version": "1"}, name="score:1")


def fill_a(store: Store) -> None:
    edges = [
        link(CLEAN, EdgeType.USED, RAW, "input:raw.csv"),
        link(CLEAN, EdgeType.GENERATED, SECRET, "output:secret.csv"),
        link(JOIN, EdgeType.USED, SECRET, "input:secret.csv"),
        link(JOIN, EdgeType.GENERATED, FEATURES, "output:features.csv"),
    ]
    store.append([RAW, SECRET, FEATURES, CLEAN, JOIN], edges)
    store.register("score", lambda _: ([THEIRS], [link(THEIRS, EdgeType.DERIVED_FROM, FEATURES)], THEIRS.uid))


def fill_b(store: Store) -> None:
    edges = [
        link(TRAIN, EdgeType.USED, FEATURES, "input:features.csv"),
        link(TRAIN, EdgeType.GENERATED, MODEL, "output:model.bin"),
        link(VERSION, EdgeType.DERIVED_FROM, MODEL),
    ]
    store.register("churn", lambda _: ([FEATURES, TRAIN, MODEL, VERSION], edges, VERSION.uid))


@contextlib.contextmanager
def made(kind: str, root: Path, server: pytest.FixtureRequest) -> Iterator[tuple[Store, str]]:
    """An empty store and the place at which another one attaches it."""
    if kind == "sqlite":
        with Store.open(root / ".replay", create=True) as store:
            yield store, str(root / ".replay")
        return
    running: postgres.Server = server.getfixturevalue("postgres_server")
    with running.database(tables=False) as url:
        upgrade_postgres(url)  # the fixture's databases are copies of one, and so the same store
        with stores.pointing_to(url, root / ".replay") as store:
            yield store, url


class Pair:
    """Team A's store, and team B's, which asks."""

    def __init__(self, a: Store, b: Store, place: str) -> None:
        self.a, self.b, self.place = a, b, place
        self.groups = Groups(a, system_user())

    @contextlib.contextmanager
    def ground(self) -> Iterator[Ground]:
        ground = ground_of(self.b)
        try:
            yield ground
        finally:
            close(ground)

    def ask(self, *start: Node, direction: Direction = Direction.UP, **more: object) -> Answer:
        with self.ground() as ground:
            query = Query(start=tuple(node.uid for node in start), direction=direction, **more)  # type: ignore[arg-type]
            return ask(query, ground)

    def share(self, *nodes: Node, policy: str = 'permit (principal, action == Action::"read", resource);') -> None:
        self.groups.create("desk")
        self.groups.add("desk", [node.uid for node in nodes])
        self.groups.set_policy("desk", policy)


@pytest.fixture(params=["sqlite-sqlite", "sqlite-postgres", "postgres-sqlite", "postgres-postgres"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    """A's database and B's; A is attached to B as ``a``."""
    one, _, other = request.param.partition("-")
    with made(one, tmp_path / "a", request) as (a, place), made(other, tmp_path / "b", request) as (b, _):
        fill_a(a)
        fill_b(b)
        attach(b, "a", place, tmp_path)
        yield Pair(a, b, place)


def test_without_a_share_what_is_met_is_counted_and_nothing_of_it_told(pair: Pair) -> None:
    answer = pair.ask(VERSION)
    assert set(answer.found) == {MODEL.uid, TRAIN.uid, FEATURES.uid}
    assert (answer.hidden, answer.complete, answer.truncated_by) == (1, False, ("access",))
    assert all(entry.stores == () for entry in answer.nodes.values())
    assert len(answer.edges) == 3
    down = pair.ask(FEATURES, direction=Direction.DOWN)
    assert (set(down.found), down.hidden) == ({TRAIN.uid, MODEL.uid, VERSION.uid}, 1)  # A's score:1


def test_a_share_joins_both_stores_at_what_both_hold(pair: Pair) -> None:
    pair.share(RAW, CLEAN, SECRET, JOIN, FEATURES)
    answer = pair.ask(VERSION)
    assert answer.found == tuple(node.uid for node in (MODEL, TRAIN, FEATURES, JOIN, SECRET, CLEAN, RAW))
    assert (answer.complete, answer.hidden) == (True, 0)
    assert answer.nodes[FEATURES.uid].stores == ("", "a")
    assert answer.nodes[JOIN.uid].stores == ("a",)
    assert answer.nodes[MODEL.uid].stores == ()
    assert len(answer.edges) == 7
    with pair.ground() as ground:
        assert focal("a" * 64, ground, directory=Path()) == RAW.uid


def test_the_walk_ends_at_what_is_hidden_and_does_not_go_round_it(pair: Pair) -> None:
    pair.share(RAW, CLEAN, JOIN, FEATURES)  # not the secret between them
    answer = pair.ask(VERSION)
    assert set(answer.found) == {MODEL.uid, TRAIN.uid, FEATURES.uid, JOIN.uid}
    assert answer.hidden == 1
    assert SECRET.uid not in str(answer)
    assert RAW.uid not in str(answer)


def test_same_as_joins_two_names_and_is_told_once(pair: Pair) -> None:
    mine = Node(kind=Kind.DATASET, identity={"table": "features"}, name="features")
    pair.b.append([mine, RAW], [link(mine, EdgeType.SAME_AS, RAW), link(TRAIN, EdgeType.USED, mine, "table")])
    assert pair.ask(mine).found == (RAW.uid,)  # RAW is a copy here; of A's nothing is above it
    pair.share(RAW, CLEAN)
    answer = pair.ask(mine, direction=Direction.DOWN)
    assert {CLEAN.uid, TRAIN.uid, VERSION.uid} <= set(answer.found)
    assert [edge for edge in answer.edges if edge.type is EdgeType.SAME_AS] == [
        Edge(source=min(mine.uid, RAW.uid), type=EdgeType.SAME_AS, target=max(mine.uid, RAW.uid))
    ]
    assert answer.nodes[RAW.uid].stores == ("", "a")


def look(pair: Pair, text: str) -> str:
    """What is said when something is looked for that may not be seen."""
    with pair.ground() as ground, pytest.raises(ReplayError) as caught:
        focal(text, ground, directory=Path())
    return f"{type(caught.value).__name__}: {caught.value} ({caught.value.hint})".replace(text, "X")


@pytest.mark.parametrize(
    ("hidden", "unknown"),
    [
        (SECRET.uid, f"sha256:{'6' * 64}"),
        ("5" * 8, "6" * 8),
        (f"run:{run_id(1)}", f"run:{run_id(9)}"),
        ("score:1", "scora:1"),
        ("score", "scora"),
        ("score@prod", "scora@prod"),
        ("desk", "dusk"),
    ],
)
def test_what_is_hidden_is_looked_for_as_what_is_not_there(pair: Pair, hidden: str, unknown: str) -> None:
    pair.share(FEATURES)
    stores.set_alias(pair.a, "score", "prod", 1)
    pair.groups.set_policy("desk", 'permit (principal, action == Action::"read", resource == Entity::"'
                           f'{FEATURES.uid}");')  # fmt: skip
    before = pair.b.journal.path.read_bytes() if pair.b.journal.path.exists() else b""
    assert look(pair, hidden) == look(pair, unknown)
    after = pair.b.journal.path.read_bytes() if pair.b.journal.path.exists() else b""
    assert before == after  # a line in the journal would tell


def test_a_start_that_is_hidden_is_none(pair: Pair) -> None:
    pair.share(FEATURES)

    def told(node: Node) -> str:
        with pytest.raises(ResolveError) as caught:
            pair.ask(VERSION, node)
        return str(caught.value).replace(node.uid, "X")

    assert told(SECRET) == told(content("never", "9"))
    with pair.ground() as ground:
        assert set(seen([SECRET.uid, FEATURES.uid, content("never", "9").uid], ground)) == {FEATURES.uid}


def test_hidden_candidates_neither_show_nor_crowd_out_others(pair: Pair) -> None:
    many = [Node(kind=Kind.DATASET, identity={"sha256": f"cccc{i:060x}"}, name=f"c{i}") for i in range(60)]
    pair.a.append(many)
    shown = many[55]
    pair.share(shown)
    with pair.ground() as ground:
        assert focal("cccc", ground, directory=Path()) == shown.uid
    pair.groups.add("desk", [many[57].uid])
    with pair.ground() as ground, pytest.raises(UsageError, match="can mean 2 nodes") as caught:
        focal("cccc", ground, directory=Path())
    assert all((node.uid[:20] in str(caught.value)) == (node in (shown, many[57])) for node in (shown, many[57]))
    assert many[3].name + " " not in str(caught.value)


def test_the_newest_version_is_the_newest_that_may_be_seen(pair: Pair) -> None:
    second = Node(kind=Kind.MODEL_VERSION, identity={"model": "score", "version": "2"}, name="score:2")
    pair.a.register("score", lambda _: ([second], [], second.uid))
    pair.share(THEIRS)
    with pair.ground() as ground:
        assert focal("score", ground, directory=Path()) == THEIRS.uid
    pair.groups.add("desk", [second.uid])
    with pair.ground() as ground:
        assert focal("score", ground, directory=Path()) == second.uid


def test_words_of_another_team_are_not_told(pair: Pair) -> None:
    odd = Node(kind=Kind.COLLECTION, type="campaign", identity={"campaign": "x"}, name="x")
    pair.a.append([odd], [link(odd, EdgeType.PART_OF, RAW, "treasure:1")])
    pair.share(FEATURES)
    for filters in ({"types": ("nosuch",)}, {"roles": ("nosuch",)}):
        with pytest.raises(UsageError) as caught:
            pair.ask(VERSION, **filters)
        assert "campaign" not in str(caught.value.hint)
        assert "treasure" not in str(caught.value.hint)


def test_how_a_team_shares_is_not_told(pair: Pair) -> None:
    pair.share(FEATURES, JOIN)
    pair.a.append([], facets=[Facet(node=JOIN.uid, key="tag:desk", value="rates")])
    answer = pair.ask(VERSION)
    assert answer.nodes[JOIN.uid].facets == {"tag:desk": "rates"}
    group = Node(kind=Kind.COLLECTION, identity={"lineage_group": "desk", "store": pair.a.id})
    with pytest.raises(ResolveError, match="no node"):
        pair.ask(group)
    pair.groups.add("desk", [group.uid])
    answer = pair.ask(group)
    assert set(answer.nodes[group.uid].facets) == {"lineage_group"}


def test_a_depth_limit_tells_nothing_of_what_is_hidden_behind_it(pair: Pair) -> None:
    answer = pair.ask(VERSION, max_depth=3)
    assert (answer.frontier, answer.truncated_by, answer.hidden) == ((), (), 0)
    pair.share(JOIN)
    answer = pair.ask(VERSION, max_depth=3)
    assert (answer.frontier, answer.truncated_by) == ((FEATURES.uid,), ("depth",))


def test_a_forbid_of_the_other_team_goes_before_its_share(pair: Pair) -> None:
    pair.share(FEATURES, JOIN)
    pair.groups.create("embargo")
    pair.groups.add("embargo", [JOIN.uid])
    pair.groups.set_policy("embargo", "forbid (principal, action, resource);")
    assert (JOIN.uid in pair.ask(VERSION).found, pair.ask(VERSION).hidden) == (False, 1)


def test_one_s_own_policy_hides_a_node_that_the_other_team_shows(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it is told as the other team has it: what it is called here is not."""
    pair.b.append([], facets=[Facet(node=FEATURES.uid, key="tag:ours", value="yes")])
    mine = Groups(pair.b, system_user())
    mine.create("closed")
    mine.add("closed", [FEATURES.uid])
    mine.set_policy("closed", 'forbid (principal, action == Action::"read", resource);')
    hidden = pair.ask(VERSION)
    assert (FEATURES.uid in hidden.found, hidden.hidden) == (False, 1)
    with pair.ground() as ground, pytest.raises(PolicyError, match="policy 1 of group 'closed'"):
        focal(FEATURES.uid, ground, directory=Path())
    pair.share(FEATURES, JOIN)
    shown = pair.ask(VERSION)
    assert shown.nodes[FEATURES.uid].stores == ("a",)
    assert shown.nodes[FEATURES.uid].facets == {}
    assert {(edge.source, edge.target) for edge in shown.edges if FEATURES.uid in (edge.source, edge.target)} == {
        (JOIN.uid, FEATURES.uid)
    }
    assert shown.hidden == 1  # A's secret.csv
