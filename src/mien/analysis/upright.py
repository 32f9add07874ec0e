"""From how a head leans in its crop, which is turned upright, to how it leans in the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float64

from mien.core.facial import POSE, says_pose
from mien.core.signals import Signal, places


def leaning(
    signals: Sequence[Signal], values: Float64[np.ndarray, "n k"], points: Float[np.ndarray, "n 5 2"]
) -> Float64[np.ndarray, "n k"]:
    """``values`` with the head's roll as it is in the picture; nothing else changes, and without pose nothing at all.

    Args:
        signals: what the columns are.
        values: a row a face.
        points: that each face's crop was aligned by, in pixels of the frame.
    """
    if not says_pose(signals) or not len(values):
        return values
    from mien.faces.align import crop_turns  # and with it OpenCV, which `--help` can do without

    column = places(signals)[POSE.name].start + POSE.labels.index("roll")
    values = values.copy()
    roll = values[:, column] + crop_turns(points)
    values[:, column] = ((roll + 180) % 360 - 180).clip(POSE.low, POSE.high)
    return values
