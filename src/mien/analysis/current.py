"""What every face shows at this moment; the spans of :mod:`mien.analysis.live` are surer but come later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float64

from mien.analysis.live import LiveSpans
from mien.analysis.reading import Reading, read
from mien.analysis.settings import AnalysisSettings
from mien.analysis.smoothing import LOW_CONFIDENCE, SpanRule
from mien.analysis.upright import leaning
from mien.core.signals import Signal, by_name
from mien.core.types import UNCLEAR, Face, FaceCrop, Frame, Prediction, Span
from mien.models.network import Network

if TYPE_CHECKING:
    from mien.faces import Detector

HALF_LIFE = 0.3
"""Seconds after which a window's answer counts half as much as the newest one's."""
FORGET = 2.0
"""Seconds after which it does not count at all; but one that has just come, about the last frame, is never too old."""
NOT_YET = "not read yet"
"""Reason of a face whose first window is not over."""


@dataclass(frozen=True, eq=False, slots=True)
class FaceNow:
    """One face of the newest frame.

    Attributes:
        track: the person's number.
        face: box and five points, in pixels of the frame.
        label: expression shown now, or ``"unclear"``.
        score: its probability; None where unclear.
        reason: why it is unclear, else None.
        probabilities: mean of the last windows, newer ones counting more, one per label; None where nothing was read.
        signals: likewise the columns of what the model says beside; None where nothing was read.
    """

    track: int
    face: Face
    label: str
    score: float | None
    reason: str | None
    probabilities: Float64[np.ndarray, " c"] | None
    signals: Float64[np.ndarray, " k"] | None = None

    def to_dict(self, labels: Sequence[str], signals: Sequence[Signal] = ()) -> dict[str, Any]:
        """In the types of JSON: the box in pixels to a tenth, probabilities by label; signals, if any, by name."""
        rows = self.probabilities
        beside = None if self.signals is None else by_name(signals, self.signals)
        return {
            "track": self.track,
            "box": [round(float(side), 1) for side in self.face.box],
            "label": self.label,
            "score": None if self.score is None else round(self.score, 4),
            "reason": self.reason,
            "probabilities": None
            if rows is None
            else {label: round(float(row), 4) for label, row in zip(labels, rows, strict=True)},
            **({"signals": beside} if signals else {}),
        }


@dataclass(frozen=True, eq=False, slots=True)
class Now:
    """News of one frame.

    Attributes:
        frame: the frame; None when the source has ended.
        faces: who is in it, by number.
        ended: spans that became final with this frame, by start, then track.
    """

    frame: Frame | None
    faces: tuple[FaceNow, ...]
    ended: tuple[Span, ...]


def follow_live(
    frames: Iterable[Frame],
    network: Network,
    rule: SpanRule,
    settings: AnalysisSettings,
    detector: Detector | None = None,
) -> Iterator[Now]:
    """What is shown, frame by frame as they come; the last news has no frame and every span still open.

    Memory holds a few seconds of answers a face, however long the source lasts. A frame with a face seen for the first
    time is held back until a second detection confirms it (``settings.faces.detect_every`` frames at most).
    """
    pace = settings.pace(network.record)
    spans = LiveSpans(rule, pace.window, pace.step)
    faces = CurrentFaces(rule, network.record.signals)
    for reading in read(frames, network, settings, 1, detector):
        seen = faces.push(reading)
        yield Now(reading.frame, seen, tuple(spans.push(reading)))


class CurrentFaces:
    """A rolling mean of each person's last windows; of what is said of single looks the latest.

    Args:
        rule: labels, and the threshold under which a face is unclear.
        signals: what is said beside.
    """

    def __init__(self, rule: SpanRule, signals: Sequence[Signal] = ()) -> None:
        self._rule, self._signals = rule, signals
        self._answers: dict[int, list[Prediction]] = {}
        self._now = -np.inf

    def push(self, reading: Reading) -> tuple[FaceNow, ...]:
        """The faces of the reading's frame, by number; readings come in order."""
        if reading.frame is None:
            return ()
        before, self._now = self._now, reading.frame.time
        oldest = self._now - FORGET
        kept = {track: [one for one in some if one.end > oldest] for track, some in self._answers.items()}
        self._answers = {track: some for track, some in kept.items() if some}
        for answer in reading.predictions:
            if answer.end > oldest or answer.end >= before:
                self._answers.setdefault(answer.track, []).append(answer)
        return tuple(self._face(crop) for crop in sorted(reading.crops, key=lambda crop: crop.track))

    def _face(self, crop: FaceCrop) -> FaceNow:
        answers = self._answers.get(crop.track, [])
        reason = crop.quality.reason or (None if answers else NOT_YET)
        if reason is not None:
            return FaceNow(crop.track, crop.face, UNCLEAR, None, reason, None)
        ends = np.array([one.end for one in answers])
        weights = 0.5 ** ((ends.max() - ends) / HALF_LIFE)
        mean = np.average([one.probabilities for one in answers], axis=0, weights=weights)
        beside = np.average([one.signals for one in answers], axis=0, weights=weights)
        looks = answers[int(ends.argmax())].looks
        if looks is not None:
            beside = np.where(np.isfinite(looks.signals[-1]), looks.signals[-1], beside)
        beside = leaning(self._signals, beside[None], crop.face.points[None])[0]
        best = int(mean.argmax())
        if mean[best] < self._rule.threshold:
            return FaceNow(crop.track, crop.face, UNCLEAR, None, LOW_CONFIDENCE, mean, beside)
        return FaceNow(crop.track, crop.face, self._rule.labels[best], float(mean[best]), None, mean, beside)
