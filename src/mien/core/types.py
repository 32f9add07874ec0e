"""One frozen value type per stage of the flow.

Units everywhere: time in seconds on the source's own clock, boxes and points in pixels of the frame they were found in,
images uint8 RGB, scores and probabilities in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, UInt8

Region = tuple[float, float, float, float]
"""A part of every frame of a source: x0, y0, x1, y1 in pixels of the upright frame, right and lower edge excluded."""


TIME_ROUNDING = 1e-6
"""Seconds: times are read from streams in whole ticks and rounded to floats; a tick is never this fine."""


def nothing() -> Float64[np.ndarray, " 0"]:
    """A row without columns: what a model says beside the expression when it says nothing."""
    return np.zeros(0)


NO_PIXELS: UInt8[np.ndarray, "0 0 3"] = np.zeros((0, 0, 3), np.uint8)
"""In the place of a picture that is not there."""
NO_PIXELS.flags.writeable = False


@dataclass(frozen=True, eq=False, slots=True)
class Frame:
    """One picture of a source.

    Attributes:
        index: position in the stream as decoded, from 0 (frames skipped on purpose keep their number).
        time: seconds on the source's own clock, which is what players show of a film; never index / fps.
        image: RGB, upright (rotation metadata applied); 0 x 0 where it is yet to be made.
        later: makes the image, of a frame whose pixels may not be needed (:meth:`developed`); None: it is there.
    """

    index: int
    time: float
    image: UInt8[np.ndarray, "h w 3"]
    later: Callable[[], UInt8[np.ndarray, "h w 3"]] | None = None

    def developed(self) -> Frame:
        """The frame with its image."""
        return self if self.later is None else replace(self, image=self.later(), later=None)


@dataclass(frozen=True, eq=False, slots=True)
class Face:
    """One face in one frame.

    Attributes:
        box: x0, y0, x1, y1; may reach over the frame's edge.
        score: the detector's confidence.
        points: x, y of the eye on the picture's left, the eye on its right, nose tip, and the mouth corners on the
            picture's left and right: the order MTCNN and YuNet share.
        measured: False when the face was carried here between two detections.
    """

    box: Float32[np.ndarray, " 4"]
    score: float
    points: Float32[np.ndarray, "5 2"]
    measured: bool = True

    @property
    def size(self) -> float:
        """The shorter side of the box, in pixels."""
        return float(min(self.box[2] - self.box[0], self.box[3] - self.box[1]))


@dataclass(frozen=True, slots=True)
class Quality:
    """What can make a face unreadable.

    Attributes:
        size: shorter side of the box, pixels.
        sharpness: variance of the Laplacian of the aligned grey crop, in squared grey levels.
        yaw: degrees from frontal, positive when the nose points to the picture's right; an estimate from 5 points.
        reason: why the face must be abstained from (``"too small"``, ``"blurred"``, ``"turned away"``), or None.
    """

    size: float
    sharpness: float
    yaw: float
    reason: str | None = None


@dataclass(frozen=True, eq=False, slots=True)
class FaceCrop:
    """One aligned face: what training and use both hand to the network.

    Attributes:
        track: the person's number within the source, from 1.
        index: frame number, as :attr:`Frame.index`.
        time: seconds, as :attr:`Frame.time`.
        face: where it was found.
        image: aligned square crop, RGB.
        quality: the gates' measurements.
        looked: False in a frame that was not looked at: the face lies between its places in the looks before and after,
            image and sharpness are those of the look before.
    """

    track: int
    index: int
    time: float
    face: Face
    image: UInt8[np.ndarray, "3 s s"]
    quality: Quality
    looked: bool = True


@dataclass(frozen=True, eq=False, slots=True)
class FaceClip:
    """t crops of one track, the network's unit of video.

    Attributes:
        track: the person's number.
        images: RGB crops, in time order.
        times: seconds of each crop.
        indices: frame number of each crop.
        valid: False where a place was filled with a copy of a neighbour (padding at the end of a short track).
        start: seconds from which this clip's prediction counts.
        end: seconds up to which it counts (the last crop's time plus one frame's duration).
    """

    track: int
    images: UInt8[np.ndarray, "t 3 s s"]
    times: Float64[np.ndarray, " t"]
    indices: tuple[int, ...]
    valid: Bool[np.ndarray, " t"]
    start: float
    end: float


@dataclass(frozen=True, eq=False, slots=True)
class Looks:
    """What a network itself says of a clip's single crops beside the expression.

    Attributes:
        times: seconds of each crop.
        signals: a row a crop; NaN in the columns of what is derived.
    """

    times: Float64[np.ndarray, " t"]
    signals: Float[np.ndarray, "t k"]


@dataclass(frozen=True, eq=False, slots=True)
class Prediction:
    """The network's answer for one clip.

    Attributes:
        track: the person's number.
        start: seconds.
        end: seconds, >= start.
        probabilities: calibrated, one per label, sums to 1.
        signals: the columns of what the model says beside (:mod:`mien.core.signals`).
        looks: the same of single crops, of an image model.
    """

    track: int
    start: float
    end: float
    probabilities: Float[np.ndarray, " c"]
    signals: Float[np.ndarray, " k"] = field(default_factory=nothing)
    looks: Looks | None = None


@dataclass(frozen=True, eq=False, slots=True)
class FaceRow:
    """One face in one frame, as ``frames.csv`` has it.

    Attributes:
        index: frame number.
        time: seconds.
        track: the person's number.
        face: box, score, points.
        quality: the gates' measurements.
        probabilities: smoothed, one per label; None where the face was abstained from.
        signals: likewise the columns of what the model says beside; None where the face was abstained from.
    """

    index: int
    time: float
    track: int
    face: Face
    quality: Quality
    probabilities: Float[np.ndarray, " c"] | None
    signals: Float[np.ndarray, " k"] | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in which one person shows one expression.

    Attributes:
        track: the person's number, from 1.
        start: seconds.
        end: seconds, > start; equal to it for a still picture, which lasts no time.
        label: expression name, or ``"unclear"`` when abstained.
        score: mean probability of the label over the span's readable frames (of the likeliest label when unclear);
            0.0 when no frame could be read.
        abstained: True where mien declines to name an expression.
        reason: why it abstained (``"low confidence"``, ``"too small"``, ``"blurred"``, ``"turned away"``,
            ``"covered"``), else None.
        intensity: how far from neutral: 1 - P(neutral), the mean over the readable frames, in [0, 1]; None when no
            frame could be read, or the model does not know neutral.
    """

    track: int
    start: float
    end: float
    label: str
    score: float
    abstained: bool = False
    reason: str | None = None
    intensity: float | None = None


NEUTRAL = "neutral"
UNCLEAR = "unclear"
