"""Probabilities over time in few bytes, however long the video: every face's readings averaged over equal steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8, UInt16

from mien.core.table import FaceTable
from mien.core.types import Span

MOST_STEPS = 4000
"""Steps along the whole video: more than a screen has columns, so there is something to zoom into."""
MOST_CELLS = 40_000
"""Steps of all faces together; up to two more for every face, whose first and last step are begun but not filled."""
FULL, AWAY, UNREAD = 250, 254, 255
"""Codes: probability 1; out of sight; seen but not readable. The last two stand in a cell's first place."""
BOX_UNITS = 65535
STANDARD_STEP = 0.04


@dataclass(frozen=True, eq=False)
class Band:
    """One face's probabilities in equal steps.

    Attributes:
        track: the face's number.
        first: number of the first step; step k covers k x step up to (k + 1) x step seconds.
        cells: one row a step: probabilities x :data:`FULL`, or :data:`AWAY` or :data:`UNREAD` in the first place.
        signals: one row a step: what the model says beside, as shares of its range x :data:`FULL`; anything where the
            cell is a code.
        boxes: one row a step: x0, y0, x1, y1 as shares of width and height, times :data:`BOX_UNITS`.
    """

    track: int
    first: int
    cells: UInt8[np.ndarray, "n c"]
    signals: UInt8[np.ndarray, "n k"]
    boxes: UInt16[np.ndarray, "n 4"]


def step_for(table: FaceTable, duration: float) -> float:
    """Seconds a step: one frame where the bounds allow it, else as much longer as they ask."""
    if not len(table):
        return STANDARD_STEP
    times, tracks = table.column("time"), table.column("track")
    frames = np.diff(np.unique(times))
    _, places = np.unique(tracks, return_inverse=True)
    seen = np.full(places.max() + 1, -np.inf), np.full(places.max() + 1, np.inf)
    np.maximum.at(seen[0], places, times)
    np.minimum.at(seen[1], places, times)
    frame = float(np.median(frames)) if len(frames) else STANDARD_STEP
    return max(frame, duration / MOST_STEPS, float((seen[0] - seen[1]).sum()) / MOST_CELLS)


def bands_of(
    table: FaceTable, spans: Sequence[Span], size: tuple[int, int] | Int[np.ndarray, "n 2"], step: float
) -> list[Band]:
    """A band for every face, in order of number.

    Args:
        table: by frame, as an analysis leaves it.
        spans: of all faces; between two of its spans a face is out of sight.
        size: width and height of the picture the boxes lie in, or a row for every row of the table.
        step: seconds, see :func:`step_for`.
    """
    tracks, times = table.column("track"), table.column("time")
    probabilities, boxes = table.column("probabilities"), table.column("box") / np.tile(np.array(size, float), 2)
    beside = _shares(table)
    order = np.argsort(tracks, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(tracks[order])) + 1) if len(order) else []
    spans_of: dict[int, list[Span]] = {}
    for span in spans:
        spans_of.setdefault(span.track, []).append(span)
    answer = []
    for rows in parts:
        # A frame that begins with a step must not fall into the one before by rounding.
        numbers = np.floor(times[rows] / step + 1e-6).astype(np.int64)
        track, first = int(tracks[rows[0]]), int(numbers[0])
        places, length = numbers - first, int(numbers[-1]) - first + 1
        taken = _taken(places, length, _in_sight(spans_of.get(track, []), first, length, step))
        cells = _cells(places, probabilities[rows], taken)
        signals, _ = _coded(places, beside[rows], taken)
        answer.append(Band(track, first, cells, signals[taken], _boxes(places, boxes[rows], taken)))
    return answer


def _in_sight(spans: Sequence[Span], first: int, length: int, step: float) -> Bool[np.ndarray, " n"]:
    middles = (first + np.arange(length) + 0.5) * step
    starts, ends = (np.sort([getattr(span, edge) for span in spans]) for edge in ("start", "end"))
    begun = np.searchsorted(starts, middles, side="right")
    inside: Bool[np.ndarray, " n"] = begun > np.searchsorted(ends, middles, side="right")
    return inside


def _taken(places: Int[np.ndarray, " r"], length: int, in_sight: Bool[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """For every step the one whose rows it shows: itself, or the last before it (a frame lasts until the next); or -1.

    -1 stands for out of sight.
    """
    filled = np.zeros(length, np.bool_)
    filled[places] = True
    latest = np.maximum.accumulate(np.where(filled, np.arange(length), 0))
    return np.where(filled | in_sight, latest, -1)


def _cells(
    places: Int[np.ndarray, " r"], probabilities: Float[np.ndarray, "r c"], taken: Int[np.ndarray, " n"]
) -> UInt8[np.ndarray, "n c"]:
    coded, count = _coded(places, probabilities, taken)
    coded[count == 0, 0] = UNREAD
    cells: UInt8[np.ndarray, "n c"] = coded[taken]
    cells[taken < 0, 0] = AWAY
    return cells


def _coded(
    places: Int[np.ndarray, " r"], values: Float[np.ndarray, "r k"], taken: Int[np.ndarray, " n"]
) -> tuple[UInt8[np.ndarray, "n k"], Int[np.ndarray, " n"]]:
    """Means a step of the rows that are numbers, x :data:`FULL`, and how many rows there were."""
    readable = ~np.isnan(values).any(axis=1)
    means, count = _means(places[readable], values[readable], len(taken))
    return np.rint(means.clip(0, 1) * FULL).astype(np.uint8), count


def _shares(table: FaceTable) -> Float[np.ndarray, "r k"]:
    """What the model says beside: 0 at the low end of a signal's range, 1 at the high one."""
    low, high = (np.array([getattr(one, end) for one in table.signals for _ in one.labels]) for end in ("low", "high"))
    shares: Float[np.ndarray, "r k"] = (table.column("signals") - low) / (high - low)
    return shares


def _boxes(
    places: Int[np.ndarray, " r"], boxes: Float[np.ndarray, "r 4"], taken: Int[np.ndarray, " n"]
) -> UInt16[np.ndarray, "n 4"]:
    means, _ = _means(places, boxes, len(taken))
    coded: UInt16[np.ndarray, "n 4"] = np.rint(means.clip(0, 1) * BOX_UNITS).astype(np.uint16)[taken]
    return coded


def _means(
    places: Int[np.ndarray, " r"], values: Float[np.ndarray, "r k"], length: int
) -> tuple[Float[np.ndarray, "n k"], Int[np.ndarray, " n"]]:
    count = np.bincount(places, minlength=length)
    sums = [np.bincount(places, column, length) for column in values.T.astype(np.float64)]
    stacked = np.column_stack(sums) if sums else np.zeros((length, 0))
    return stacked / np.maximum(count, 1)[:, None], count
