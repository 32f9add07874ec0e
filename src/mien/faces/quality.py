"""Can this face be read? Size, sharpness and yaw decide; a face that fails is abstained from, never guessed at."""

from __future__ import annotations

import math

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from mien.core.types import Face, Quality
from mien.faces.settings import FaceSettings

SIDE = 48
"""Side in pixels of the grey crop sharpness is measured on: one side for all, so that a threshold means one thing."""

NOISE = 0.7
"""Standard deviation in pixels (at SIDE) of the smoothing before all else: grain on a blurred face is no detail."""

COARSE = 3.0
"""Standard deviation in pixels (at SIDE) of the smoothing whose residue is called detail."""

CONTRAST = 10.0
"""Grey levels of standard deviation that the detail is brought to, so that neither dim light nor a plain face (no
teeth, no beard) is taken for blur."""

NOSE_DEPTH = 0.45
"""How far the nose tip stands before the line between the eyes, in eye distances, on a mean adult head."""


def judge(face: Face, crop: UInt8[np.ndarray, "3 s s"], settings: FaceSettings) -> Quality:
    """Measure one aligned face and name the first gate it fails, if any.

    Args:
        face: where it was found, in pixels of the source.
        crop: the aligned crop, RGB.
        settings: the gates' thresholds.
    """
    return gated(face, sharpness(crop), settings)


def gated(face: Face, sharp: float, settings: FaceSettings) -> Quality:
    """Likewise of a face whose crop has this :func:`sharpness`."""
    size, turn, reason = face.size, yaw(face.points), None
    if size < settings.min_size:
        reason = "too small"
    elif abs(turn) > settings.max_yaw:
        reason = "turned away"
    elif sharp < settings.min_sharpness:
        reason = "blurred"
    return Quality(size, sharp, turn, reason)


def sharpness(crop: UInt8[np.ndarray, "3 s s"]) -> float:
    """Variance of the Laplacian at :data:`SIDE` px, its detail brought to :data:`CONTRAST`; in squared grey levels.

    Only the middle three quarters of the crop count: a sharp background around a blurred face must not rescue it. A
    crop without detail has 0. Measured on crops of 112 px: sharp video 65 to 93, soft webcam 44 to 51; sharp video
    blurred by a Gaussian of 2 px 36 to 56, of 3 px 25 to 34, of 4 px 18 to 22, with grain 1 more at most. Faces of
    24 px in the source have 29 to 54.
    """
    grey = cv2.cvtColor(np.ascontiguousarray(crop.transpose(1, 2, 0)), cv2.COLOR_RGB2GRAY).astype(np.float32)
    way = cv2.INTER_AREA if grey.shape[0] > SIDE else cv2.INTER_LINEAR
    small = cv2.GaussianBlur(cv2.resize(grey, (SIDE, SIDE), interpolation=way), (0, 0), NOISE)
    middle = slice(SIDE // 8, -(SIDE // 8))
    detail = float((small - cv2.GaussianBlur(small, (0, 0), COARSE))[middle, middle].std())
    if detail < 0.25:  # rounding to whole grey levels alone leaves about 0.2
        return 0.0
    edges = cv2.Laplacian(small, cv2.CV_32F)[middle, middle]
    return float(edges.var()) * (CONTRAST / detail) ** 2


def yaw(points: Float[np.ndarray, "5 2"]) -> float:
    """Degrees from frontal, positive when the nose points to the picture's right; within [-90, 90].

    A head turned by a shows its eyes cos(a) apart and its nose tip NOSE_DEPTH * sin(a) beside their middle (in eye
    distances, seen from afar), so tan(a) = offset / (distance * NOSE_DEPTH). Roll is taken out by measuring along the
    line between the eyes. An estimate: people's noses differ, and points of faces beyond 60 degrees are guesses.
    """
    left, right, nose = (np.asarray(point, np.float64) for point in points[:3])
    along = right - left
    distance = float(np.hypot(*along))
    if not math.isfinite(distance) or distance < 1e-6:
        return 90.0
    offset = float((nose - (left + right) / 2) @ along) / distance
    return math.degrees(math.atan2(offset, distance * NOSE_DEPTH))
