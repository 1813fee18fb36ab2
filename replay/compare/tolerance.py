"""Tolerances: reading them, applying them to single numbers, and refusing looser ones than were sealed."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

import msgspec

from replay.errors import CompareError, PolicyError
from replay.recipe import Judgement, Recipe, Tolerance

_LOWEST = -(1 << 63)


class Limits(msgspec.Struct, frozen=True):
    """A tolerance ready for arithmetic; all zero means exact."""

    absolute: float = 0.0
    relative: float = 0.0
    ulp: int = 0

    @property
    def exact(self) -> bool:
        """Whether only equal numbers pass."""
        return not (self.absolute or self.relative or self.ulp)

    @classmethod
    def of(cls, tolerance: Tolerance | None) -> Limits:
        """The limits of a sealed tolerance; ``None`` is exact.

        Raises:
            CompareError: A part is no ``float.hex()`` text, negative, NaN or infinite.
        """
        if tolerance is None:
            return cls()
        if (tolerance.ulp or 0) < 0:
            raise CompareError(f"got the tolerance ulp={tolerance.ulp}, expected 0 or more")
        return cls(_number(tolerance.absolute), _number(tolerance.relative), tolerance.ulp or 0)

    def allow(self, difference: float, recorded: float, distance: int | None) -> bool:
        """Whether a number that is off by ``difference`` (and ``distance`` ULPs, when that makes sense) passes."""
        if distance is not None and distance <= self.ulp:
            return True
        return math.isfinite(difference) and difference <= self.absolute + self.relative * abs(recorded)


def _number(text: str | None) -> float:
    if text is None:
        return 0.0
    try:
        value = float.fromhex(text)
    except (ValueError, OverflowError) as error:
        raise CompareError(f"got the tolerance {text!r}, expected the text of float.hex()") from error
    if not 0 <= value < math.inf:
        raise CompareError(f"got the tolerance {text!r}, expected a finite number that is not negative")
    return value


def ulp_distance(one: float, other: float) -> int | None:
    """How many representable doubles lie from ``one`` to ``other``; ``±0`` are one number, all NaN are one number.

    Returns:
        ``None`` when only one of them is NaN, or only one of them is infinite, or they are opposite infinities.
    """
    if math.isnan(one) or math.isnan(other):
        return 0 if math.isnan(one) and math.isnan(other) else None
    if math.isinf(one) or math.isinf(other):
        return 0 if one == other else None
    return abs(_ordered(one) - _ordered(other))


def _ordered(value: float) -> int:
    """Doubles as integers in the same order (Bruce Dawson, "Comparing Floating Point Numbers", 2012)."""
    (bits,) = struct.unpack("<q", struct.pack("<d", value))
    return int(bits) if bits >= 0 else _LOWEST - int(bits)


def is_looser(given: Judgement, sealed: Judgement) -> list[str]:
    """Everything in which ``given`` lets more pass than ``sealed``; empty when it is as strict or stricter.

    Another comparator than the sealed one counts as looser, except ``bytes``; other row keys always do.
    """
    found = []
    if given.comparator not in {sealed.comparator, "bytes"}:
        found.append(f"comparator: got {given.comparator!r}, sealed {sealed.comparator!r}")
    if given.volatile and not sealed.volatile:
        found.append("volatile: got true, sealed false")
    if given.comparator == "bytes":
        return found
    if given.keys != sealed.keys:
        found.append(f"keys: got {list(given.keys)}, sealed {list(sealed.keys)}")
    if given.max_pixels > sealed.max_pixels:
        found.append(f"max_pixels: got {given.max_pixels}, sealed {sealed.max_pixels}")
    for name in ("", *sorted({*given.columns, *sealed.columns})):
        mine, theirs = _column(given, name), _column(sealed, name)
        found += [f"tolerance {place}: {text}" for place, text in _wider(mine, theirs, name)]
    return found


def _column(judgement: Judgement, name: str) -> Limits:
    return Limits.of(judgement.columns.get(name, judgement.tolerance))


def _wider(given: Limits, sealed: Limits, column: str) -> Iterator[tuple[str, str]]:
    for part in ("absolute", "relative", "ulp"):
        mine, theirs = getattr(given, part), getattr(sealed, part)
        if mine > theirs:
            yield (f"of column {column!r}" if column else "of all values"), f"{part}: got {mine!r}, sealed {theirs!r}"


def tighten(sealed: Judgement, given: Judgement) -> Judgement:
    """``given``, when it is no looser than ``sealed``.

    Raises:
        PolicyError: It would let something pass that the sealed judgement refuses; the message names each point.
    """
    issues = is_looser(given, sealed)
    if issues:
        raise PolicyError(
            "looser than what the recipe seals: " + "; ".join(issues),
            hint="a replay may only be stricter; record a new version with another tolerance, with owner and reason",
        )
    return given


def tighten_recipe(recipe: Recipe, given: Tolerance) -> dict[str, Judgement]:
    """The judgement of every output by path, with ``given`` in place of the parts of each sealed tolerance it names.

    Outputs that are sealed without a tolerance stay as they are: nothing is stricter than exact.

    Raises:
        PolicyError: ``given`` is looser than a sealed tolerance, or no output has one to make stricter.
    """
    sealed = {o.artifact.path: o.judgement for step in recipe.steps for o in step.outputs}
    if given == Tolerance():
        return sealed
    tolerant = {path for path, judgement in sealed.items() if judgement.tolerance or judgement.columns}
    if not tolerant:
        raise PolicyError(
            "got a tolerance, but every output of the recipe is sealed without one",
            hint="a replay may only be stricter than its record",
        )
    return {path: _narrowed(path, one, given) if path in tolerant else one for path, one in sealed.items()}


def _narrowed(path: str, sealed: Judgement, given: Tolerance) -> Judgement:
    def replaced(one: Tolerance) -> Tolerance:
        return Tolerance(
            absolute=one.absolute if given.absolute is None else given.absolute,
            relative=one.relative if given.relative is None else given.relative,
            ulp=one.ulp if given.ulp is None else given.ulp,
        )

    wanted = msgspec.structs.replace(
        sealed,
        tolerance=replaced(sealed.tolerance) if sealed.tolerance else None,
        columns={name: replaced(one) for name, one in sealed.columns.items()},
    )
    try:
        return tighten(sealed, wanted)
    except PolicyError as error:
        raise PolicyError(f"{path}: {error}", hint=error.hint) from error
