"""A map by regions of the face, drawn from the 68 points, and its overlap with the regions that theory expects.

Points in the order of iBUG 300-W: jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, mouth 48-67. Regions do not overlap;
what none of them covers (forehead, hair, background) is ``elsewhere``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float64

from mien.core.action_units import REGIONS, Region

ELSEWHERE = "elsewhere"
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


@dataclass(frozen=True)
class RegionScore:
    """What a map gives a region.

    Attributes:
        share: of the map's total, in [0, 1]; NaN where the map is zero everywhere.
        area: of the crop, in [0, 1].
        mean: of the map over the region, in the map's unit; NaN for a region without a pixel.
    """

    share: float
    area: float
    mean: float


@dataclass(frozen=True)
class Overlap:
    """How a map agrees with the regions that theory expects.

    Attributes:
        iou: intersection over union of the expected regions and as many of the map's strongest pixels, in [0, 1].
        chance: the IoU that as many pixels taken at random would have.
        correlation: Pearson, of the map with the expected regions as 0 and 1, in [-1, 1]; NaN for a flat map.
    """

    iou: float
    chance: float
    correlation: float


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


def region_scores(
    values: Float64[np.ndarray, "t s s"], masks: dict[Region, Bool[np.ndarray, "t s s"]]
) -> dict[str, RegionScore]:
    """A map's share and mean in every region and elsewhere; shares sum to 1, and so do areas."""
    rest = ~np.logical_or.reduce(list(masks.values()))
    total = float(values.sum())
    return {name: _score(values, mask, total) for name, mask in [*masks.items(), (ELSEWHERE, rest)]}


def _score(values: Float64[np.ndarray, "t s s"], mask: Bool[np.ndarray, "t s s"], total: float) -> RegionScore:
    inside = float(values[mask].sum())
    count = int(mask.sum())
    return RegionScore(
        share=inside / total if total else np.nan, area=float(mask.mean()), mean=inside / count if count else np.nan
    )


def overlap(
    values: Float64[np.ndarray, "t s s"], masks: dict[Region, Bool[np.ndarray, "t s s"]], expected: Sequence[Region]
) -> Overlap:
    """How ``values`` agree with the ``expected`` regions (at least one), over all frames of the clip.

    Raises:
        ValueError: no region is expected.
    """
    if not expected:
        raise ValueError("no region is expected; there is nothing to compare with")
    theory = np.logical_or.reduce([masks[region] for region in expected])
    area = int(theory.sum())
    strongest = np.zeros(values.size, np.bool_)
    strongest[np.argsort(-values, axis=None, kind="stable")[:area]] = True
    union = int((strongest | theory.ravel()).sum())
    share = float(theory.mean())
    varied = values.std() > 1e-12 * max(1.0, float(np.abs(values).max())) and 0 < share < 1
    return Overlap(
        iou=float((strongest & theory.ravel()).sum()) / union if union else np.nan,
        chance=share / (2 - share),
        correlation=float(np.corrcoef(values.ravel(), theory.ravel())[0, 1]) if varied else np.nan,
    )
