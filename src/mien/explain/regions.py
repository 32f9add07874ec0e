"""A map by regions of the face (:mod:`mien.faces.regions`), and its overlap with those that theory expects.

What no region covers (forehead, hair, background) is ``elsewhere``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from mien.core.action_units import Region

ELSEWHERE = "elsewhere"


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
