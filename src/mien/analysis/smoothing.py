"""From window predictions to spans that do not flicker. Pure NumPy; times in seconds.

Two steps. First every frame gets the mean of the windows that cover it, weighted by a triangle with its top at the
window's middle. Then one dynamic programme (Viterbi) labels all frames of a track at once. Its states are the
expressions, "low confidence", and every reason for which a face could not be read; it maximises

    expected seconds labelled rightly  -  cost x number of changes.

A frame of duration d is worth d x p(label) to an expression, d x threshold to "low confidence" (Chow's rule: naming an
expression pays only when it is right more often than the threshold) and, if it cannot be read, d to its reason and
nothing to any other state. Linear worth, unlike log-probabilities, is bounded by the frame's duration, which gives the
cost a plain meaning. With cost = min_span / 2:

* an expression that interrupts another lasts at least ``min_span`` seconds when certain, longer when doubtful
  (at half the margin, twice as long); at an edge, or between two different labels, half of that is enough;
* the mean probability of every named span is at least the threshold;
* an unreadable moment shorter than ``min_span`` does not cut a span in two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Float64, Int

from mien.core.absence import LEAST_MISSED, is_over
from mien.core.types import NEUTRAL, TIME_ROUNDING, UNCLEAR, Prediction, Span

LOW_CONFIDENCE = "low confidence"
AT_ONCE = 128
"""Frames whose sums are held as lists."""


@dataclass(frozen=True)
class SpanRule:
    """What turns probabilities into spans.

    Attributes:
        labels: expression names, in the order of the probabilities.
        threshold: probability below which no expression is named, in [0, 1].
        min_span: seconds an expression must last to interrupt another one (see the module's docstring).
        max_gap: seconds a face may be out of sight without ending its span (:mod:`mien.core.absence`).
    """

    labels: tuple[str, ...]
    threshold: float
    min_span: float
    max_gap: float


@dataclass(frozen=True, eq=False)
class TrackReadings:
    """All frames of one track, in order of time.

    Attributes:
        track: the person's number.
        starts: when each frame begins.
        ends: when each frame ends (>= starts; equal for a still picture).
        probabilities: one row a frame; NaN where the face could not be read.
        reasons: None where the face could be read, else why not.
        places: each frame's place in the row of all that were looked at; None where every second of a gap is known to
            have been looked at.
    """

    track: int
    starts: Float64[np.ndarray, " n"]
    ends: Float64[np.ndarray, " n"]
    probabilities: Float64[np.ndarray, "n c"]
    reasons: Sequence[str | None]
    places: Int[np.ndarray, " n"] | None = None

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def readable(self) -> Bool[np.ndarray, " n"]:
        """True where the face could be read."""
        return np.array([reason is None for reason in self.reasons], np.bool_)

    @property
    def weights(self) -> Float64[np.ndarray, " n"]:
        """Seconds each frame lasts; equal weights for a still, which lasts no time at all."""
        durations = self.ends - self.starts
        return durations if durations.sum() > 0 else np.ones(len(self))

    def part(self, begin: int, end: int) -> TrackReadings:
        """Frames ``begin`` up to, not including, ``end``."""
        cut = slice(begin, end)
        return TrackReadings(
            track=self.track,
            starts=self.starts[cut],
            ends=self.ends[cut],
            probabilities=self.probabilities[cut],
            reasons=list(self.reasons[cut]),
            places=None if self.places is None else self.places[cut],
        )


def frame_probabilities(
    starts: Float64[np.ndarray, " n"], ends: Float64[np.ndarray, " n"], predictions: Sequence[Prediction]
) -> Float64[np.ndarray, "n c"]:
    """Probabilities of each frame: the triangle-weighted mean of the windows over its middle.

    A frame whose middle no window covers (it stands longer than its neighbours) takes the nearest window to its start.
    ``starts`` must ascend. Raises ValueError when there is no prediction.
    """
    return _frame_means(starts, ends, predictions, [one.probabilities for one in predictions])


def frame_signals(
    starts: Float64[np.ndarray, " n"], ends: Float64[np.ndarray, " n"], predictions: Sequence[Prediction]
) -> Float64[np.ndarray, "n k"]:
    """What the model says beside of each frame.

    Means as those of :func:`frame_probabilities`; but where it was said of single crops
    (:attr:`mien.core.types.Prediction.looks`), that, along straight lines from one to the next.
    """
    means = _frame_means(starts, ends, predictions, [one.signals for one in predictions])
    looks = [one.looks for one in predictions if one.looks is not None]
    if looks:
        times, first = np.unique(np.concatenate([one.times for one in looks]), return_index=True)
        rows = np.concatenate([one.signals for one in looks])[first]
        for column in np.flatnonzero(np.isfinite(rows[0])):
            means[:, column] = np.interp(starts, times, rows[:, column])
    return means


def _frame_means(
    starts: Float64[np.ndarray, " n"],
    ends: Float64[np.ndarray, " n"],
    predictions: Sequence[Prediction],
    rows: Sequence[Float[np.ndarray, " m"]],
) -> Float64[np.ndarray, "n m"]:
    """Means of ``rows``, one a prediction."""
    if not predictions:
        raise ValueError("frames cannot be given probabilities without any prediction")
    middles = (starts + ends) / 2
    total, weight = np.zeros((len(starts), len(rows[0]))), np.zeros(len(starts))
    for prediction, row in zip(predictions, rows, strict=True):
        first, last = np.searchsorted(middles, [prediction.start, prediction.end], side="left")
        if prediction.start == prediction.end:
            last = np.searchsorted(middles, prediction.end, side="right")
        inside = _triangle(middles[first:last], prediction.start, prediction.end)
        total[first:last] += inside[:, None] * row
        weight[first:last] += inside
    for frame in np.flatnonzero(weight == 0):
        total[frame], weight[frame] = rows[_nearest(starts[frame], predictions)], 1.0
    return total / weight[:, None]


def _triangle(times: Float64[np.ndarray, " n"], start: float, end: float) -> Float64[np.ndarray, " n"]:
    half = (end - start) / 2
    # The floor keeps a frame at the very edge of the only window that covers it.
    return np.maximum(1 - np.abs(times - (start + end) / 2) / max(half, 1e-9), 1e-3)


def _nearest(time: float, predictions: Sequence[Prediction]) -> int:
    """The place of the prediction that is."""
    return min(range(len(predictions)), key=lambda n: max(predictions[n].start - time, time - predictions[n].end))


def best_path(worth: Float64[np.ndarray, "n s"], cost: float) -> Int[np.ndarray, " n"]:
    """The state of each frame that maximises the sum of worths minus ``cost`` for every change of state."""
    frames, states = worth.shape
    totals = np.empty((frames, states))
    total = [0.0] * states
    for begin in range(0, frames, AT_ONCE):  # of ten numbers, lists take half the time of arrays
        before = []
        for row in worth[begin : begin + AT_ONCE].tolist():
            before.append(total)
            jump = max(total) - cost
            total = [(jump if jump > stay else stay) + more for stay, more in zip(total, row, strict=True)]
        totals[begin : begin + AT_ONCE] = before
    best = totals.argmax(axis=1)
    jumps = totals.max(axis=1) - cost
    came_from = np.where(jumps[:, None] > totals, best[:, None], np.arange(states)).astype(np.min_scalar_type(states))
    path = np.empty(frames, np.intp)
    state = int(np.argmax(total))
    for frame in range(frames - 1, -1, -1):
        path[frame] = state
        state = int(came_from[frame, state])
    return path


def track_spans(readings: TrackReadings, rule: SpanRule) -> list[Span]:
    """The spans of one track: sorted, disjoint, covering its frames and the gaps that :func:`is_over` forgives."""
    return [span for part in unbroken(readings, rule) for span in _unbroken_spans(part, rule)]


def unbroken(readings: TrackReadings, rule: SpanRule) -> list[TrackReadings]:
    """The stretches of a track between gaps that :func:`is_over` does not forgive, in order; none of no frames."""
    if not len(readings):
        return []
    gaps = readings.starts[1:] - readings.ends[:-1]
    missed = np.full(len(gaps), LEAST_MISSED) if readings.places is None else np.diff(readings.places) - 1
    limit = rule.max_gap + TIME_ROUNDING
    over = [int(place) + 1 for place in np.flatnonzero(gaps > limit) if is_over(gaps[place], int(missed[place]), limit)]
    cuts = [0, *over, len(readings)]
    return [readings.part(begin, end) for begin, end in pairwise(cuts)]


def _unbroken_spans(readings: TrackReadings, rule: SpanRule) -> list[Span]:
    reasons = sorted({reason for reason in readings.reasons if reason})
    states = [*((label, None) for label in rule.labels), *((UNCLEAR, why) for why in (LOW_CONFIDENCE, *reasons))]
    path = best_path(_worth(readings, rule.threshold, reasons), rule.min_span / 2)
    cuts = [0, *(np.flatnonzero(np.diff(path)) + 1).tolist(), len(path)]
    # A short gap up to the next frame belongs to the span before it.
    times = [*readings.starts[cuts[:-1]].tolist(), float(readings.ends[-1])]
    return [
        _span(readings.part(*part), start, stop, int(path[part[0]]), states)
        for part, (start, stop) in zip(pairwise(cuts), pairwise(times), strict=True)
    ]


def _worth(readings: TrackReadings, threshold: float, reasons: list[str]) -> Float64[np.ndarray, "n s"]:
    """What each frame is worth to each state: the labels, low confidence, then ``reasons``."""
    readable = readings.readable
    named = np.where(readable[:, None], np.nan_to_num(readings.probabilities), 0.0)
    doubtful = np.where(readable, threshold, 0.0)
    unread = [np.array([reason == name for reason in readings.reasons], np.float64) for name in reasons]
    worth: Float64[np.ndarray, "n s"] = np.column_stack([named, doubtful, *unread]) * readings.weights[:, None]
    return worth


def _span(
    readings: TrackReadings, start: float, end: float, state: int, states: Sequence[tuple[str, str | None]]
) -> Span:
    label, reason = states[state]
    means = _mean_probabilities(readings)
    score = means.max() if label == UNCLEAR else means[state]
    neutral = next((place for place, (name, _) in enumerate(states[: len(means)]) if name == NEUTRAL), None)
    intensity = None if neutral is None or not means.any() else float(1 - means[neutral])
    return Span(readings.track, start, end, label, float(score), label == UNCLEAR, reason, intensity)


def _mean_probabilities(readings: TrackReadings) -> Float64[np.ndarray, " c"]:
    """Mean over the readable frames, weighted by duration; zeros when there is none."""
    weights = np.where(readings.readable, readings.weights, 0.0)
    if not weights.sum():
        return np.zeros(readings.probabilities.shape[1])
    means: Float64[np.ndarray, " c"] = (weights / weights.sum()) @ np.nan_to_num(readings.probabilities)
    return means.clip(0.0, 1.0)
