"""What a replay tells of what was forgotten."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests_support.recipes import a_recipe

from replay.lineage import Facet
from replay.order import with_makers
from replay.outcome import Comparison, Finding, Match, Mode
from replay.results import matches_of
from replay.tombstones import Tombstone, dropped_of, explained, standing

RECIPE = a_recipe()


def said(value: Any, recorded: str = "2026-05-01T10:00:00.000001+00:00", key: str = "forgotten") -> Facet:
    return Facet(node="sha256:" + "a" * 64, key=key, value=value, basis="ann", action="action:1", recorded=recorded)


def tombstone(what: str, **changes: Any) -> Tombstone:
    whole = {"by": "ann", "when": "2026-05-01T10:00:00.000001+00:00", "reason": "request 17", **changes}
    return Tombstone(what=what, **whole)


def test_the_newest_word_counts() -> None:
    first, second = said({"reason": "a"}), said({"reason": "b", "proof": "rp_1"})
    assert standing("x", [first, second]) == tombstone("x", reason="b", proof="rp_1")
    assert standing("x", [first, said("rates", key="tag:desk")]) == tombstone("x", reason="a")
    assert standing("x", [first, said(None)]) is None
    assert standing("x", []) is None


def test_a_tombstone_older_than_the_record_is_not_about_it() -> None:
    facet = said({"reason": "a"})
    assert standing("x", [facet], since=facet.recorded) is not None
    assert standing("x", [facet], since="2026-05-01T10:00:00.000002+00:00") is None


def test_what_is_told_names_who_when_and_why() -> None:
    assert str(tombstone("data/raw.csv")) == (
        "data/raw.csv was forgotten by ann on 2026-05-01 10:00:00 UTC: request 17"
    )
    assert str(tombstone("out/clean.csv", reason="it can be recomputed", proof="rp_1")) == (
        "out/clean.csv was dropped on purpose by ann on 2026-05-01 10:00:00 UTC (it can be recomputed; proven by rp_1)"
    )
    assert dropped_of({"a": tombstone("a"), "b": tombstone("b", proof="rp_1")}) == {"b"}


def test_a_failure_is_explained_by_what_was_forgotten() -> None:
    raw, model = tombstone("data/raw.csv"), tombstone("out/model.txt")
    told = {"data/raw.csv": raw, "out/model.txt": model, "the archived image": tombstone("the archived image")}
    failure = "data/raw.csv was not found: asked everybody"
    assert explained(failure, told, RECIPE) == f"{raw}; {told['the archived image']} ({failure})"
    assert explained("the image is gone", {"data/raw.csv": raw}, RECIPE) == f"{raw} (the image is gone)"
    assert explained(failure, {"out/model.txt": model}, RECIPE) == failure, "outputs are made again"
    assert explained(failure, {}, RECIPE) == failure
    assert explained(str(raw), {"data/raw.csv": raw}, RECIPE) == str(raw), "not told twice"


def test_makers_of_what_was_dropped_are_added() -> None:
    prepare, train = RECIPE.steps
    assert with_makers(RECIPE, [train], {"out/clean.csv"}) == [prepare, train]
    assert with_makers(RECIPE, [train], set()) == [train]
    assert with_makers(RECIPE, [train], {"data/raw.csv"}) == [train], "a source has no maker"
    below = msgspec.structs.replace(train.inputs[0], path="out/clean.csv/part")
    inner = msgspec.structs.replace(train, inputs=(below,))
    nested = msgspec.structs.replace(RECIPE, steps=(prepare, inner))
    assert with_makers(nested, [inner], {"out/clean.csv/part"}) == [prepare, inner]


def compared(path: str, match: Match, mode: Mode = Mode.ISOLATED) -> Comparison:
    return Comparison(step="s", path=path, mode=mode, finding=Finding(match=match, comparator="bytes", summary=""))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], {}),
        ([compared("a", Match.IDENTICAL), compared("b", Match.IDENTICAL)], {"identical": ["a", "b"]}),
        (
            [compared("a", Match.IDENTICAL), compared("a", Match.EQUIVALENT, Mode.CHAINED)],
            {"equivalent": ["a"]},
        ),
        ([compared("a", Match.DIFFERENT), compared("a", Match.MISSING, Mode.CHAINED)], {"different": ["a"]}),
        ([compared("a", Match.UNEXPECTED), compared("b", Match.UNCOMPARED)], {"uncompared": ["b"]}),
    ],
)
def test_a_replay_remembers_the_worst_of_each_output(found: list[Comparison], expected: dict[str, list[str]]) -> None:
    assert matches_of(found) == expected
