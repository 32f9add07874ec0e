"""Regions of the face, drawn from its 68 points.

Points in the order of iBUG 300-W: jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, mouth 48-67. Regions do not overlap.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float64

from mien.core.action_units import REGIONS, Region

POLYGONS: dict[Region, tuple[tuple[int, ...], ...]] = {
    "eyes": (tuple(range(36, 42)), tuple(range(42, 48))),
    "mouth": (tuple(range(48, 60)),),
    "brows": (tuple(range(17, 22)), tuple(range(22, 27))),
    "nose": (tuple(range(27, 36)),),
    "chin": ((5, 6, 7, 8, 9, 10, 11, 54, 55, 56, 57, 58, 59, 48),),
    "cheeks": ((1, 2, 3, 4, 5, 48, 31, 39, 40, 41, 36), (15, 14, 13, 12, 11, 54, 35, 42, 47, 46, 45)),
}
"""Corners of each region's parts; a pixel in two regions belongs to the one named first."""
MARGINS: dict[Region, float] = {"eyes": 0.10, "mouth": 0.12, "brows": 0.12, "nose": 0.06, "chin": 0.0, "cheeks": 0.0}
"""Points trace lids, lips and brows themselves; the skin that moves with them reaches this much farther (distances
between the eyes' middles)."""
FINENESS = 4


def region_masks(points: Float[np.ndarray, "t 68 2"], side: int) -> dict[Region, Bool[np.ndarray, "t s s"]]:
    """Which pixels of crops of ``side`` pixels belong to which region.

    Args:
        points: x, y as shares of the crop's side.
        side: of the crops, in pixels.
    """
    frames = [_masks(frame, side) for frame in np.asarray(points, np.float64)]
    return {region: np.stack([frame[region] for frame in frames]) for region in REGIONS}


def _masks(points: Float64[np.ndarray, "68 2"], side: int) -> dict[Region, Bool[np.ndarray, "s s"]]:
    fine = side * FINENESS
    places = points * fine
    apart = float(np.linalg.norm(places[36:42].mean(0) - places[42:48].mean(0)))
    taken = np.zeros((side, side), np.bool_)
    masks: dict[Region, Bool[np.ndarray, "s s"]] = {}
    for region, parts in POLYGONS.items():
        drawn = np.zeros((fine, fine), np.uint8)
        for part in parts:
            corners = places[list(part)]
            outline = corners if region in ("chin", "cheeks") else cv2.convexHull(corners.astype(np.float32))[:, 0]
            cv2.fillPoly(drawn, [np.rint(outline).astype(np.int32)], 1)
        drawn = _grown(drawn, MARGINS[region] * apart)
        # A pixel belongs where more than half of it lies.
        inside = drawn.reshape(side, FINENESS, side, FINENESS).mean(axis=(1, 3)) > 0.5
        masks[region] = inside & ~taken
        taken |= inside
    return masks


def _grown(drawn: np.ndarray, margin: float) -> np.ndarray:
    width = round(margin)
    if width < 1:
        return drawn
    return cv2.dilate(drawn, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width + 1, 2 * width + 1)))


def outline_mask(points: Float[np.ndarray, "68 2"], side: int) -> Bool[np.ndarray, "s s"]:
    """Which pixels of a crop the face has: all that its outermost points enclose; ``points`` as shares of the side."""
    drawn = np.zeros((side, side), np.uint8)
    hull = cv2.convexHull((np.asarray(points) * side - 0.5).astype(np.float32))[:, 0]
    cv2.fillConvexPoly(drawn, np.rint(hull).astype(np.int32), 1)
    found: Bool[np.ndarray, "s s"] = drawn.astype(np.bool_)
    return found
