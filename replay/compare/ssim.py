"""Structural similarity of two grey images.

Formula: Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from error visibility to
structural similarity", IEEE TIP 13(4), 2004, eq. 13, with the uniform 7 × 7 window, K1 = 0.01, K2 = 0.03, sample
covariance and borders left out, which are scikit-image's defaults.
"""

from __future__ import annotations

import numpy as np

from replay.compare.numeric import Array

WINDOW = 7
_ROWS = 256


def ssim(recorded: Array, replayed: Array, peak: float) -> float | None:
    """Mean SSIM of two grey images of equal shape; ``peak`` is the largest possible value.

    Windows without a difference have exactly 1, so only the rectangle around the differences is computed.

    Returns:
        ``None`` when the images are smaller than one window.
    """
    height, width = recorded.shape
    windows: int = (height - WINDOW + 1) * (width - WINDOW + 1)
    if min(height, width) < WINDOW:
        return None
    rows, cols = (np.flatnonzero((recorded != replayed).any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return 1.0
    top, bottom = _around(rows, height)
    left, right = _around(cols, width)
    total, count = 0.0, 0
    for start in range(top, bottom - WINDOW + 1, _ROWS):
        end = min(bottom, start + _ROWS + WINDOW - 1)
        part = _map(recorded[start:end, left:right], replayed[start:end, left:right], peak)
        total, count = total + float(part.sum()), count + part.size
    return (total + windows - count) / windows


def _around(positions: Array, length: int) -> tuple[int, int]:
    """The stretch that holds every window with one of the positions in it."""
    first, last = int(positions[0]), int(positions[-1])
    return max(0, first - WINDOW + 1), min(length, last + WINDOW)


def _map(one: Array, two: Array, peak: float) -> Array:
    x, y = one.astype(np.float64), two.astype(np.float64)
    count = WINDOW * WINDOW
    mean_x, mean_y = _sums(x) / count, _sums(y) / count
    sample = count / (count - 1)
    var_x = sample * (_sums(x * x) / count - mean_x**2)
    var_y = sample * (_sums(y * y) / count - mean_y**2)
    cov = sample * (_sums(x * y) / count - mean_x * mean_y)
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    top = (2 * mean_x * mean_y + c1) * (2 * cov + c2)
    result: Array = top / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    return result


def _sums(values: Array) -> Array:
    """Sums over all windows, by a table of running sums."""
    running = np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    w = WINDOW
    result: Array = running[w:, w:] - running[:-w, w:] - running[w:, :-w] + running[:-w, :-w]
    return result
