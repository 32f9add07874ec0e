"""Between two detections a face follows the picture's motion: five points and a grid, from frame to frame.

Pyramidal Lucas-Kanade (Bouguet 2000, in OpenCV) forward and back again; places that do not come home are dropped, and
the rest vote for one similarity (turn, scale, shift) by least absolute error. It costs a thirtieth of a detection by
MTCNN. Where it cannot say, it says so and the caller detects.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from mien.core.errors import InputError
from mien.core.types import Face
from mien.faces.align import Motion, moved, similarity

WINDOW = (15, 15)
"""Pixels around a place that are matched."""
LEVELS = 3
"""Pyramid levels above the first: motions of about 60 px are found."""
INSIDE = np.stack(np.meshgrid(np.linspace(0.15, 0.85, 5), np.linspace(0.15, 0.85, 5)), axis=-1).reshape(-1, 2)
"""Places followed beside the five points, as shares of the box's sides."""
RETURN = 1.0
"""Pixels by which a place may miss its start after the way there and back."""
LEAST_PLACES = 8
"""Places that must come home; a similarity has 4 unknowns and every place gives 2 numbers."""
ROUNDS = 6
"""Rounds of reweighting; a mouth that moves alone then pulls the eyes by under a tenth of its own way."""
MOST_SHIFT, MOST_GROWTH, MOST_MISFIT = 0.5, 1.25, 0.03
"""What is still a face's motion from one frame to the next: its centre moves by half its size, it grows or shrinks by a
quarter, and half of the places agree on it within 3 % of its size."""

Places = Float32[np.ndarray, "n 2"]


class Guide:
    """Carries faces from one grey picture to the next. Faces and pictures share one scale; the caller rescales."""

    def __init__(self) -> None:
        self._last: UInt8[np.ndarray, "h w"] | None = None

    def see(self, grey: UInt8[np.ndarray, "h w"]) -> None:
        """Remember the picture that the next faces to carry were seen in."""
        self._last = grey

    def carry(self, grey: UInt8[np.ndarray, "h w"], faces: Sequence[Face]) -> list[Face] | None:
        """Where ``faces`` of the last picture are in ``grey``; None when any of them cannot be followed for sure.

        All are followed in one call, since OpenCV builds its pyramids anew in each.
        """
        if self._last is None or self._last.shape != grey.shape:
            return None
        if not faces:
            return []
        places = np.stack([_places(face) for face in faces])
        ends, home = _follow(self._last, grey, places.reshape(-1, 2))
        carried = []
        for face, start, end, good in zip(
            faces, places, ends.reshape(places.shape), home.reshape(len(faces), -1), strict=True
        ):
            motion = _agreed(start[good], end[good], face.size)
            if motion is None:
                return None
            carried.append(_after(face, motion))
        return carried


def _places(face: Face) -> Places:
    """The five points and a grid over the box's inside (its rim shows background).

    A grid and not the best corners: those crowd on teeth and eyes, so that a smile would move the whole face.
    """
    corner, sides = face.box[:2], face.box[2:] - face.box[:2]
    return np.concatenate([face.points, corner + INSIDE * sides]).astype(np.float32)


def _follow(
    before: UInt8[np.ndarray, "h w"], after: UInt8[np.ndarray, "h w"], places: Places
) -> tuple[Places, Bool[np.ndarray, " n"]]:
    """Where places went, and which of them come home when followed back."""
    ends, there = _flow(before, after, places)
    starts, back = _flow(after, before, ends)
    return ends, there & back & (np.linalg.norm(starts - places, axis=1) < RETURN)


def _flow(
    before: UInt8[np.ndarray, "h w"], after: UInt8[np.ndarray, "h w"], places: Places
) -> tuple[Places, Bool[np.ndarray, " n"]]:
    # OpenCV's stub asks for nextPts, its code takes None for "start from the places themselves".
    ends, found, _ = cv2.calcOpticalFlowPyrLK(before, after, places, None, winSize=WINDOW, maxLevel=LEVELS)  # type: ignore[call-overload]
    return ends, found[:, 0] == 1


def _agreed(start: Places, end: Places, size: float) -> Motion | None:
    """The similarity of least absolute error (by reweighting), or None when it is no face's motion."""
    if len(start) < LEAST_PLACES:
        return None
    weights = np.ones(len(start))
    for _ in range(ROUNDS):
        try:
            motion = similarity(start, end, weights)
        except InputError:
            return None
        errors = np.linalg.norm(moved(start, motion) - end, axis=1)
        weights = 1 / np.maximum(errors, 0.1)
    growth = float(np.hypot(motion[0, 0], motion[1, 0]))
    shift = float(np.linalg.norm(np.median(end - start, axis=0)))
    misfit = float(np.median(errors))
    steady = 1 / MOST_GROWTH < growth < MOST_GROWTH and shift < MOST_SHIFT * size and misfit < MOST_MISFIT * size
    return motion if steady else None


def _after(face: Face, motion: Motion) -> Face:
    """``face`` after ``motion``; its box stays upright, so only its centre and scale follow."""
    centre = moved((face.box[None, :2] + face.box[None, 2:]) / 2, motion)[0]
    half = (face.box[2:] - face.box[:2]) / 2 * np.hypot(motion[0, 0], motion[1, 0])
    box = np.concatenate([centre - half, centre + half]).astype(np.float32)
    return Face(box, face.score, moved(face.points, motion), measured=False)
