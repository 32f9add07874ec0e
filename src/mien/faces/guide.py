"""Between two detections a face follows the picture's motion: five points and a grid, from frame to frame.

Pyramidal Lucas-Kanade (Bouguet 2000, in OpenCV) forward and back again; places that do not come home are dropped, and
the rest vote for one similarity (turn, scale, shift) by least absolute error. It costs a thirtieth of a detection by
MTCNN. Where it cannot say, it says so and the caller detects.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from mien.core.errors import InputError
from mien.core.types import Face
from mien.faces.align import Motion, motion_of, moved, turn_and_shift

WINDOW = (11, 11)
"""Pixels around a place that are matched. 15 take half as long again, and from one detection to the next, on four real
clips, they leave as much between followed and measured points: 0.036 eye distances."""
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
FINE_SIZE = 96
"""Pixels of a face's shorter side that are fine enough to follow it by: a picture that shows it twice as large is
halved."""
MARGIN, MOST_MARGIN = 16, 64
"""Pixels around a face that are matched with it, beside the half of its size by which it may move, and at most: motions
that are larger are not found."""

Grey = UInt8[np.ndarray, "h w"]
Places = Float32[np.ndarray, "n 2"]


class Guide:
    """Carries faces from one grey picture to the next. Faces and pictures share one scale; the caller rescales."""

    def __init__(self) -> None:
        self._last: Grey | None = None

    def see(self, grey: Grey) -> None:
        """Remember the picture that the next faces to carry were seen in."""
        self._last = grey

    def carry(self, grey: Grey, faces: Sequence[Face]) -> list[Face] | None:
        """Where ``faces`` of the last picture are in ``grey``; None when any of them cannot be followed for sure."""
        if self._last is None or self._last.shape != grey.shape:
            return None
        if not faces:
            return []
        carried = []
        for face in faces:
            start = _places(face)
            end, good = _follow_near(self._last, grey, face.size, start)
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


def _follow_near(before: Grey, after: Grey, size: float, places: Places) -> tuple[Places, Bool[np.ndarray, " n"]]:
    """:func:`_follow` around a face of this size, in pictures that are halved while it stays large enough."""
    halvings = max(0, math.floor(math.log2(max(size, 1) / FINE_SIZE)))
    unit = 2**halvings
    margin = (min(MOST_SHIFT * size / unit, MOST_MARGIN) + MARGIN) * unit
    low = np.maximum(np.floor((places.min(0) - margin) / unit), 0).astype(int) * unit
    high = np.ceil(np.maximum(places.max(0) + margin, 0)).astype(int)
    where = slice(low[1], high[1]), slice(low[0], high[0])
    part_before, part_after = _halved(before[where], halvings), _halved(after[where], halvings)
    if not part_before.size:
        return places, np.zeros(len(places), np.bool_)
    # Whole numbers are pixel centres: a place x of the picture lies at (x - low + 0.5) / unit - 0.5 of the part.
    shift = low - 0.5 + 0.5 * unit
    ends, home = _follow(part_before, part_after, np.asarray((places - shift) / unit, np.float32))
    return np.asarray(ends * unit + shift, np.float32), home


def _halved(picture: Grey, times: int) -> Grey:
    """``picture`` by means of two by two pixels, ``times`` over; odd last rows and columns are left out."""
    for _ in range(times):
        height, width = (side // 2 for side in picture.shape)
        if not (height and width):
            return picture[:0, :0]
        picture = cv2.resize(picture[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    return picture


def _follow(before: Grey, after: Grey, places: Places) -> tuple[Places, Bool[np.ndarray, " n"]]:
    """Where places went, and which of them come home when followed back."""
    ends, there = _flow(before, after, places)
    starts, back = _flow(after, before, ends)
    return ends, there & back & (np.linalg.norm(starts - places, axis=1) < RETURN)


def _flow(before: Grey, after: Grey, places: Places) -> tuple[Places, Bool[np.ndarray, " n"]]:
    # OpenCV's stub asks for nextPts, its code takes None for "start from the places themselves".
    ends, found, _ = cv2.calcOpticalFlowPyrLK(before, after, places, None, winSize=WINDOW, maxLevel=LEVELS)  # type: ignore[call-overload]
    return ends, found[:, 0] == 1


def _agreed(start: Places, end: Places, size: float) -> Motion | None:
    """The similarity of least absolute error (by reweighting), or None when it is no face's motion."""
    if len(start) < LEAST_PLACES:
        return None
    p, q = (places[:, 0] + 1j * places[:, 1] for places in (start.astype(np.float64), end.astype(np.float64)))
    weights = np.ones(len(start))
    for _ in range(ROUNDS):
        try:
            turn, move = turn_and_shift(p, q, weights / weights.sum())
        except InputError:
            return None
        errors = np.abs(turn * p + move - q)
        weights = 1 / np.maximum(errors, 0.1)
    growth = abs(turn)
    shift = float(np.linalg.norm(np.median(end - start, axis=0)))
    misfit = float(np.median(errors))
    steady = 1 / MOST_GROWTH < growth < MOST_GROWTH and shift < MOST_SHIFT * size and misfit < MOST_MISFIT * size
    return motion_of(turn, move) if steady else None


def _after(face: Face, motion: Motion) -> Face:
    """``face`` after ``motion``; its box stays upright, so only its centre and scale follow."""
    centre = moved((face.box[None, :2] + face.box[None, 2:]) / 2, motion)[0]
    half = (face.box[2:] - face.box[:2]) / 2 * np.hypot(motion[0, 0], motion[1, 0])
    box = np.concatenate([centre - half, centre + half]).astype(np.float32)
    return Face(box, face.score, moved(face.points, motion), measured=False)
