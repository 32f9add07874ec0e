"""Spans as they end, while the source still runs.

Every ``step`` seconds the last few seconds of each track are decoded as :func:`mien.analysis.smoothing.track_spans`
does for a whole video. A span is handed out once it lies far enough back that nothing to come can move its end. What
has been decided about the span that is still going on is folded into stand-in frames: one for its readable part, one
each for the reasons. A frame's worth is linear in its duration, so folding does not change later decisions, and an
hour of one expression takes no more room than a second.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from mien.analysis.reading import Reading
from mien.analysis.smoothing import SpanRule, TrackReadings, frame_probabilities, track_spans
from mien.core.types import Prediction, Span

SETTLING = 1.0  # s of decided frames that stay unfolded, so that the boundary before them can still move


@dataclass
class _Moment:
    """A frame, or a stand-in for several; its place in the row of all frames is that of the last."""

    start: float
    end: float
    place: int
    reason: str | None
    probabilities: np.ndarray | None = None


@dataclass
class _LiveTrack:
    moments: list[_Moment] = field(default_factory=list)
    predictions: list[Prediction] = field(default_factory=list)


class LiveSpans:
    """Turns readings, in order, into ended spans.

    Args:
        rule: as for a whole video.
        window: seconds a window spans.
        step: seconds between two looks at what has ended.
    """

    def __init__(self, rule: SpanRule, window: float, step: float) -> None:
        self._rule, self._step = rule, step
        # After this long every window over a frame has been answered, even if its track was lost.
        self._wait = window + rule.max_gap
        self._tracks: dict[int, _LiveTrack] = {}
        self._open: list[_Moment] = []
        self._now, self._next_look = 0.0, step
        self._place = 0  # frames so far

    def push(self, reading: Reading) -> list[Span]:
        """Spans that have ended, by start, then track; the last reading (no frame) hands out all that is left."""
        for prediction in reading.predictions:
            self._track(prediction.track).predictions.append(prediction)
        if reading.frame is None:
            return self._look(last=True)
        for moment in self._open:
            moment.end = reading.frame.time
        now, before = reading.frame.time, self._now if self._place else reading.frame.time
        self._now, self._place = now, self._place + 1
        self._open = [_Moment(now, now + (now - before), self._place, crop.quality.reason) for crop in reading.crops]
        for crop, moment in zip(reading.crops, self._open, strict=True):
            self._track(crop.track).moments.append(moment)
        if self._now < self._next_look:
            return []
        self._next_look = self._now + self._step
        return self._look(last=False)

    def _track(self, number: int) -> _LiveTrack:
        return self._tracks.setdefault(number, _LiveTrack())

    def _look(self, last: bool) -> list[Span]:
        ended: list[Span] = []
        for number, track in list(self._tracks.items()):
            gone = last or (bool(track.moments) and track.moments[-1].end < self._now - self._wait)
            ended += self._ended(number, track, gone)
            if gone:
                del self._tracks[number]
        return sorted(ended, key=lambda span: (span.start, span.track))

    def _ended(self, number: int, track: _LiveTrack, gone: bool) -> list[Span]:
        until = np.inf if gone else self._now - self._wait
        ready = [moment for moment in track.moments if moment.end <= until]
        unanswered = not track.predictions and any(_is_fresh(moment) for moment in ready)
        if not ready or (unanswered and not gone):
            return []
        spans = track_spans(_readings(number, ready, track.predictions, len(self._rule.labels)), self._rule)
        if gone:
            return spans
        settled = ready[-1].end - max(SETTLING, 2 * self._rule.min_span)
        ended = [span for span in spans[:-1] if span.end <= settled]
        going_on = spans[len(ended)]
        self._fold(track, going_on.start, min(going_on.end, settled))
        return ended

    def _fold(self, track: _LiveTrack, start: float, end: float) -> None:
        """Forget what lies before ``start``; put stand-ins in the place of the moments from there to ``end``."""
        kept = [moment for moment in track.moments if moment.start >= start]
        inside = [moment for moment in kept if moment.end <= end]
        track.moments = [*_stand_ins(inside), *kept[len(inside) :]]
        oldest = next((moment.start for moment in track.moments if _is_fresh(moment)), self._now)
        track.predictions = [one for one in track.predictions if one.end >= oldest - self._wait]


def _is_fresh(moment: _Moment) -> bool:
    return moment.reason is None and moment.probabilities is None


def _readings(number: int, moments: list[_Moment], predictions: list[Prediction], classes: int) -> TrackReadings:
    """The moments as a track, their probabilities filled in (and noted) where they can be read."""
    fresh = [moment for moment in moments if _is_fresh(moment)]
    if fresh:
        starts, ends = np.array([moment.start for moment in fresh]), np.array([moment.end for moment in fresh])
        for moment, row in zip(fresh, frame_probabilities(starts, ends, predictions), strict=True):
            moment.probabilities = row
    unread = np.full(classes, np.nan)
    return TrackReadings(
        track=number,
        starts=np.array([moment.start for moment in moments]),
        ends=np.array([moment.end for moment in moments]),
        probabilities=np.array([unread if one.probabilities is None else one.probabilities for one in moments]),
        reasons=[moment.reason for moment in moments],
        places=np.array([moment.place for moment in moments]),
    )


def _stand_ins(moments: list[_Moment]) -> list[_Moment]:
    """One moment for each reason among ``moments`` (None: readable) that lasts as long as those it stands for."""
    stand_ins: list[_Moment] = []
    clock = moments[0].start if moments else 0.0
    for reason in dict.fromkeys(moment.reason for moment in moments):
        own = [moment for moment in moments if moment.reason == reason]
        lengths = np.array([moment.end - moment.start for moment in own])
        rows = [moment.probabilities for moment in own if moment.probabilities is not None]
        mean = lengths @ np.stack(rows) / lengths.sum() if rows else None
        stand_ins.append(_Moment(clock, clock + float(lengths.sum()), moments[-1].place, reason, mean))
        clock += float(lengths.sum())
    if stand_ins:
        stand_ins[-1] = replace(stand_ins[-1], end=moments[-1].end)
    return stand_ins
