"""Where on a face the action units of an expression show: heat maps drawn from its 68 points, without a label more.

After "Guided Interpretable Facial Expression Recognition via Spatial Action Unit Cues" (Belharbi et al., arXiv
2402.00281), "cues": every unit is one or two filled ellipses at landmarks of a crop of 224 pixels, made small (28 x
28), blurred by a 3 x 3 box and enlarged again; a map is the largest of its units, scaled to [0, 1].

What differs, unless ``mirrored=False`` asks for their computation: points are not cut to whole pixels; sizes grow with
the crop; a turned head's boxes keep their size; and the right side is the left one's mirror image, which it is not in
three of theirs (upper lip raiser, lip stretcher, chin raiser).

Points in the order of iBUG 300-W, as shares of the crop's side. Which units make an expression is the paper's codebook,
broader than :data:`mien.core.action_units.EXPECTATIONS`; neutral and contempt have none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Float32

from mien.core.labels import canonical

SIDE = 224
"""Pixels of the crop that sizes below are for."""
SMALL = 28
"""Side of the map in which units are blurred."""
RADIUS, FULL, EMPTY = 20.0, 255.0, 1e-4
BITS = 4
"""Binary places of a pixel that OpenCV draws to."""


@dataclass(frozen=True)
class Spot:
    """One ellipse.

    Attributes:
        x: points, the mean of whose x is the centre's.
        y: likewise of y.
        wide: half axis across, in pixels of a crop of :data:`SIDE`; None: half of how far the last of ``x`` lies right
            of the first.
        high: likewise down, and by ``y``.
        right: pixels that the centre is moved to the right.
        down: likewise down.
        more: pixels that the half axis down grows by.
        least: pixels of a half axis that would be 0.
    """

    x: tuple[int, ...]
    y: tuple[int, ...]
    wide: float | None = RADIUS
    high: float | None = RADIUS
    right: float = 0.0
    down: float = 0.0
    more: float = 0.0
    least: float = 5.0


def _at(point: int, wide: float = RADIUS, high: float = RADIUS, right: float = 0.0, down: float = 0.0) -> Spot:
    return Spot((point,), (point,), wide, high, right, down)


def _eyes(more: float) -> tuple[Spot, ...]:
    return (
        Spot((36, 39), (38, 41), None, None, more=more),
        Spot((42, 45), (44, 47), None, None, more=more),
    )


_BROW, _CHEEK, _LOWER = (SIDE / 8, SIDE / 10), (SIDE / 10, SIDE / 10), SIDE / 6
_CORNERS = (_at(48), _at(54))
_MOUTH = (Spot((48, 54), (51, 57), None, None),)
SPOTS: dict[int, tuple[Spot, ...]] = {
    1: (_at(20, *_BROW), _at(23, *_BROW)),
    2: (_at(18, *_BROW), _at(25, *_BROW)),
    4: (Spot((19, 24), (19, 24), None, None, least=10.0),),
    5: _eyes(0.0),
    6: (_at(41, *_CHEEK, down=_LOWER), _at(46, *_CHEEK, down=_LOWER)),
    7: _eyes(10.0),
    9: (Spot((31,), (29,)), Spot((35,), (29,))),
    10: (Spot((48,), (50,)), Spot((54,), (52,))),
    12: _CORNERS,
    14: (_at(48, right=-RADIUS), _at(54, right=RADIUS)),
    15: _CORNERS,
    16: (_at(59), _at(55)),
    17: (Spot((59, 8), (59, 8), None, None), Spot((55, 8), (55, 8), None, None)),
    20: (Spot((48, 6), (48, 6)), Spot((54, 10), (54, 10))),
    23: _MOUTH,
    24: _MOUTH,
    25: (_at(51, 25.0, 10.0), _at(57, 25.0, 10.0)),
    26: _MOUTH,
    27: _MOUTH,
    43: _eyes(10.0),
}
"""By number in FACS."""
AS_RELEASED: dict[int, tuple[Spot, ...]] = {
    **SPOTS,
    10: (Spot((48,), (50,)), Spot((52,), (54,))),
    17: (Spot((59, 8), (59, 8), None, None),),
    20: (Spot((48, 6), (48, 6)), Spot((50, 10), (50, 10))),
}
CODEBOOK: dict[str, tuple[int, ...]] = {
    "anger": (4, 5, 7, 10, 17, 23, 24, 25, 26),
    "disgust": (5, 9, 16, 17, 25, 26),
    "fear": (1, 2, 4, 5, 20, 25, 26, 27),
    "happiness": (6, 12, 25),
    "sadness": (1, 4, 6, 15, 17),
    "surprise": (1, 2, 5, 26, 27),
}
"""The units of each expression, after the paper."""


def cue_map(
    points: Float[np.ndarray, "68 2"], label: str, side: int = SIDE, mirrored: bool = True
) -> Float32[np.ndarray, "s s"] | None:
    """Where the units of an expression show, in [0, 1]; None for one that has none.

    Args:
        points: as shares of the crop's side; may lie beyond it.
        label: of the expression.
        side: of the map in pixels, >= 28.
        mirrored: the right side as the left one; False: as the authors' code draws it.
    """
    units = CODEBOOK.get(canonical(label))
    return None if units is None else units_map(points, units, side, mirrored)


def units_map(
    points: Float[np.ndarray, "68 2"], units: Sequence[int], side: int = SIDE, mirrored: bool = True
) -> Float32[np.ndarray, "s s"]:
    """Likewise of some units, at least one, by number in FACS."""
    drawn = [unit_map(points, unit, side, mirrored) for unit in units]
    # Of one picture after the other: where units overlap the largest counts, not their sum.
    enlarged = [cv2.resize(_blurred(one), (side, side), interpolation=cv2.INTER_LINEAR) for one in drawn]
    whole = np.maximum.reduce(enlarged)
    low, high = float(whole.min()), float(whole.max())
    scaled: Float32[np.ndarray, "s s"] = (whole - low) / max(high - low, 1e-9)
    return scaled


def unit_map(
    points: Float[np.ndarray, "68 2"], unit: int, side: int = SIDE, mirrored: bool = True
) -> Float32[np.ndarray, "28 28"]:
    """Where one unit shows, before it is blurred: from 0 to 255."""
    spots = (SPOTS if mirrored else AS_RELEASED)[unit]
    places = np.asarray(points, np.float64) * side
    picture = np.full((side, side), EMPTY, np.float32)
    for spot in spots:
        centre, axes = _ellipse(spot, places, side / SIDE, whole=not mirrored)
        # Whole numbers are the middles of pixels: half a pixel lies between them and shares of a side.
        shift = 0.0 if not mirrored else 0.5
        scaled = [[round((value - shift) * 2**BITS) for value in centre], [round(value * 2**BITS) for value in axes]]
        cv2.ellipse(picture, scaled[0], scaled[1], 0, 0, 360, FULL, -1, cv2.LINE_8, BITS)
    small: Float32[np.ndarray, "28 28"] = cv2.resize(picture, (SMALL, SMALL), interpolation=cv2.INTER_LINEAR)
    return small


def _ellipse(
    spot: Spot, places: Float[np.ndarray, "68 2"], scale: float, whole: bool
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Centre and half axes in pixels; ``whole``: cut to whole ones after every step, as released."""
    x, y = places[list(spot.x), 0], places[list(spot.y), 1]
    if whole:
        x, y = np.trunc(x), np.trunc(y)
    axes = []
    for given, values, more in ((spot.wide, x, 0.0), (spot.high, y, spot.more)):
        half = (values[-1] - values[0]) / 2 if given is None else given * scale
        half = np.trunc(half).clip(0) if whole else abs(half)
        axes.append((float(half) or spot.least * scale) + more * scale)
    moved = x.mean() + spot.right * scale, y.mean() + spot.down * scale
    centre = (float(np.trunc(moved[0])), float(np.trunc(moved[1]))) if whole else (float(moved[0]), float(moved[1]))
    return centre, (axes[0], axes[1])


def _blurred(small: Float32[np.ndarray, "28 28"]) -> Float32[np.ndarray, "28 28"]:
    blurred: Float32[np.ndarray, "28 28"] = cv2.blur(small, (3, 3))
    return blurred
