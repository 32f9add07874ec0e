"""Boxes that move as a face does: a detector jumps by a pixel or two from look to look, and the eye sees it tremble.

Each coordinate becomes the value at its own time of a parabola fitted, by least squares with Gaussian weights, to the
moments before and after it (local polynomial regression: W. S. Cleveland, "Robust locally weighted regression and
smoothing scatterplots", 1979, without the robust part). Looking both ways there is no lag, and a parabola keeps
constant speed and acceleration as they are, at the ends of a track too. It is for drawing only: tables keep what was
found.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64, Int

from mien.core.table import FaceTable

PLACE_SPREAD, SIZE_SPREAD = 0.1, 0.25
"""Seconds, one standard deviation of the weights. A head's nods (1 to 2 Hz) pass; its size changes more slowly."""
GAP = 0.5
"""Seconds out of sight after which nothing is known of the way between."""
FIRMNESS = 1e-3
"""Ridge on slope and bend, as a share of the weights: a lone moment has neither."""
MOST_NEIGHBOURS = 120


def steady_boxes(table: FaceTable) -> Float[np.ndarray, "n 4"]:
    """The boxes of ``table``, one row each as there, steadied along every track; x0, y0, x1, y1 in pixels."""
    boxes, moments = table.column("box").astype(np.float64), table.column("time")
    for rows in _stretches(table.column("track"), moments):
        times, sides = moments[rows], boxes[rows]
        centres, sizes = (sides[:, 2:] + sides[:, :2]) / 2, np.log(np.maximum(sides[:, 2:] - sides[:, :2], 1e-3))
        centres, halves = smooth(times, centres, PLACE_SPREAD), np.exp(smooth(times, sizes, SIZE_SPREAD)) / 2
        boxes[rows] = np.hstack([centres - halves, centres + halves])
    return boxes


def _stretches(tracks: Int[np.ndarray, " n"], times: Float[np.ndarray, " n"]) -> list[Int[np.ndarray, " m"]]:
    """Row numbers, by time, of every stretch in which one face was in sight."""
    if not len(tracks):
        return []
    order = np.lexsort((times, tracks))
    breaks = (np.diff(tracks[order]) != 0) | (np.diff(times[order]) > GAP)
    return np.split(order, np.flatnonzero(breaks) + 1)


def smooth(
    times: Float64[np.ndarray, " n"], values: Float64[np.ndarray, "n k"], spread: float
) -> Float64[np.ndarray, "n k"]:
    """``values`` at ``times`` (seconds, increasing, however far apart), smoothed over ``spread`` seconds."""
    count = len(times)
    usual = float(np.median(np.diff(times))) if count > 1 else 1.0
    reach = min(count - 1, MOST_NEIGHBOURS, int(np.ceil(3 * spread / max(usual, 1e-6))))
    sums, right = np.zeros((count, 5)), np.zeros((count, 3, values.shape[1]))
    for shift in range(-reach, reach + 1):
        to = slice(max(0, -shift), count - max(0, shift))
        of = slice(max(0, shift), count - max(0, -shift))
        away = (times[of] - times[to]) / spread
        powers = np.exp(-(away**2) / 2)[:, None] * away[:, None] ** np.arange(5)
        sums[to] += powers
        right[to] += powers[:, :3, None] * values[of][:, None]
    left = sums[:, np.add.outer(np.arange(3), np.arange(3))]
    left[:, (1, 2), (1, 2)] += FIRMNESS * sums[:, :1]
    answer: Float64[np.ndarray, "n k"] = np.linalg.solve(left, right)[:, 0]
    return answer
