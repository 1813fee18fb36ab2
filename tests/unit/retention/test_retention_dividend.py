"""Which intermediates may be dropped on the word of a replay: pure, on values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from tests_support.worlds import holder, key, step, thing, world

from replay.retention.dividend import Dividend, Replay, dividend
from replay.retention.world import World
from replay.store.holdings import Holder, Thing

STEPS = (
    step("clean", ["raw.csv"], ["clean.csv"], 2.0),
    step("widen", ["clean.csv", "rates.csv"], ["wide.csv", "notes.txt"], 3.0),
    step("fit", ["wide.csv"], ["model.txt"], 5.0),
)
SOURCES = (thing("raw.csv", role="input"), thing("rates.csv", role="input", storage="git"))
FILES = {"raw.csv": 1, "clean.csv": 10, "wide.csv": 100, "notes.txt": 1000, "model.txt": 10000}
IDENTICAL = {"identical": ["clean.csv", "wide.csv", "notes.txt", "model.txt"]}


def made(name: str, maker: str, **changes: Any) -> Thing:
    return thing(name, step=maker, **{"bitwise": True, "intermediate": True, **changes})


OUTPUTS = (
    made("clean.csv", "clean"),
    made("wide.csv", "widen"),
    made("notes.txt", "widen"),
    made("model.txt", "fit", kind="model", intermediate=False),
)
MODEL = holder("m:1", *SOURCES, *OUTPUTS, steps=STEPS)


def replay(number: int, **matches: Sequence[str]) -> Replay:
    return Replay(uid=f"action:{number}", matches={path: match for match, paths in matches.items() for path in paths})


def known(*holders: Holder, **changes: Any) -> World:
    return world(holders or (MODEL,), {name: [name] for name in FILES}, FILES, **changes)


def asked(of: World | None = None, *replays: Replay, chosen: Holder | None = None, **options: Any) -> Dividend:
    of = of or known()
    said = replays or (replay(1, **IDENTICAL),)
    return dividend(of, {of.holders[0].uid: said}, [chosen or of.holders[0]], **options)


def names(found: Dividend) -> list[str]:
    return [one.what for one in found.recomputable]


def why(found: Dividend) -> dict[str, str]:
    return {one.what: one.why for one in found.kept}


def test_what_replays_identically_may_go_and_what_that_costs() -> None:
    found = asked()
    assert [(one.what, one.bytes, one.seconds, one.proof) for one in found.recomputable] == [
        ("clean.csv", 10, 2.0, "rp_1"),
        ("wide.csv", 100, 3.0, "rp_1"),
    ]
    assert (found.frees, found.seconds, found.unknown_steps, found.kept) == (110, 5.0, 0, ())


def test_what_no_step_reads_is_no_intermediate() -> None:
    assert "notes.txt" not in names(asked())
    assert "model.txt" not in {*names(asked()), *why(asked())}


def test_models_and_metrics_are_never_dropped() -> None:
    read = (*STEPS, step("judge", ["model.txt"], ["score.json"]))
    found = asked(known(msgspec.structs.replace(MODEL, steps=read)))
    assert names(found) == ["clean.csv", "wide.csv"]


@pytest.mark.parametrize(
    ("replays", "says"),
    [
        ((Replay(uid="action:1", matches={}),), "no replay on record says how step"),
        ((replay(1, identical=["model.txt"]),), "no replay on record says how step"),
        ((replay(1, different=["clean.csv", "wide.csv", "notes.txt"]),), "came out different in rp_1"),
        ((replay(1, equivalent=["clean.csv", "wide.csv", "notes.txt"]),), "came out equivalent in rp_1"),
        ((replay(1, missing=["clean.csv", "wide.csv", "notes.txt"]),), "came out missing in rp_1"),
        ((replay(1, uncompared=["clean.csv", "wide.csv", "notes.txt"]),), "came out uncompared in rp_1"),
        ((replay(1, different=["clean.csv", "wide.csv", "notes.txt"]), replay(2, **IDENTICAL)), "came out different"),
        ((replay(1, **IDENTICAL), replay(2, different=["clean.csv", "wide.csv", "notes.txt"])), "came out different"),
    ],
)
def test_without_a_clean_record_of_identity_nothing_goes(replays: tuple[Replay, ...], says: str) -> None:
    found = asked(None, *replays)
    assert names(found) == []
    assert set(why(found)) == {"clean.csv of m:1", "wide.csv of m:1"}
    assert all(says in reason for reason in why(found).values()), why(found)


def test_never_replayed_is_never_dropped() -> None:
    found = dividend(known(), {}, [MODEL])
    assert names(found) == []
    assert all("no replay on record" in reason for reason in why(found).values())


def test_a_step_is_judged_by_all_of_its_outputs() -> None:
    found = asked(None, replay(1, identical=["clean.csv", "wide.csv", "model.txt"], different=["notes.txt"]))
    assert names(found) == ["clean.csv"]
    assert why(found) == {"wide.csv of m:1": "m:1: step widen came out different in rp_1"}


def test_a_step_stands_on_those_before_it() -> None:
    found = asked(None, replay(1, identical=["wide.csv", "notes.txt"], different=["clean.csv"]))
    assert names(found) == []
    assert why(found)["wide.csv of m:1"] == "m:1: step clean came out different in rp_1"


def test_sources_must_be_here() -> None:
    found = asked(known(absent=frozenset({"raw.csv", "rates.csv"})))
    assert names(found) == [], "what Git keeps is asked with the code"
    assert set(why(found).values()) == {"m:1: its source raw.csv is not here"}


def test_the_code_must_be_here() -> None:
    assert set(why(asked(without_code={"m:1"})).values()) == {"m:1: its code is not here"}
    patch = thing("diff", kind="patch", role="")
    dirty = msgspec.structs.replace(MODEL, things=(*MODEL.things, patch))
    assert names(asked(known(dirty))) == ["clean.csv", "wide.csv"]
    assert set(why(asked(known(dirty, absent=frozenset({"diff"})))).values()) == {"m:1: its code is not here"}


def test_what_is_not_judged_bit_for_bit_is_the_measure_itself() -> None:
    loose = msgspec.structs.replace(MODEL, things=(*SOURCES, made("clean.csv", "clean", bitwise=False), *OUTPUTS[1:]))
    found = asked(known(loose))
    assert names(found) == ["wide.csv"]
    assert "its recorded bytes are the measure" in why(found)["clean.csv of m:1"]


def test_a_source_of_another_model_is_kept() -> None:
    other = holder("n:1", thing("clean.csv", role="input"), steps=(step("use", ["clean.csv"], ["n.txt"]),))
    found = asked(known(MODEL, other))
    assert names(found) == ["wide.csv"]
    assert why(found) == {"clean.csv of m:1": "n:1 needs it, and does not make it itself"}


def test_a_copy_that_is_read_as_a_source_too_is_kept() -> None:
    copied = msgspec.structs.replace(
        MODEL,
        things=(*MODEL.things, thing("seed.csv", role="input", uid="clean.csv")),
        steps=(*STEPS, step("seed", ["seed.csv"], ["seeded"])),
    )
    assert "clean.csv of m:1" in why(asked(known(copied)))


def test_everybody_who_counts_on_it_must_be_able_to_make_it() -> None:
    twin = msgspec.structs.replace(MODEL, label="m:2", uid="m:2", version=2)
    both = known(MODEL, twin)
    found = asked(both)
    assert names(found) == []
    assert "m:2: no replay on record says how step clean comes out" in why(found).values()
    said = {"m:1": [replay(1, **IDENTICAL)], "m:2": [replay(2, **IDENTICAL)]}
    assert [one.proof for one in dividend(both, said, [MODEL]).recomputable] == ["rp_1", "rp_1"]
    forgotten = known(MODEL, msgspec.structs.replace(twin, forgotten=9))
    assert names(asked(forgotten)) == ["clean.csv", "wide.csv"], "who was forgotten needs nothing"


@pytest.mark.parametrize(
    "held", [{"held": {"m:1": "legal hold: case 17"}}, {"held_paths": {"m:1": {"clean.csv": "legal hold: case 17"}}}]
)
def test_what_must_be_kept_is_kept(held: dict[str, Any]) -> None:
    assert why(asked(known(**held)))["clean.csv of m:1"] == "m:1: legal hold: case 17"


def test_what_dvc_uses_brings_nothing() -> None:
    found = asked(known(in_use={key("clean.csv"): "dvc.lock names it"}))
    assert names(found) == ["wide.csv"]
    assert why(found) == {"clean.csv of m:1": "dvc.lock names it"}


def test_times_that_nobody_took_are_not_invented() -> None:
    steps = (msgspec.structs.replace(STEPS[0], seconds=None), *STEPS[1:])
    found = asked(known(msgspec.structs.replace(MODEL, steps=steps)))
    assert [one.seconds for one in found.recomputable] == [None, 3.0]
    assert (found.seconds, found.unknown_steps) == (3.0, 1)


def test_a_step_with_two_outputs_runs_once() -> None:
    steps = (*STEPS[:2], step("fit", ["wide.csv", "notes.txt"], ["model.txt"]))
    found = asked(known(msgspec.structs.replace(MODEL, steps=steps)))
    assert names(found) == ["clean.csv", "wide.csv", "notes.txt"]
    assert (found.frees, found.seconds) == (1110, 5.0)


def test_what_was_dropped_before_is_not_told_again() -> None:
    dropped = made("clean.csv", "clean", forgotten=9)
    found = asked(known(msgspec.structs.replace(MODEL, things=(*SOURCES, dropped, *OUTPUTS[1:]))))
    assert names(found) == ["wide.csv"]
    assert found.kept == ()


def test_steps_that_stand_on_each_other_end() -> None:
    steps = (step("clean", ["wide.csv"], ["clean.csv"]), step("widen", ["clean.csv"], ["wide.csv", "notes.txt"]))
    found = asked(known(msgspec.structs.replace(MODEL, steps=steps)))
    assert names(found) == []
    assert all("stands on itself" in reason for reason in why(found).values()), why(found)
