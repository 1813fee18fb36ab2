"""Who pays for what, and what forgetting would free: pure, on values."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests_support.worlds import CREATED, holder, key, thing, world

from replay.retention.classes import Standing
from replay.retention.costing import Costs, costs, droppable, freed
from replay.retention.world import Kept, Key, Piece, World, fate
from replay.store.holdings import Holder, Thing

NOW = datetime.fromisoformat(CREATED) + timedelta(days=10)
FREE = Standing(classes=("standard",), until=NOW)


def bill(known: World, *chosen: Holder) -> Costs:
    return costs(known, {one.uid: FREE for one in known.holders}, chosen, NOW)


A, B, C = thing("a"), thing("b"), thing("c")
ONE, TWO = holder("m:1", A, B), holder("m:2", B, C)
SHARING = world([ONE, TWO], {"a": ["a"], "b": ["b"], "c": ["c"]}, {"a": 1, "b": 10, "c": 100})


def test_what_is_shared_is_freed_by_the_last_one_only() -> None:
    assert [freed(SHARING, [one]) for one in (ONE, TWO)] == [1, 100]
    assert freed(SHARING, [ONE, TWO]) == 111
    after = world([msgspec.structs.replace(ONE, forgotten=9), TWO], {"b": ["b"], "c": ["c"]}, {"b": 10, "c": 100})
    assert freed(after, [TWO]) == 110


def test_a_line_says_what_is_here_shared_and_freed() -> None:
    made = bill(SHARING, ONE, TWO)
    assert [(m.model, m.bytes, m.files, m.shared, m.frees) for m in made.models] == [
        ("m:1", 11, 2, 10, 1),
        ("m:2", 110, 2, 10, 100),
    ]
    assert made.together == 111
    assert [(s.by, s.what, s.bytes, s.files) for s in made.shared] == [(("m:1", "m:2"), ("b",), 10, 1)]


def test_files_of_several_things_count_once() -> None:
    known = world([holder("m:1", A, B)], {"a": ["x", "y"], "b": ["y", "z"]}, {"x": 1, "y": 2, "z": 4})
    made = bill(known, known.holders[0])
    assert (made.models[0].bytes, made.models[0].frees, made.models[0].shared) == (7, 7, 0)
    assert [(k.name, k.bytes, k.files) for k in made.kinds] == [("dataset", 7, 3)]


def test_a_file_that_two_directories_share_stays_with_the_other() -> None:
    known = world([holder("m:1", A), holder("m:2", B)], {"a": ["x", "y"], "b": ["y", "z"]}, {"x": 1, "y": 2, "z": 4})
    found = fate(known, [A], ["m:1"])
    assert found.delete == (key("x"),)
    assert found.kept == (Kept(what="a (1 of 2 files)", why="m:2 needs it, as part of b", bytes=2),)
    assert [(s.what, s.bytes) for s in bill(known).shared] == [(("a",), 2)]


def test_other_names_for_the_same_bytes_keep_them() -> None:
    known = msgspec.structs.replace(SHARING, pieces={**SHARING.pieces, key("a"): Piece(size=1, frees=0)})
    assert (bill(known, ONE).models[0].bytes, freed(known, [ONE])) == (11, 0)


def test_what_is_in_use_beyond_any_record_is_not_freed() -> None:
    known = msgspec.structs.replace(SHARING, in_use={key("a"): "dvc.lock names it"})
    found = fate(known, [A, B], ["m:1"])
    assert (found.frees, found.delete) == (0, ())
    assert found.dropped == (A,), "it is forgotten all the same: only that copy stays"
    assert Kept(what="a", why="dvc.lock names it", bytes=1) in found.kept


def test_a_hold_keeps_the_things_of_a_forgotten_model() -> None:
    known = world(
        [holder("m:1", A, forgotten=5), holder("m:2", A)], {"a": ["a"]}, {"a": 1}, held={"m:1": "legal hold: case 17"}
    )
    found = fate(known, [A], ["m:2"])
    assert (found.dropped, found.delete) == ((), ())
    assert found.kept == (Kept(what="a", why="m:1: legal hold: case 17", bytes=1),)


def test_a_tombstone_counts_for_those_before_it_only() -> None:
    late = thing("a", forgotten=5)
    before, after = holder("m:1", late, tx=4), holder("m:2", late, tx=6)
    assert before.lost(late)
    assert not after.lost(late)
    assert after.needs(late)
    known = world([before, after], {"a": ["a"]}, {"a": 1})
    assert not known.free(key("a"))
    assert world([before], {"a": ["a"]}, {"a": 1}).free(key("a"))


def test_git_and_images_that_are_not_archived_are_not_ours_to_drop() -> None:
    code, image = thing("src.py", storage="git"), thing("image", kind="image", role="")
    one = holder("m:1", A, code, image)
    assert droppable(one, world([one], {"a": ["a"]}, {"a": 1})) == [A]
    assert droppable(one, world([one], {"a": ["a"], "image": ["layer"]}, {"a": 1, "layer": 9})) == [A, image]


def test_what_is_not_here_is_told_apart() -> None:
    remote, digests = thing("remote", size=40, storage="dvc"), thing("digests", size=7, storage="none")
    one = holder("m:1", A, remote, digests, thing("src.py", storage="git", size=3))
    known = world([one], {"a": ["a"]}, {"a": 1}, absent=frozenset({"remote", "digests", "src.py"}))
    line = bill(known, one).models[0]
    assert (line.bytes, line.elsewhere, line.elsewhere_bytes) == (1, 1, 40)


def test_ages_go_by_the_newest_record_that_needs_a_file() -> None:
    def ago(days: float) -> str:
        return (NOW - timedelta(days=days)).astimezone(UTC).isoformat()

    old, new = holder("m:1", A, B, created=ago(400)), holder("m:2", B, created=ago(7))
    gone = holder("m:3", C, created=ago(1), forgotten=9)
    known = world([old, new, gone], {"a": ["a"], "b": ["b"], "c": ["c"]}, {"a": 1, "b": 10, "c": 100})
    assert [(a.name, a.bytes) for a in bill(known).ages] == [
        ("up to 7 days", 10),
        ("older", 1),
        ("needed by no model version", 100),
    ]


NAMES = st.sampled_from("abcdef")
FILES = {file: 1 << n for n, file in enumerate("uvwxyz")}


def drawn(held: list[set[str]], files: dict[str, set[str]]) -> World:
    names = set().union(*held)
    holders = [holder(f"m:{n}", *map(thing, sorted(mine))) for n, mine in enumerate(held, start=1)]
    return world(holders, {name: sorted(of) for name, of in files.items() if name in names}, FILES)


WORLDS = st.builds(
    drawn,
    st.lists(st.sets(NAMES, min_size=1), min_size=1, max_size=5),
    st.dictionaries(NAMES, st.sets(st.sampled_from(sorted(FILES)), max_size=4)),
)


@given(WORLDS)
def test_against_the_definition(known: World) -> None:
    """A file goes when every thing that it is part of is held by nobody but those who leave."""
    for size in range(1, len(known.holders) + 1):
        for leaving in itertools.combinations(known.holders, size):
            staying = [one for one in known.holders if one not in leaving]
            needed = {file for one in staying for held in one.things for file in known.keys.get(held.uid, ())}
            mine = {file for one in leaving for held in one.things for file in known.keys.get(held.uid, ())}
            assert freed(known, leaving) == sum(known.pieces[file].size for file in mine - needed)


@given(WORLDS, st.randoms())
def test_one_after_another_frees_what_all_at_once_does(known: World, random: Random) -> None:
    order = list(known.holders)
    random.shuffle(order)
    total, left, pieces, tombs = 0, list(known.holders), dict(known.pieces), dict[str, int]()
    for tx, one in enumerate(order, start=2):
        now = msgspec.structs.replace(known, holders=[_buried(h, tombs) for h in left], pieces=pieces)
        mine = next(h for h in now.holders if h.uid == one.uid)
        keys = {uid: tuple(k for k in of if k in pieces) for uid, of in known.keys.items()}
        found = fate(msgspec.structs.replace(now, keys=keys), droppable(mine, now), [one.uid])
        total += found.frees
        tombs |= {gone.uid: tx for gone in found.dropped}
        pieces = {k: piece for k, piece in pieces.items() if k not in found.delete}
        left = [msgspec.structs.replace(h, forgotten=tx) if h.uid == one.uid else h for h in left]
    assert total == freed(known, known.holders)


def _buried(one: Holder, tombs: dict[str, int]) -> Holder:
    things: tuple[Thing, ...] = tuple(msgspec.structs.replace(t, forgotten=tombs.get(t.uid, 0)) for t in one.things)
    return msgspec.structs.replace(one, things=things)


def test_keys_tell_their_places_apart() -> None:
    known = world([ONE, TWO], {"a": ["a"]}, {"a": 1})
    both = msgspec.structs.replace(
        known,
        keys={"a": (key("a"), Key("/cache", "a"))},
        pieces={key("a"): Piece(size=1, frees=1), Key("/cache", "a"): Piece(size=1, frees=1)},
    )
    assert freed(both, [ONE]) == 2
