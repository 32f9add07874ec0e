"""Scene cuts: where one picture does not go on from the last, no face may inherit a number."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

THUMB = (32, 18)
"""Width and height of the pictures compared: small enough that a moving hand or head stays within a cell or two."""

LEAST_CORRELATION = 0.52
"""Below this two thumbnails show different scenes. Measured on seven real clips: within a shot never under 0.93 from
one frame to the next (0.74 at 5, 0.60 at 2 pictures a second); across cuts to another scene never over 0.45."""

LEAST_APART = 0.45
"""The same for frames that are far apart in time: within a shot never under 0.49 at 2 pictures a second to one in ten
seconds."""

LEAST_CHANGE = 6.0
"""Mean grey levels that must change: pictures of noise or one colour correlate badly and are no cut."""


class CutDetector:
    """Compares each picture with the last: correlation of thumbnails, blind to brightness and contrast (a flash)."""

    def __init__(self) -> None:
        self._last: Float32[np.ndarray, "h w"] | None = None

    def push(self, grey: UInt8[np.ndarray, "h w"], apart: bool = False) -> bool:
        """True when ``grey`` starts a new scene; False for the first picture.

        ``apart`` says that so much time has passed since the last picture that a scene changes meanwhile.
        """
        thumb = _thumb(grey)
        starts = self._starts(thumb, LEAST_APART if apart else LEAST_CORRELATION)
        self._last = thumb
        return starts

    def ahead(self, grey: UInt8[np.ndarray, "h w"]) -> bool:
        """What :meth:`push` would say; the last picture stays the last."""
        return self._starts(_thumb(grey), LEAST_CORRELATION)

    def _starts(self, thumb: Float32[np.ndarray, "h w"], least: float) -> bool:
        if self._last is None:
            return False
        change = float(np.abs(thumb - self._last).mean())
        return change > LEAST_CHANGE and correlation(thumb, self._last) < least


def _thumb(grey: UInt8[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    return cv2.resize(grey, THUMB, interpolation=cv2.INTER_AREA).astype(np.float32)


def correlation(a: Float32[np.ndarray, "*s"], b: Float32[np.ndarray, "*s"]) -> float:
    """Pearson's correlation of two pictures' values, in [-1, 1]; one colour correlates with nothing (0)."""
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / norm if norm > 1e-6 * a.size else 0.0
