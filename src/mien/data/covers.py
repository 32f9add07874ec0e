"""Parts of a face covered as things in the world cover it, drawn from its 68 points: mask, glasses, headset, hand.

Whoever wears a headset or a mask, or holds a hand before the mouth, is read worse; a grey band
(``mien.evaluation.corruptions``) is a coarse stand-in for it. Points are shares of the crop's side in the
order of iBUG 300-W: a landmark net's, found on the face before it is covered, or those of an ordinary face.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from mien.faces.mean_face import MEAN_FACE

Clip = UInt8[np.ndarray, "t 3 h w"]
Corruption = Callable[[Clip, int], Clip]
"""What spoils the aligned crops of a clip; the number seeds whatever is random."""
GREY = 127
Part = Literal["mask", "glasses", "headset", "hand"]
Texture = Literal["grey", "skin", "noise"]
PARTS: tuple[Part, ...] = ("mask", "glasses", "headset", "hand")
TEXTURES: tuple[Texture, ...] = ("grey", "skin", "noise")
PointFinder = Callable[[Clip], Float[np.ndarray, "t 68 2"]]

MASK = (*range(2, 15), 29)
"""Along the jaw and up to the middle of the nose."""
EYES = (tuple(range(36, 42)), tuple(range(42, 48)))
BRIDGE = (39, 42)
BROWS, NOSE = tuple(range(17, 27)), 29
CHEEKS = ((2, 3, 4, 48, 31), (14, 13, 12, 54, 35))
FRAME = 0.1
"""How far glasses reach beyond the eyes, and half the bridge's height, in shares of the distance between their outer
corners; likewise how far a headset reaches above the brows."""
HAND = 0.25
"""Of the crop's area; the seed chooses where on the face, how long and how turned."""


def ordinary(clip: Clip) -> Float[np.ndarray, "t 68 2"]:
    """The points of an ordinary face, whatever the crops show."""
    return np.broadcast_to(MEAN_FACE, (len(clip), *MEAN_FACE.shape))


def cover(clip: Clip, seed: int, *, part: Part, texture: Texture = "grey", find: PointFinder = ordinary) -> Clip:
    """Cover one part of every frame.

    Args:
        clip: aligned crops.
        seed: of the hand's place and of noise; a hand rests where it is throughout a clip.
        part: which.
        texture: grey; skin, the median colour of the person's cheeks; or noise in every pixel.
        find: where the points lie.
    """
    covered = clip.copy()
    for number, (image, points) in enumerate(zip(covered, find(clip), strict=True)):
        mask = covered_pixels(np.asarray(points, np.float64), image.shape[-1], part, seed)
        image[:, mask] = _colours(clip[number], points, int(mask.sum()), texture, seed + number)
    return covered


def covered_pixels(points: Float[np.ndarray, "68 2"], side: int, part: Part, seed: int = 0) -> Bool[np.ndarray, "s s"]:
    """Which pixels of a crop of ``side`` pixels a part covers."""
    drawn: np.ndarray = np.zeros((side, side), np.uint8)
    places = points * side - 0.5  # whole numbers are the middles of pixels
    wide = float(np.linalg.norm(points[45] - points[36]))
    if part == "mask":
        cv2.fillPoly(drawn, [_whole(places[list(MASK)])], 1)
    elif part == "glasses":
        for eye in EYES:
            cv2.fillConvexPoly(drawn, cv2.convexHull(_whole(places[list(eye)])), 1)
        radius = max(1, round(FRAME * wide * side))
        drawn = cv2.dilate(drawn, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)))
        ends = [tuple(_whole(places[point]).tolist()) for point in BRIDGE]
        cv2.line(drawn, ends[0], ends[1], 1, max(1, radius))
    elif part == "headset":
        top, bottom = points[list(BROWS), 1].min() - FRAME * wide, points[NOSE, 1]
        drawn[max(0, round(top * side)) : max(0, round(bottom * side))] = 1
    else:
        rng = np.random.default_rng(seed)
        middle = points[27] + rng.uniform(-0.5, 0.5, 2) * np.ptp(points, axis=0) * (0.8, 0.6) + (0, 0.15)
        longer = rng.uniform(1.2, 2.0)
        axis = side * (HAND / np.pi / longer) ** 0.5
        centre = tuple(_whole(middle * side - 0.5).tolist())
        cv2.ellipse(drawn, centre, (round(axis * longer), round(axis)), rng.uniform(0, 180), 0, 360, 1, -1)
    found: Bool[np.ndarray, "s s"] = drawn.astype(np.bool_)
    return found


def _whole(places: Float[np.ndarray, "*n 2"]) -> np.ndarray:
    whole: np.ndarray = np.rint(places).astype(np.int32)
    return whole


def _colours(
    image: UInt8[np.ndarray, "3 s s"], points: Float[np.ndarray, "68 2"], count: int, texture: Texture, seed: int
) -> np.ndarray:
    """What covers ``count`` pixels, (3, count) or to be spread over them."""
    if texture == "grey":
        return np.full((3, 1), GREY, np.uint8)
    if texture == "noise":
        rng = np.random.default_rng([seed, 1])
        return rng.integers(0, 256, (3, count), np.uint8)
    side = image.shape[-1]
    cheeks = np.zeros((side, side), np.uint8)
    cv2.fillPoly(cheeks, [_whole(points[list(corners)] * side - 0.5) for corners in CHEEKS], 1)
    skin = image[:, cheeks.astype(np.bool_)]
    # A face turned out of the crop has no cheek in it.
    colour: np.ndarray = np.median(skin if skin.size else image.reshape(3, -1), axis=1, keepdims=True)
    return colour.astype(np.uint8)


def covers(find: PointFinder = ordinary) -> Mapping[str, Corruption]:
    """Every part in every texture, by the name that tables give it."""
    return {
        f"{part}, {texture}": partial(cover, part=part, texture=texture, find=find)
        for part in PARTS
        for texture in TEXTURES
    }
