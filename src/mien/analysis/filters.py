"""Probabilities smoothed over time by a filter of a width in seconds, before spans are cut. Pure NumPy.

Box and Gauss filters over frame answers are what HSEmotion (Savchenko, arXiv 2403.11590, "smoothing") and others of its
field put behind a network of single frames. Here frames may last differently long: a filter weighs time, not frames.

Of a frame from s to e with its middle at m, another one counts by
* ``box``: the seconds of it that lie in [m - width / 2, m + width / 2];
* ``gauss``: its duration times exp(-d^2 / (2 sigma^2)), d between the middles, sigma = width / 2, up to d = 4 sigma.

Weights are scaled to sum 1: rows keep their sum, what is constant stays. Where a face could not be read nothing is said
and nothing counts; nothing crosses a stretch in which it was out of sight.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import Float64

from mien.analysis.smoothing import SpanRule, TrackReadings, unbroken

FilterKind = Literal["none", "box", "gauss"]
MOST_WIDTH = 10.0
"""Seconds: a filter looks at every frame within its reach."""
SIGMAS = 4.0
"""Up to which a bell reaches; the rest is 6e-5 of it."""


def filtered(readings: TrackReadings, rule: SpanRule, kind: FilterKind, width: float) -> TrackReadings:
    """``readings`` with smoothed probabilities; themselves for ``none``.

    Args:
        readings: all frames of a track.
        rule: says which gaps are out of sight.
        kind: of the filter.
        width: seconds, > 0.
    """
    if kind == "none" or not len(readings):
        return readings
    rows = [_smooth(part, kind, width) for part in unbroken(readings, rule)]
    return replace(readings, probabilities=np.concatenate(rows))


def _smooth(part: TrackReadings, kind: FilterKind, width: float) -> Float64[np.ndarray, "n c"]:
    read = part.readable
    starts, ends, weights = part.starts[read], part.ends[read], part.weights[read]
    rows = part.probabilities[read]
    weight = np.minimum(weights, width) if kind == "box" else weights.copy()
    total = rows * weight[:, None]
    reach = (width / 2) * (1 if kind == "box" else SIGMAS)
    for step in range(1, len(rows)):
        if (starts[step:] - ends[:-step]).min() > reach:
            break
        before = _weights(starts, ends, step, kind, width)
        total[step:] += before[:, None] * rows[:-step]
        weight[step:] += before
        after = _weights(-ends[::-1], -starts[::-1], step, kind, width)[::-1]
        total[:-step] += after[:, None] * rows[step:]
        weight[:-step] += after
    answer = part.probabilities.copy()
    # What lasts no time and has no neighbour stays as it is.
    answer[read] = np.where(weight[:, None] > 0, total / np.where(weight, weight, 1.0)[:, None], rows)
    return answer


def _weights(
    starts: Float64[np.ndarray, " n"], ends: Float64[np.ndarray, " n"], step: int, kind: FilterKind, width: float
) -> Float64[np.ndarray, " m"]:
    """What the frame ``step`` before each (from number ``step`` on) counts for it."""
    middles = (starts + ends) / 2
    if kind == "box":
        inside: Float64[np.ndarray, " m"] = ends[:-step] - np.maximum(starts[:-step], middles[step:] - width / 2)
        return inside.clip(0.0)
    apart = (middles[step:] - middles[:-step]) / (width / 2)
    bell: Float64[np.ndarray, " m"] = (ends - starts)[:-step] * np.exp(-(apart**2) / 2) * (apart <= SIGMAS)
    return bell
