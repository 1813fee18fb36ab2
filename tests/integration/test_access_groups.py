"""Lineage groups and their policies, on both databases: made, filled, shared, forbidden, undone."""

from __future__ import annotations

import threading

import pytest
from tests_support.stores import DATA, build, node, uid

from replay.access import ground_of, is_open, require
from replay.access import policies as cedar
from replay.access.asking import system_user
from replay.access.groups import Groups
from replay.access.judging import Judge, subjects_of
from replay.acting import Asker
from replay.ask import ask, focal
from replay.errors import PolicyError, ResolveError, UsageError
from replay.lineage import Facet, Kind, Node
from replay.query import Direction, Query
from replay.store import owners, shares
from replay.store.database import Store

ANN, BOB = Asker(user="ann", groups=("risk",)), Asker(user="bob")
READ = 'action == Action::"read"'
ONLY_RISK = 'forbid (principal, action, resource) unless { principal in Group::"risk" };'


@pytest.fixture
def recorded(store: Store) -> Store:
    """Two versions of a model, both from the same data."""
    for _ in range(2):
        store.register("momentum", build)
    return store


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database belongs to somebody else."""
    monkeypatch.setattr("replay.access.groups.is_owner", lambda database: False)


def up(store: Store, uid_: str) -> set[str]:
    return set(ask(Query(start=(uid_,)), ground_of(store)).found)


def connected(store: Store, start: str) -> set[str]:
    return set(ask(Query(start=(start,), direction=Direction.CONNECTED), ground_of(store)).found)


def test_a_group_is_a_node_of_its_own_store(recorded: Store) -> None:
    made = Groups(recorded, ANN).create("desk", reason="what rates may see")
    found = recorded.node(made.uid)
    assert (found.kind, found.type, found.name) == (Kind.COLLECTION, "lineage_group", "desk")
    assert found.identity == {"lineage_group": "desk", "store": recorded.id}
    assert (made.by, made.members, made.policy, made.versions) == ("ann", 0, "", 0)
    action = next(n for _, n in recorded.neighbours(made.uid, direction="down") if n.kind is Kind.ACTION)
    assert (action.type, action.attrs) == ("share", {"change": "create", "reason": "what rates may see"})
    assert recorded.journal.records()[-1].action == "group create"


def test_membership_connects_nothing(recorded: Store) -> None:
    """Or what is connected to one member would be connected to all."""
    alone = node(Kind.DATASET, sha256="1" * 64)
    recorded.append([alone], [])
    first = uid(recorded, "momentum:1")
    before = {start: (up(recorded, start), connected(recorded, start)) for start in (first, alone.uid)}
    groups = Groups(recorded, ANN)
    groups.create("desk")
    groups.add("desk", [first, alone.uid], upstream=True)
    groups.share("desk", [("user", "bob")], ["read"])
    assert {start: (up(recorded, start), connected(recorded, start)) for start in (first, alone.uid)} == before


def test_adding_with_everything_upstream_as_it_is_now(recorded: Store) -> None:
    groups = Groups(recorded, ANN)
    groups.create("desk")
    first = uid(recorded, "momentum:1")
    added = groups.add("desk", [first], upstream=True)
    assert set(added) == {first} | up(recorded, first)
    assert groups.members("desk") == added
    assert groups.add("desk", [first], upstream=True) == []
    groups.remove("desk", [DATA.uid])
    assert DATA.uid not in groups.members("desk")
    groups.add("desk", [DATA.uid])
    assert groups.members("desk")[-1] == DATA.uid
    assert groups.get("desk").members == len(added)


def test_a_policy_is_replaced_and_its_old_texts_are_kept(recorded: Store) -> None:
    groups = Groups(recorded, ANN)
    groups.create("desk")
    groups.share("desk", [("user", "bob"), ("group", "quants")], ["use", "read"])
    groups.share("desk", [("user", "bob")], ["read", "use"])  # the same: nothing new
    groups.set_policy("desk", ONLY_RISK, "an embargo")
    groups.set_policy("desk", None)
    history = groups.history("desk")
    assert [version.number for version in history] == [1, 2, 3]
    assert history[0].text is not None
    assert history[0].text.count("permit (") == 2
    assert [version.text for version in history[1:]] == [ONLY_RISK, None]
    assert (groups.get("desk").policy, groups.get("desk").versions) == ("", 3)
    assert [record.action for record in recorded.journal.records()] == [
        "group create", "group share", "group policy", "group policy"
    ]  # fmt: skip


def test_two_who_share_at_once_both_share(recorded: Store) -> None:
    Groups(recorded, ANN).create("desk")
    names = [f"user {number}" for number in range(8)]
    errors: list[BaseException] = []

    def share(name: str) -> None:
        try:
            with Store.open(recorded.root) as own:
                Groups(own, ANN).share("desk", [("user", name)], ["read"])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=share, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    policy = Groups(recorded, ANN).get("desk").policy
    assert all(f'User::"{name}"' in policy for name in names)


def test_a_refusal_names_the_policy_and_is_journalled(recorded: Store) -> None:
    groups = Groups(recorded, ANN)
    groups.create("desk")
    groups.add("desk", [DATA.uid])
    groups.set_policy("desk", f'@id("embargo 7") {ONLY_RISK}')
    require("use", [DATA.uid], ANN, recorded)
    with pytest.raises(PolicyError) as caught:
        require("use", [DATA.uid, uid(recorded, "momentum:1")], BOB, recorded)
    assert str(caught.value) == (
        f"bob may not use dataset prices ({DATA.uid[:19]}…): policy 'embargo 7' of group 'desk'"
    )
    last = recorded.journal.records()[-1]
    assert (last.action, last.fields["refused"], last.fields["by"]) == ("refused", "use", "bob")
    assert last.fields["nodes"] == [DATA.uid]
    assert "embargo 7" in last.fields["because"]
    require("use", ["sha256:" + "9" * 64], BOB, recorded)  # in no group, because it is not recorded
    with pytest.raises(UsageError, match="got the action 'fly', expected one of read, use"):
        require("fly", [DATA.uid], BOB, recorded)


def test_a_refusal_stays_one_where_the_journal_cannot_be_written(
    recorded: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    Groups(recorded, ANN).create("desk")
    Groups(recorded, ANN).add("desk", [DATA.uid])
    Groups(recorded, ANN).set_policy("desk", ONLY_RISK)
    recorded.journal.path.with_suffix(".lock").unlink()
    recorded.journal.path.with_suffix(".lock").mkdir()
    with pytest.raises(PolicyError, match=r"policy 1 of group 'desk' \(which could not be journalled"):
        require("use", [DATA.uid], BOB, recorded)


def test_what_may_not_be_read_is_left_out_of_walks_and_refused_openly(recorded: Store) -> None:
    groups = Groups(recorded, ANN)
    groups.create("closed")
    groups.add("closed", [DATA.uid])
    me = system_user().user
    groups.set_policy("closed", f'forbid (principal == User::"{me}", {READ}, resource);')
    first = uid(recorded, "momentum:1")
    answer = ask(Query(start=(first,)), ground_of(recorded))
    assert (answer.hidden, answer.complete, answer.truncated_by) == (1, False, ("access",))
    assert DATA.uid not in answer.found
    for text in (DATA.uid, DATA.uid[7:20]):
        with pytest.raises(PolicyError, match=f"{me} may not read dataset prices"):
            focal(text, ground_of(recorded), directory=recorded.root)
    with pytest.raises(PolicyError):
        ask(Query(start=(DATA.uid,)), ground_of(recorded))
    with pytest.raises(ResolveError, match="no node"):
        ask(Query(start=("sha256:" + "9" * 64,)), ground_of(recorded))
    assert [record.action for record in recorded.journal.records()].count("refused") == 3


def test_the_walk_goes_on_behind_what_may_not_be_read_in_one_s_own_store(recorded: Store) -> None:
    """A bad dataset's blast radius must not end at a node that somebody closed."""
    groups = Groups(recorded, ANN)
    groups.create("closed")
    run = next(n for _, n in recorded.neighbours(DATA.uid, direction="down") if n.kind is Kind.RUN)
    groups.add("closed", [run.uid])
    groups.set_policy("closed", f"forbid (principal, {READ}, resource);")
    answer = ask(Query(start=(DATA.uid,), direction=Direction.DOWN), ground_of(recorded))
    assert uid(recorded, "momentum:1") in answer.found
    assert (run.uid in answer.found, answer.hidden) == (False, 1)
    assert all(run.uid not in (edge.source, edge.target) for edge in answer.edges)


def test_a_group_is_among_what_its_policy_speaks_of(recorded: Store, stranger: None) -> None:
    groups = Groups(recorded, ANN)
    groups.create("desk")
    groups.set_policy("desk", ONLY_RISK)
    with pytest.raises(PolicyError, match="bob may not share collection desk"):
        Groups(recorded, BOB).set_policy("desk", None)
    with pytest.raises(PolicyError, match="bob may not share"):
        Groups(recorded, BOB).add("desk", [DATA.uid])
    with pytest.raises(PolicyError, match="bob may not read collection desk"):
        Groups(recorded, BOB).require_readable("desk")
    assert Groups(recorded, BOB).all() == []
    assert [group.name for group in Groups(recorded, ANN).all()] == ["desk"]


def test_an_entity_that_may_not_be_shared_does_not_come_to_another_group(recorded: Store, stranger: None) -> None:
    groups = Groups(recorded, BOB)
    groups.create("closed")
    groups.add("closed", [DATA.uid])
    groups.create("open")
    text = 'forbid (principal, action == Action::"share", resource) when { resource.kind == "dataset" };'
    groups.set_policy("closed", text)
    with pytest.raises(PolicyError, match="may not share dataset prices"):
        groups.add("open", [DATA.uid])
    with pytest.raises(PolicyError, match="may not share dataset prices"):
        groups.remove("closed", [DATA.uid])


def test_who_locked_everybody_out_is_undone_by_the_owner_of_the_database(
    recorded: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = Groups(recorded, BOB)
    groups.create("desk")
    groups.set_policy("desk", "forbid (principal, action, resource);")
    with monkeypatch.context() as patched:
        patched.setattr("replay.access.groups.is_owner", lambda database: False)
        with pytest.raises(PolicyError):
            groups.set_policy("desk", None)
    assert groups.set_policy("desk", None, "locked out").policy == ""
    require("read", [groups.get("desk").uid], BOB, recorded)
    assert groups.history("desk")[-1].by == "bob"


def test_the_owner_is_who_has_the_database(recorded: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with recorded.reading() as database:
        assert owners.is_owner(database)
        if not database.shared:
            monkeypatch.setattr("os.geteuid", lambda: 12345)
            assert not owners.is_owner(database)


def test_a_group_s_policy_never_reaches_what_is_not_in_it(recorded: Store) -> None:
    """Whatever it names, even a text that `check` never saw."""
    groups = Groups(recorded, ANN)
    groups.create("mine")
    groups.create("theirs")
    groups.add("theirs", [DATA.uid])
    text = f'forbid (principal, action, resource == Entity::"{DATA.uid}");'
    for refused in (text, 'forbid (principal, action, resource in LineageGroup::"theirs");'):
        with pytest.raises(UsageError, match="it names"):
            groups.set_policy("mine", refused)
    mine = groups.get("mine").uid
    recorded.append([], facets=[Facet(node=mine, key=shares.POLICY, value="forbid (principal, action, resource);")])
    require("delete", [DATA.uid], BOB, recorded)
    with pytest.raises(PolicyError):
        require("delete", [mine], BOB, recorded)


def test_a_policy_on_something_else_than_a_group_of_this_store_is_none(recorded: Store) -> None:
    """Such as a group of another store that came here by a copy of its nodes."""
    other = Node(kind=Kind.COLLECTION, type="lineage_group", identity={"lineage_group": "desk", "store": "X"}, name="d")
    text = "forbid (principal, action, resource);"
    recorded.append([other], facets=[
        Facet(node=other.uid, key=shares.GROUP, value="desk"), Facet(node=other.uid, key=shares.POLICY, value=text),
        Facet(node=DATA.uid, key=shares.member_key(other.uid), value="desk"),
        Facet(node=DATA.uid, key=shares.POLICY, value=text),
    ])  # fmt: skip
    require("delete", [DATA.uid, other.uid], BOB, recorded)
    own = Groups(recorded, ANN).create("own").uid
    recorded.append([], facets=[Facet(node=own, key=shares.POLICY, value=text)])
    with pytest.raises(PolicyError):
        require("delete", [own], BOB, recorded)


def test_a_policy_that_is_no_cedar_closes_its_group_and_nothing_else(recorded: Store) -> None:
    groups = Groups(recorded, ANN)
    group = groups.create("desk")
    groups.add("desk", [DATA.uid])
    recorded.append([], facets=[Facet(node=group.uid, key=shares.POLICY, value="permit (")])
    with pytest.raises(PolicyError, match="the policy of group 'desk' is no Cedar"):
        require("read", [DATA.uid], ANN, recorded)
    require("read", [uid(recorded, "momentum:1")], ANN, recorded)
    groups.set_policy("desk", ONLY_RISK)
    require("read", [DATA.uid], ANN, recorded)


@pytest.mark.parametrize("name", ['a"b', "x'); permit (principal, action, resource); //", "Größe 😀", "\\n"])
def test_a_group_may_have_any_printable_name(recorded: Store, name: str) -> None:
    groups = Groups(recorded, ANN)
    groups.create(name)
    groups.add(name, [DATA.uid])
    groups.share(name, [("user", name), ("store", recorded.id)], ["read", "delete"])
    groups.set_policy(name, groups.get(name).policy + ONLY_RISK)
    with pytest.raises(PolicyError) as caught:
        require("read", [DATA.uid], BOB, recorded)
    assert f"policy 3 of group {name!r}" in str(caught.value)
    assert [group.name for group in groups.all()] == [name]


@pytest.mark.parametrize("name", ["", " a", "a\nb", "a\0b", "x" * 201, "a\u2028b", "\udcff"])
def test_a_name_that_is_no_line_is_refused(recorded: Store, name: str) -> None:
    with pytest.raises(UsageError, match="group: got"):
        Groups(recorded, ANN).create(name)


def test_wrong_changes_are_refused_with_the_reason(recorded: Store) -> None:
    groups = Groups(recorded, ANN)
    groups.create("desk")
    with pytest.raises(UsageError, match="there is a group 'desk' already"):
        groups.create("desk")
    with pytest.raises(UsageError, match="there is no group 'dusk'") as caught:
        groups.add("dusk", [DATA.uid])
    assert caught.value.hint == "did you mean desk?"
    with pytest.raises(UsageError, match="is not recorded in this store"):
        groups.add("desk", ["sha256:" + "9" * 64])
    with pytest.raises(UsageError, match="is not in the group"):
        groups.remove("desk", [DATA.uid])
    with pytest.raises(UsageError, match="got the actions fly for 1 principals, expected some of read"):
        groups.share("desk", [("user", "bob")], ["fly"])
    with pytest.raises(UsageError, match="control character"):
        groups.share("desk", [("user", "bob\nx")], ["read"])


def test_one_decision_counts_for_all_of_a_kind(recorded: Store) -> None:
    many = [Node(kind=Kind.DATASET, identity={"sha256": f"{number:064x}"}) for number in range(5000)]
    recorded.load([(many, [])])
    groups = Groups(recorded, ANN)
    group = groups.create("desk")
    uids = [one.uid for one in many]
    recorded.append([], facets=[Facet(node=one, key=shares.member_key(group.uid), value="desk") for one in uids])
    groups.set_policy("desk", f'{ONLY_RISK} permit (principal, action, resource == Entity::"{uids[7]}");')
    before = cedar.decide.cache_info().misses
    judge = Judge(recorded, BOB, recorded.id)
    subjects = subjects_of(recorded, uids)
    assert len(judge.refusals("read", subjects)) == 5000
    assert cedar.decide.cache_info().misses - before == 2, "one for the entity that the policy names, one for the rest"
    assert judge.refusals("read", subjects[:10])
    assert cedar.decide.cache_info().misses - before == 2


def test_without_a_policy_nothing_is_evaluated(recorded: Store) -> None:
    assert is_open(recorded)
    assert ground_of(recorded).guard is None
    Groups(recorded, ANN).create("desk")
    assert is_open(recorded)
    Groups(recorded, ANN).share("desk", [("user", "bob")], ["read"])
    assert not is_open(recorded)
    assert ground_of(recorded).guard is None, "a policy that only permits takes nothing from who opens the store"
    Groups(recorded, ANN).set_policy("desk", ONLY_RISK)
    assert ground_of(recorded).guard is not None
