"""What may stand beside a network and leaves what it says of expressions as it is. No torch and no OpenCV here."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float64, UInt8

from mien.core.registry import Place, Registry
from mien.faces.landmarkers import Landmarker
from mien.models.network import Around, Clips, Network, outputs_of, values_of

POSES: Registry[Callable[[Network], Network]] = Registry(
    "way to tell pose", {"head": Place("mien.models.poses:by_head"), "points": Place("mien.models.poses:PosedByPoints")}
)
"""What makes a network say the signal ``pose``."""


class Beside(Around):
    """A network with something beside it; all that is said stays."""

    def outputs(self, clips: Clips) -> Float64[np.ndarray, "b m"]:
        """The network's."""
        return outputs_of(self._network, clips)

    def values(self, outputs: Float64[np.ndarray, "b m"]) -> Float64[np.ndarray, "b n"]:
        """The network's."""
        return values_of(self._network, outputs)


class OtherPoints(Beside):
    """A network whose landmarks another net finds. What it says of expressions stays: its own net feeds its prompters.

    Args:
        network: any.
        find: the other net.
    """

    def __init__(self, network: Network, find: Landmarker) -> None:
        super().__init__(network, network.record)
        self._find = find

    def points(self, crops: UInt8[np.ndarray, "n 3 h w"], /) -> Float[np.ndarray, "n 68 2"]:
        """The other net's."""
        return self._find(crops)
