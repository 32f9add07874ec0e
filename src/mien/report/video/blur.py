"""Faces made unrecognisable, for pictures that leave the house."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from mien.core.table import FaceTable

BLOCKS = 5  # What is left of a face is 5 x 5 mean colours, less than any face recogniser needs.
MARGIN = 0.3  # of the box on each side: ears, hair line, chin, and a box that lags behind by a frame
HOLD = 1.0  # s before a face is first found and after it is last found


def blur_face(image: UInt8[np.ndarray, "h w 3"], box: Float[np.ndarray, " 4"]) -> None:
    """Replace the box and a margin around it, in place, by a few mean colours; this cannot be undone.

    Args:
        image: RGB, changed.
        box: x0, y0, x1, y1 in pixels; may reach over the edge.
    """
    height, width = image.shape[:2]
    margin = MARGIN * max(float(box[2] - box[0]), float(box[3] - box[1]), 0.0)
    left, top = (max(0, int(np.floor(side - margin))) for side in box[:2])
    right, bottom = min(width, int(np.ceil(box[2] + margin))), min(height, int(np.ceil(box[3] + margin)))
    if right <= left or bottom <= top:
        return
    part = image[top:bottom, left:right]
    coarse = cv2.resize(part, (min(BLOCKS, right - left), min(BLOCKS, bottom - top)), interpolation=cv2.INTER_AREA)
    part[:] = cv2.resize(coarse, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)


class FacePaths:
    """Where every known face is at any moment, also between and around the frames it was found in.

    A face that turns away for a moment is lost to the detector but not to the viewer: gaps are bridged by a straight
    line, and the first and last boxes are held for :data:`HOLD` seconds.
    """

    def __init__(self, table: FaceTable) -> None:
        order = np.lexsort((table.column("time"), table.column("track")))
        tracks, times = table.column("track")[order], table.column("time")[order]
        boxes = table.column("box")[order].astype(np.float64)
        cuts = np.flatnonzero(np.diff(tracks)) + 1
        self._times = np.split(times, cuts) if len(times) else []
        self._boxes = np.split(boxes, cuts) if len(times) else []

    def at(self, time: float) -> list[Float[np.ndarray, " 4"]]:
        """The boxes to hide at ``time`` seconds."""
        return [
            np.array([np.interp(time, times, boxes[:, side]) for side in range(4)])
            for times, boxes in zip(self._times, self._boxes, strict=True)
            if times[0] - HOLD <= time <= times[-1] + HOLD
        ]
