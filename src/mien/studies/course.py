"""One person's course through one film: a step function of time for every expression and signal.

A frame's values hold from its time until the next frame of the film. What was not readable, and what was excluded, is
a hole: it counts neither as shown nor as not shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float64, Int64

from mien.core.types import Span
from mien.report.edited import EXCLUDED, inside
from mien.studies.films import EXPRESSION, Film
from mien.studies.sheets import Exclusion


@dataclass(frozen=True, eq=False)
class Labelling:
    """Which label each row shows.

    Attributes:
        shown: number of the label; -1 for none.
        spans: number of the span that the row lies in; -1 for none.
    """

    shown: Int64[np.ndarray, " n"]
    spans: Int64[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class Course:
    """One person in one film, in order of time.

    Attributes:
        starts: when each frame begins, seconds.
        ends: when each frame ends.
        readable: whether its values count.
        values: of every row, a column each.
        raw: what the spans of the result show.
        reasons: why a row is unclear; empty otherwise.
        film_start: seconds at which the film begins.
        film_end: seconds at which it ends.
        corrected: values less the person's rest; None where nobody knows it.
        again: what spans cut from corrected values show; None likewise.
    """

    starts: Float64[np.ndarray, " n"]
    ends: Float64[np.ndarray, " n"]
    readable: Bool[np.ndarray, " n"]
    values: Float64[np.ndarray, "n c"]
    raw: Labelling
    reasons: tuple[str, ...]
    film_start: float
    film_end: float
    corrected: Float64[np.ndarray, "n c"] | None = None
    again: Labelling | None = None

    @property
    def seconds(self) -> Float64[np.ndarray, " n"]:
        """How long each frame lasts."""
        seconds: Float64[np.ndarray, " n"] = self.ends - self.starts
        return seconds

    @cached_property
    def knots(self) -> Float64[np.ndarray, " k"]:
        """Starts and ends of all frames in turn: the times at which an integral is known."""
        both = np.stack([self.starts, self.ends], axis=1).ravel()
        knots: Float64[np.ndarray, " k"] = np.maximum.accumulate(both)
        return knots

    def sums(self, values: Float64[np.ndarray, "n c"]) -> Float64[np.ndarray, "n+1 c"]:
        """The integral over time of ``values``, where readable, up to each frame; the last is all of it."""
        parts = np.where(self.readable[:, None], np.nan_to_num(values), 0.0) * self.seconds[:, None]
        return np.vstack([np.zeros((1, values.shape[1])), np.cumsum(parts, axis=0)])

    def between(
        self, sums: Float64[np.ndarray, "n+1 c"], edges: Float64[np.ndarray, " e"]
    ) -> Float64[np.ndarray, "e-1 c"]:
        """The integral between each two ``edges`` (seconds, ascending) of what has these :meth:`sums`."""
        if not len(self.starts):
            return np.zeros((len(edges) - 1, sums.shape[1]))
        knots = self.knots
        after = np.clip(np.searchsorted(knots, edges, side="right"), 1, len(knots) - 1)
        width = knots[after] - knots[after - 1]
        share = np.clip((edges - knots[after - 1]) / np.where(width > 0, width, 1.0), 0.0, 1.0)
        low, high = sums[after // 2], sums[(after + 1) // 2]  # every frame has two knots, its start and its end
        return np.diff(low + share[:, None] * (high - low), axis=0)


def course_of(film: Film, tracks: Sequence[int], excluded: Sequence[Exclusion] = ()) -> Course:
    """The course of the person with these ``tracks``; a frame whose middle is excluded counts for nothing."""
    rows = np.flatnonzero(np.isin(film.tracks, tracks))
    rows = rows[np.argsort(film.times[rows], kind="stable")]
    if len(rows):  # of two faces in one frame that are said to be one person, the first counts
        rows = rows[np.append(True, np.diff(film.times[rows]) > 0)]
    starts, ends = film.times[rows], film.ends[rows]
    ends = np.minimum(ends, np.append(starts[1:], np.inf))
    values = film.values[rows]
    reasons = [film.reasons[row] for row in rows]
    readable = ~np.isnan(values[:, film.columns.blocks[EXPRESSION]]).any(axis=1)
    middles = (starts + ends) / 2
    out = inside(middles, [one.stretch for one in excluded])
    readable &= ~out
    for row in np.flatnonzero(out):
        reasons[row] = EXCLUDED
    shown = np.where(readable, film.shown[rows], -1)
    places = _span_of(film.spans, film.tracks[rows], starts)
    raw = Labelling(shown, np.where(shown >= 0, places, -1))
    return Course(starts, ends, readable, values, raw, tuple(reasons), film.start, film.end)


def _span_of(
    spans: Sequence[Span], tracks: Int64[np.ndarray, " n"], times: Float64[np.ndarray, " n"]
) -> Int64[np.ndarray, " n"]:
    """For every row the number of the span it lies in, -1 where there is none."""
    answer = np.full(len(times), -1, np.int64)
    for track in np.unique(tracks):
        places = np.array(
            sorted((k for k, one in enumerate(spans) if one.track == track), key=lambda k: spans[k].start)
        )
        if len(places):
            rows = np.flatnonzero(tracks == track)
            begun = np.searchsorted([spans[k].start for k in places], times[rows] + 1e-9, side="right") - 1
            answer[rows] = np.where(begun < 0, -1, places[begun])
    return answer


def relabelled(
    course: Course, corrected: Float64[np.ndarray, "n c"], spans: Sequence[Span], labels: Sequence[str]
) -> Course:
    """``course`` with its corrected values, and the spans that were cut from them."""
    codes = {label: code for code, label in enumerate(labels)}
    places = _span_of(spans, np.ones(len(course.starts), np.int64), course.starts)
    named = np.array([*(codes.get(span.label, -1) for span in spans), -1], np.int64)
    shown = np.where(course.readable, named[places], -1)
    return replace(course, corrected=corrected, again=Labelling(shown, np.where(shown >= 0, places, -1)))
