"""Turn series into SVG paths and axis ticks: geometry only, in units of 1,000 across and of the panel's height."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import msgspec

from replay.report.series import Series, thin

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

WIDTH = 1_000
HEIGHT = 240
BAND = 80
"""Height of the panel of differences."""


class Tick(msgspec.Struct, frozen=True):
    """A mark on an axis: where (percent from the left or from the top) and what it says."""

    at: float
    label: str


class Chart(msgspec.Struct, frozen=True):
    """One series drawn: recorded and replayed over each other, their difference below."""

    title: str
    axis: str
    recorded: str
    replayed: str
    difference: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    d_ticks: tuple[Tick, ...]
    summary: str
    identical: bool
    width: int = WIDTH
    height: int = HEIGHT
    band: int = BAND


def chart(series: Series) -> Chart:
    """The drawing of one series."""
    import numpy as np

    low, high = _range(series.recorded_y, series.replayed_y)
    left = float(min(series.recorded_x[0], series.replayed_x[0]))
    right = float(max(series.recorded_x[-1], series.replayed_x[-1]))
    reach = series.largest or 1.0
    frame = (left, right, low, high)
    y_ticks = tuple(Tick(100 * (1 - (v - low) / (high - low)), label) for v, label in number_ticks(low, high, 5))
    labels = ((reach, f"{reach:+.3g}"), (0.0, "0"), (-reach, f"{-reach:+.3g}")) if series.largest else ((0.0, "0"),)
    span = np.float64(right - left) or np.float64(1)
    x_ticks = time_ticks(left, right) if series.temporal else number_ticks(left, right, 6)
    return Chart(
        title=series.column,
        axis=series.axis,
        recorded=path(*thin(series.recorded_x, series.recorded_y), frame, HEIGHT),
        replayed=path(*thin(series.replayed_x, series.replayed_y), frame, HEIGHT),
        difference=path(*thin(series.common_x, series.difference), (left, right, -1.1 * reach, 1.1 * reach), BAND),
        x_ticks=tuple(Tick(float(100 * (v - left) / span), label) for v, label in x_ticks),
        y_ticks=y_ticks,
        d_ticks=tuple(Tick(100 * (0.5 - v / (2.2 * reach)), label) for v, label in labels),
        summary=_summary(series),
        identical=not series.differing and len(series.recorded_x) == len(series.replayed_x) == len(series.common_x),
    )


def _summary(series: Series) -> str:
    common = len(series.common_x)
    only = [
        f"{len(x) - common:,} points only {name}"
        for x, name in ((series.recorded_x, "recorded"), (series.replayed_x, "replayed"))
        if len(x) > common
    ]
    if not series.differing:
        text = f"equal at all {common:,} common points"
    else:
        text = f"differs at {series.differing:,} of {common:,} common points, by at most {series.largest:.6g}"
    return "; ".join([text, *only])


def _range(*arrays: npt.NDArray[np.float64]) -> tuple[float, float]:
    """The finite range of all values with a margin; a flat or empty one is widened, so that it can be divided by."""
    import numpy as np

    finite = [part for part in (a[np.isfinite(a)] for a in arrays) if part.size]
    if not finite:
        return 0.0, 1.0
    low, high = min(float(p.min()) for p in finite), max(float(p.max()) for p in finite)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    if not math.isfinite(high - low + 2 * margin):
        return -1e300, 1e300
    return low - margin, high + margin


def path(
    x: npt.NDArray[np.int64], y: npt.NDArray[np.float64], frame: tuple[float, float, float, float], height: int
) -> str:
    """SVG path data; values that are not finite break the line. An empty series has no path."""
    left, right, low, high = frame
    parts, pen = [], "M"
    for px, py in zip(x.tolist(), y.tolist(), strict=True):
        if not math.isfinite(py):
            pen = "M"
            continue
        across = WIDTH * (px - left) / ((right - left) or 1)
        down = height * (1 - (py - low) / (high - low))
        parts.append(f"{pen}{across:.1f} {min(max(down, -height), 2 * height):.1f}")
        pen = "L"
    return "".join(parts)


def number_ticks(low: float, high: float, count: int) -> list[tuple[float, str]]:
    """About ``count`` round numbers inside ``[low, high]`` with labels of equal precision."""
    raw = (high - low) / count
    if not raw > 0 or not math.isfinite(raw):
        return [(low, f"{low:.6g}")]
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    values = [index * step for index in range(math.ceil(low / step), math.floor(high / step) + 1)]
    largest = max((abs(v) for v in values), default=0.0)
    if largest >= 1e7 or 0 < step < 1e-5:
        return [(v, f"{v:.3g}") for v in values]
    digits = max(0, -math.floor(math.log10(step)) + (1 if round(step / power, 3) == 2.5 else 0))
    return [(v, f"{v:,.{digits}f}") for v in values]


def time_ticks(left: float, right: float) -> list[tuple[float, str]]:
    """Starts of years, months or days inside the span (microseconds since 1970); clock times when it is short."""
    import numpy as np

    start, stop = np.datetime64(int(left), "us"), np.datetime64(int(right), "us")
    days = (right - left) / 86_400e6
    for unit, length in (("Y", 365.25), ("M", 30.4), ("D", 1.0)):
        if days < 2.5 * length:
            continue
        stride = math.ceil(days / length / 7)
        marks = np.arange(start.astype(f"datetime64[{unit}]"), stop.astype(f"datetime64[{unit}]") + 1)
        marks = marks[marks.astype(np.int64) % stride == 0] if unit != "D" else marks[::stride]
        inside = [m for m in marks if start <= m.astype("datetime64[us]") <= stop]
        return [(float(m.astype("datetime64[us]").astype(np.int64)), str(m)) for m in inside]
    clock: Literal["s", "us"] = "s" if days * 86_400 >= 8 else "us"
    values = np.linspace(left, right, 5)[1:-1].astype(np.int64)
    texts = np.datetime_as_string(values.astype("datetime64[us]"), unit=clock).tolist()
    return [(float(value), text[5:].replace("T", " ")) for value, text in zip(values, texts, strict=True)]
