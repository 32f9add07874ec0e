"""A still picture without a face is looked at again: with a border around it, larger, and turned.

Detectors want some background around a face: of portraits and the crops of data sets that end at brow and chin MTCNN
misses many, and of tiny ones YuNet. Measured on 1,028 web pictures of one face each, choosing the looks on them: no
face in 70 at the first look and 12 after these by MTCNN (profiles and smears), in 9 and 6 by YuNet. Of 1,200 parts of
pictures without a face (textures, things, an animal) these looks took one for a face by MTCNN, a cat's, none by YuNet.

Nor do they know faces that lie: of scans, and of people in bed. Of every eighth of those pictures, turned by one, two
and three quarters, MTCNN finds one in a hundred at the first look and 98 when the picture is turned back, two of them
the wrong way up; none of 720 parts without a face is taken for one (`tools/second_looks.py`).
"""

from __future__ import annotations

from itertools import compress
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from mien.core.types import Face
from mien.faces.align import TEMPLATE
from mien.faces.detectors import Detector, enlarged, shrunk


class Look(NamedTuple):
    """One way to look.

    Attributes:
        border: its width as a share of the picture's shorter side.
        grey: whether the border is grey, or else goes on as the picture's edge.
        stretched: whether the picture's greys are spread from black to white.
        least: pixels to which a smaller picture's shorter side is enlarged.
    """

    border: float
    grey: bool = False
    stretched: bool = False
    least: int = 0


LOOKS = (
    Look(0.35),
    Look(0.5, grey=True, stretched=True),
    Look(1.0, grey=True, stretched=True),
    Look(0.5, least=160),
)
"""In this order, until one finds a face."""
TURNED = (Look(0.0), Look(0.35))
"""Of the picture turned by quarters, where none of :data:`LOOKS` finds a face for sure: scans, and people who lie."""
LEAST_SCORE = 0.75
"""Of a face that the first look did not find. YuNet gives enlarged gravel up to 0.69, a cat 0.74; MTCNN 0.9 or more."""
LEAST_TURNED = 0.95
"""Of a face in a picture that had to be turned: of those without one MTCNN gives some up to 0.95."""
LEAST_TURNED_OF = {"yunet": 0.8}
"""The same, of detectors whose scores are lower, by their names."""
SURE = 0.99
"""Of a face that stands upright, for whose sake the picture is not turned: lying ones are taken for such up to that."""
MOST_ENLARGED = 640
"""Pixels of the longer side up to which a picture is enlarged."""
GREY = (127, 127, 127)


def look_again(
    detector: Detector, image: UInt8[np.ndarray, "h w 3"], detect_height: int, upright: bool = False
) -> list[Face]:
    """Faces of a still in which the first look, at the same ``detect_height``, found none.

    They are in the picture's own pixels, and boxes and points may reach over its edge; their middle is inside. Faces
    that lie have points as they would have upright: their first eye is then not the one on the picture's left.

    Args:
        upright: whether faces that lie are not looked for.
    """
    small, scale = shrunk(image, detect_height)
    found = _upright(detector, small)
    if not upright and _surest(found) < SURE:
        found = max(found, *(_turned(detector, small, turns) for turns in (1, 2, 3)), key=_surest)
    return enlarged(found, scale)


def whole_picture(image: UInt8[np.ndarray, "h w 3"]) -> Face:
    """A picture that is the crop of one face as that face: its aligned crop is the picture, its score 0."""
    height, width = image.shape[:2]
    sides = np.array([width, height], np.float32)
    return Face(np.array([0, 0, width, height], np.float32), 0.0, TEMPLATE * sides - np.float32(0.5))


def _factor(image: UInt8[np.ndarray, "h w 3"], least: int) -> float:
    """How much larger it must be for a shorter side of ``least`` pixels, the longer one kept within bounds."""
    height, width = image.shape[:2]
    return float(max(1.0, min(least / min(height, width), MOST_ENLARGED / max(height, width))))


def _upright(detector: Detector, image: UInt8[np.ndarray, "h w 3"]) -> list[Face]:
    """What the first of :data:`LOOKS` finds that finds any, in the picture's pixels."""
    for look in LOOKS:
        factor = _factor(image, look.least)
        if look.least and factor == 1.0:
            continue  # it would be the look before
        if found := _bordered(detector, image, look, factor):
            return found
    return []


def _surest(faces: list[Face]) -> float:
    return max((face.score for face in faces), default=0.0)


def _bordered(detector: Detector, image: UInt8[np.ndarray, "h w 3"], look: Look, factor: float) -> list[Face]:
    """Faces of a picture in its pixels, found with a border around it and enlarged by ``factor``."""
    if look.stretched:
        image = _stretched(image)
    if factor > 1.0:
        height, width = image.shape[:2]
        image = cv2.resize(image, (round(width * factor), round(height * factor)), interpolation=cv2.INTER_LINEAR)
    size = np.array(image.shape[1::-1])
    border = round(look.border * int(size.min()))
    kind = cv2.BORDER_CONSTANT if look.grey else cv2.BORDER_REPLICATE
    framed = cv2.copyMakeBorder(image, border, border, border, border, kind, value=GREY)
    found = [face for face in detector.detect(framed) if face.score >= LEAST_SCORE]
    faces = [Face(face.box - border, face.score, face.points - border) for face in found]
    middles = [(face.box[:2] + face.box[2:]) / 2 for face in faces]
    inside = [(middle > 0).all() and (middle < size).all() for middle in middles]
    return enlarged(list(compress(faces, inside)), factor)


def _turned(detector: Detector, image: UInt8[np.ndarray, "h w 3"], turns: int) -> list[Face]:
    """Faces of the picture after so many quarter turns against the clock, in the pixels of the picture itself."""
    turned = np.ascontiguousarray(np.rot90(image, turns))
    least = LEAST_TURNED_OF.get(detector.name, LEAST_TURNED)
    for look in TURNED:
        if found := [face for face in _bordered(detector, turned, look, 1.0) if face.score >= least]:
            return [_turned_back(face, turns, image.shape[1], image.shape[0]) for face in found]
    return []


def _turned_back(face: Face, turns: int, width: int, height: int) -> Face:
    """A face of a picture of ``width`` and ``height`` that was turned, in that picture's pixels."""

    def back(places: Float32[np.ndarray, "n 2"]) -> Float32[np.ndarray, "n 2"]:
        for turn in reversed(range(turns)):
            across = (width, height)[turn % 2] - 1
            places = np.stack([across - places[:, 1], places[:, 0]], axis=1)
        return places

    corners = back(face.box.reshape(2, 2))
    return Face(np.concatenate([corners.min(axis=0), corners.max(axis=0)]), face.score, back(face.points))


def _stretched(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """``image`` with its darkest hundredth black and its brightest white."""
    dark, bright = np.percentile(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), (1, 99))
    factor = 255 / max(bright - dark, 1.0)
    return np.asarray(cv2.addWeighted(image, factor, image, 0.0, -dark * factor), np.uint8)
