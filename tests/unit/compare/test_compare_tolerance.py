from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_support.recipes import a_recipe

from replay.compare.numeric import add_arrays, ulp_distances
from replay.compare.tally import Tally
from replay.compare.tolerance import Limits, is_looser, tighten, tighten_recipe, ulp_distance
from replay.errors import CompareError, PolicyError
from replay.recipe import Judgement, Tolerance

FINITE = st.floats(allow_nan=False, allow_infinity=False)
ANY = st.floats()


def bits(pattern: int) -> float:
    return struct.unpack("<d", struct.pack("<Q", pattern))[0]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (0.0, -0.0, 0),
        (1.0, math.nextafter(1.0, 2), 1),
        (5e-324, -5e-324, 2),
        (math.nan, bits(0x7FF8000000000001), 0),
        (math.nan, 1.0, None),
        (math.inf, math.inf, 0),
        (math.inf, -math.inf, None),
        (math.inf, 1.7976931348623157e308, None),
        (-1.7976931348623157e308, 1.7976931348623157e308, 2 * 0x7FEFFFFFFFFFFFFF),
    ],
)
def test_ulp_distance(one: float, other: float, expected: int | None) -> None:
    assert ulp_distance(one, other) == expected
    assert ulp_distance(other, one) == expected


@given(FINITE, st.integers(0, 50))
def test_distance_counts_steps_of_nextafter(start: float, steps: int) -> None:
    end = start
    for _ in range(steps):
        end = math.nextafter(end, math.inf)
    if math.isfinite(end):
        assert ulp_distance(start, end) == steps


@given(FINITE, FINITE)
def test_array_distances_agree_with_single_ones(one: float, other: float) -> None:
    assert int(ulp_distances(np.array([one]), np.array([other]))[0]) == ulp_distance(one, other)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_step_of_float32_is_one_ulp(value: float) -> None:
    one = np.array([value], np.float32)
    assert ulp_distances(one, np.nextafter(one, np.float32(0 if value > 0 else 1)))[0] == 1


@given(ANY, ANY, st.floats(0, 1e3), st.floats(0, 1), st.integers(0, 100))
def test_arrays_and_single_numbers_are_judged_alike(
    one: float, other: float, absolute: float, relative: float, ulp: int
) -> None:
    limits = Limits(absolute, relative, ulp)
    single, array = Tally(), Tally()
    single.number(one, other, limits, lambda: "here")
    add_arrays(array, np.array([one]), np.array([other]), limits, lambda _: "here")
    for name in ("differing", "beyond", "measured", "undefined", "largest", "relative", "ulp", "first", "first_beyond"):
        assert getattr(single, name) == getattr(array, name), name


@given(FINITE, st.floats(0, 1e3))
def test_a_wider_tolerance_never_refuses_more(value: float, absolute: float) -> None:
    narrow, wide = Tally(), Tally()
    narrow.number(1.0, value, Limits(absolute), str)
    wide.number(1.0, value, Limits(absolute * 2, 0.1, 3), str)
    assert wide.beyond <= narrow.beyond


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_integers_never_overflow(one: int, other: int) -> None:
    tally = Tally()
    add_arrays(tally, np.array([one]), np.array([other]), Limits(), lambda _: "x")
    assert tally.beyond == (one != other)
    assert tally.largest == float(abs(one - other))


@pytest.mark.parametrize(
    ("recorded", "replayed", "limits", "passes"),
    [
        (100.0, 100.5, Limits(absolute=0.5), True),
        (100.0, 100.5, Limits(absolute=0.499), False),
        (100.0, 101.0, Limits(relative=0.01), True),
        (100.0, 101.0, Limits(relative=0.0099), False),
        (100.0, 101.4, Limits(absolute=0.5, relative=0.01), True),
        (1.0, math.nextafter(1.0, 2), Limits(ulp=1), True),
        (1.0, math.nextafter(math.nextafter(1.0, 2), 2), Limits(ulp=1), False),
        (1.0, math.nan, Limits(1e9, 1.0, 1 << 62), False),
        (math.inf, 1.0, Limits(1e9, 1.0, 1 << 62), False),
        (-math.inf, math.inf, Limits(1e9, 1.0, 1 << 62), False),
        (1e308, math.inf, Limits(relative=10.0), False),
        (10**400, 10**400 + 1, Limits(), False),
        (2**53, float(2**53), Limits(), True),
        (2**53 + 1, float(2**53), Limits(), False),
    ],
)
def test_limits(recorded: float, replayed: float, limits: Limits, *, passes: bool) -> None:
    tally = Tally()
    tally.number(recorded, replayed, limits, lambda: "x")
    assert (tally.beyond == 0) is passes
    if isinstance(recorded, float):
        array = Tally()
        add_arrays(array, np.array([recorded]), np.array([replayed]), limits, lambda _: "x")
        assert (array.beyond == 0) is passes


@pytest.mark.parametrize("text", ["0.1x", "nan", "inf", "-0x1p+0", "", "0x1p+99999"])
def test_bad_tolerance(text: str) -> None:
    with pytest.raises(CompareError, match="expected"):
        Limits.of(Tolerance(absolute=text))


def test_negative_ulp() -> None:
    with pytest.raises(CompareError, match="ulp"):
        Limits.of(Tolerance(ulp=-1))


def tol(value: float) -> Tolerance:
    return Tolerance(absolute=float(value).hex())


SEALED = Judgement(comparator="table", tolerance=tol(1e-6), columns={"x": tol(1e-9)}, max_pixels=3)


@pytest.mark.parametrize(
    "given_one",
    [
        Judgement(comparator="table", tolerance=tol(1e-5), columns={"x": tol(1e-9)}),
        Judgement(comparator="table", tolerance=tol(1e-6)),  # column x falls back to the wider one
        Judgement(comparator="table", tolerance=tol(1e-6), columns={"x": tol(1e-9), "y": tol(1)}),
        Judgement(comparator="table", tolerance=Tolerance(ulp=1), columns={"x": tol(0)}),
        Judgement(comparator="table", max_pixels=4),
        Judgement(comparator="table", keys=("id",)),
        Judgement(comparator="text"),
        Judgement(comparator="bytes", volatile=True),
    ],
)
def test_looser_is_refused(given_one: Judgement) -> None:
    assert len(is_looser(given_one, SEALED)) >= 1
    with pytest.raises(PolicyError, match="looser"):
        tighten(SEALED, given_one)


@pytest.mark.parametrize(
    "given_one",
    [
        SEALED,
        Judgement(comparator="table"),
        Judgement(comparator="bytes"),
        Judgement(comparator="table", tolerance=tol(1e-9), columns={"y": tol(1e-7)}, max_pixels=2),
    ],
)
def test_as_strict_or_stricter_is_allowed(given_one: Judgement) -> None:
    assert tighten(SEALED, given_one) == given_one


def test_tighten_recipe() -> None:
    recipe = a_recipe()  # metrics.json: relative 1e-6, everything else bitwise
    stricter = tighten_recipe(recipe, Tolerance(relative=(1e-9).hex()))
    assert stricter["out/metrics.json"].tolerance == Tolerance(relative=(1e-9).hex())
    assert stricter["out/model.txt"].tolerance is None
    with pytest.raises(PolicyError, match=r"out/metrics\.json"):
        tighten_recipe(recipe, Tolerance(relative=(1e-3).hex()))
    with pytest.raises(PolicyError, match="absolute"):
        tighten_recipe(recipe, Tolerance(absolute=(1e-30).hex()))


def test_a_tolerance_for_a_recipe_without_any_is_refused() -> None:
    import msgspec

    recipe = a_recipe()
    bitwise = msgspec.structs.replace(recipe, steps=recipe.steps[:1])
    with pytest.raises(PolicyError, match="without one"):
        tighten_recipe(bitwise, tol(0))
