"""Lettering on pictures with OpenCV's own fonts: sized in pixels, readable on any background."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import UInt8

from mien.report.palette import Colour

FONT = cv2.FONT_HERSHEY_SIMPLEX
PIXELS_PER_SCALE = 30.0


def text_width(text: str, size: float) -> int:
    """Pixels that ``text`` takes at a font size of ``size`` pixels."""
    return int(cv2.getTextSize(_ascii(text), FONT, size / PIXELS_PER_SCALE, _thickness(size))[0][0])


def put_text(
    image: UInt8[np.ndarray, "h w 3"],
    text: str,
    place: tuple[float, float],
    size: float,
    colour: Colour,
    outline: Colour | None = None,
) -> None:
    """Write ``text`` into ``image`` in place; ``place`` is the left end of the baseline, ``size`` the font's pixels."""
    x, y = round(place[0]), round(place[1])
    if outline is not None:
        reach = max(1, round(size / 12))
        for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)):
            _write(image, text, (x + dx * reach, y + dy * reach), size, outline)
    _write(image, text, (x, y), size, colour)


def _write(image: UInt8[np.ndarray, "h w 3"], text: str, place: tuple[int, int], size: float, colour: Colour) -> None:
    cv2.putText(image, _ascii(text), place, FONT, size / PIXELS_PER_SCALE, colour, _thickness(size), cv2.LINE_AA)


def _thickness(size: float) -> int:
    return max(1, round(size / 24))


def _ascii(text: str) -> str:
    # OpenCV 4 draws nothing else; a file name in another script keeps its length.
    return text.replace("–", "-").replace("·", "-").encode("ascii", "replace").decode("ascii")
