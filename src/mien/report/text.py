"""Lettering on pictures with OpenCV's own fonts: sized in pixels."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8

from mien.core.names import printable
from mien.report.palette import Colour

FONT = cv2.FONT_HERSHEY_SIMPLEX
PIXELS_PER_SCALE = 30.0


def text_width(text: str, size: float) -> int:
    """Pixels that ``text`` takes at a font size of ``size`` pixels."""
    return int(cv2.getTextSize(_drawable(text), FONT, size / PIXELS_PER_SCALE, _thickness(size))[0][0])


def put_text(
    image: UInt8[np.ndarray, "h w 3"], text: str, place: tuple[float, float], size: float, colour: Colour
) -> None:
    """Write ``text`` into ``image`` in place; ``place`` is the left end of the baseline, ``size`` the font's pixels."""
    corner = round(place[0]), round(place[1])
    scale, thickness = size / PIXELS_PER_SCALE, _thickness(size)
    cv2.putText(image, _drawable(text), corner, FONT, scale, colour, thickness, cv2.LINE_AA)


def _thickness(size: float) -> int:
    return max(1, round(size / 24))


def _drawable(text: str) -> str:
    # OpenCV 4 knows only ASCII; a file name in another script keeps its length. OpenCV 5 dies of what is no UTF-8.
    return text.encode("ascii", "replace").decode("ascii") if cv2.__version__.startswith("4.") else printable(text)
