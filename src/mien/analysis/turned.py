"""Faces left unread because the network itself says that the head is turned: a gate after the answer.

The gate before it (:mod:`mien.faces.quality`) goes by five points of the detector, a rough estimate, and spares the
network the work; this one goes by the signal ``pose`` of weights that have it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64

from mien.core.errors import ConfigError
from mien.core.facial import POSE, says_pose
from mien.core.signals import Signal, places

TURNED = "turned away"
"""The reason of both gates."""


def demand_pose(signals: Sequence[Signal], most: float | None) -> None:
    """Raise ConfigError where a limit is asked of a model that does not say how the head is turned."""
    if most is not None and not says_pose(signals):
        fix = "add --signals pose if the weights have it, or use --max-yaw, which goes by the detector's points"
        raise ConfigError(
            "a model that says pose, for --most-yaw", ", ".join(one.name for one in signals) or "none", fix
        )


def turned(signals: Sequence[Signal], values: Float64[np.ndarray, "n k"], most: float | None) -> Bool[np.ndarray, " n"]:
    """Which faces are turned to a side by more than ``most`` degrees; none where that is None.

    Args:
        signals: what the columns are.
        values: a row a face.
        most: 0 to 90.
    """
    if most is None:
        return np.zeros(len(values), np.bool_)
    column = places(signals)[POSE.name].start + POSE.labels.index("yaw")
    return np.asarray(np.abs(values[:, column]) > most)
