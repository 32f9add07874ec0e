"""What one person showed in a stretch of time, as numbers: share, count, mean, extremes, area, latencies.

docs/study.md says which of them answers which question. Every one rests on the readable seconds of the stretch alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from mien.studies.course import Course, Labelling
from mien.studies.films import EXPRESSION, Columns

OF_LABELS = ("share", "count", "time_to_first")
"""Of what spans show: expressions only."""
OF_VALUES = ("mean", "min", "max", "area", "time_to_peak")
"""Of probabilities and signals."""
RAW, CORRECTED = "raw", "corrected"
AFTER = "_corrected"

Row = Float64[np.ndarray, " c"]


@dataclass(frozen=True, eq=False)
class Measured:
    """A stretch, or several of a kind together.

    Attributes:
        windows: how many stretches.
        seconds: how long they are, inside of the film.
        readable: seconds in which the face could be read.
        values: measure, with ``_corrected`` for corrected scores -> a number a column; NaN where there is none.
    """

    windows: int
    seconds: float
    readable: float
    values: Mapping[str, Row]

    @property
    def readable_share(self) -> float:
        """Readable seconds as a share of all; NaN of nothing."""
        return self.readable / self.seconds if self.seconds > 0 else float("nan")


def measure(course: Course, columns: Columns, begin: float, end: float) -> Measured:
    """What is shown from ``begin`` to ``end`` (seconds). Latencies count from ``begin``."""
    low, high = np.searchsorted(course.ends, begin, side="right"), np.searchsorted(course.starts, end, side="left")
    part = slice(int(low), int(max(low, high)))
    starts = np.maximum(course.starts[part], begin)
    weights = np.where(course.readable[part], np.minimum(course.ends[part], end) - starts, 0.0).clip(0.0)
    away = starts - begin
    values = _values(course.values[part], weights, away)
    values |= _labels(course.raw, part, weights, away, columns)
    if course.corrected is not None and course.again is not None:
        again = _values(course.corrected[part], weights, away)
        again |= _labels(course.again, part, weights, away, columns)
        values |= {f"{name}{AFTER}": row for name, row in again.items()}
    inside = max(min(end, course.film_end) - max(begin, course.film_start), 0.0)
    return Measured(1, inside, float(weights.sum()), values)


def _values(
    values: Float64[np.ndarray, "n c"], weights: Float64[np.ndarray, " n"], away: Float64[np.ndarray, " n"]
) -> dict[str, Row]:
    rows = weights > 0
    if not rows.any():
        return {name: np.full(values.shape[1], np.nan) for name in OF_VALUES}
    held, seconds = values[rows], weights[rows]
    area = seconds @ held
    return {
        "mean": area / seconds.sum(),
        "min": held.min(axis=0),
        "max": held.max(axis=0),
        "area": area,
        "time_to_peak": np.where(np.isnan(held).any(axis=0), np.nan, away[rows][held.argmax(axis=0)]),
    }


def _labels(
    given: Labelling,
    part: slice,
    weights: Float64[np.ndarray, " n"],
    away: Float64[np.ndarray, " n"],
    columns: Columns,
) -> dict[str, Row]:
    answer = {name: np.full(len(columns.names), np.nan) for name in OF_LABELS}
    rows = weights > 0
    if not rows.any():
        return answer
    shown, spans, seconds = given.shown[part][rows], given.spans[part][rows], weights[rows]
    classes = len(columns.labels)
    place = columns.blocks[EXPRESSION]
    named = shown >= 0
    answer["share"][place] = np.bincount(shown[named], seconds[named], classes) / seconds.sum()
    pairs = np.unique(np.stack([shown[named], spans[named]]), axis=1)
    answer["count"][place] = np.bincount(pairs[0], minlength=classes)
    labels, firsts = np.unique(shown[named], return_index=True)
    answer["time_to_first"][place][labels] = away[rows][named][firsts]
    return answer


def together(parts: Sequence[Measured]) -> Measured:
    """Several stretches as one kind.

    Shares and means are over all readable seconds, counts are summed, and the others are means over the stretches in
    which there is such a number: a maximum over many trials would grow with their number.
    """
    readable = np.array([part.readable for part in parts])
    values = {}
    for name in parts[0].values:
        rows = np.stack([part.values[name] for part in parts])
        kind = name.removesuffix(AFTER)
        weights = np.where(np.isnan(rows), 0.0, readable[:, None] if kind in ("share", "mean") else 1.0)
        sums, count = (np.nan_to_num(rows) * weights).sum(axis=0), weights.sum(axis=0)
        mean = np.divide(sums, count, out=np.full(sums.shape, np.nan), where=count > 0)
        values[name] = np.where(count > 0, sums, np.nan) if kind == "count" else mean
    return Measured(
        windows=sum(part.windows for part in parts),
        seconds=sum(part.seconds for part in parts),
        readable=float(readable.sum()),
        values=values,
    )
