"""How a head's turn is told: by a head of the weights, or from the 68 points that a landmark net finds."""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float64

from mien.core.errors import ConfigError, NoLandmarksError, WeightsError
from mien.core.facial import POINTS_POSE, POSE, says_pose
from mien.core.signals import distinct, places
from mien.faces.head_pose import pose_of_points
from mien.models.beside import Beside
from mien.models.network import Clips, Network


def by_head(network: Network) -> Network:
    """``network`` itself, which says pose by a head of its own. Raises ConfigError for one that does not."""
    if not says_pose(network.record.signals):
        raise ConfigError("weights that say pose, for --pose head", network.record.name, "use --pose points")
    return network


class PosedByPoints(Beside):
    """A network that says ``pose`` as its 68 points have it (:mod:`mien.faces.head_pose`), of every frame by itself;
    of a clip the mean. What its own head says of pose, if it has one, goes unheard.

    Args:
        network: any with landmarks.

    Raises:
        ConfigError: it has none.
        WeightsError: the net plugged into it fails.
    """

    def __init__(self, network: Network) -> None:
        own = network.record.signals
        self._at = places(own).get(POSE.name)
        if self._at is not None and not says_pose(own):
            raise ConfigError("weights whose pose is mien's, or none", network.record.name, "leave --pose out")
        kept = tuple(POINTS_POSE if one.name == POSE.name else one for one in own)
        signals = distinct(kept if self._at is not None else (*kept, POINTS_POSE))
        # Linear: of a clip it is the mean over frames, which may be asked one by one.
        heads = {**network.record.heads, POSE.name: "linear"}
        super().__init__(network, dataclasses.replace(network.record, signals=signals, heads=heads))
        try:
            self.points(np.zeros((1, 3, 8, 8), np.uint8))
        except NoLandmarksError as error:  # what a net of the user's says of itself comes through
            fix = "add --landmarker mobilefacenet, or a net of your own"
            raise ConfigError("a model with a landmark net, for --pose points", network.record.name, fix) from error

    def outputs(self, clips: Clips) -> Float64[np.ndarray, "b m"]:
        """The network's, then yaw, pitch and roll. Raises WeightsError for points that are no face's."""
        poses = pose_of_points(self.points(clips.reshape(-1, *clips.shape[2:])))
        if not np.isfinite(poses).all():
            fix = "look at --landmarker-input: size, mean, std"
            raise WeightsError("68 points spread over a face, for --pose points", "points all in one place", fix)
        return np.hstack([super().outputs(clips), poses.reshape(*clips.shape[:2], 3).mean(1)])

    def values(self, outputs: Float64[np.ndarray, "b m"]) -> Float64[np.ndarray, "b n"]:
        """The network's, with this pose."""
        known, pose = super().values(outputs[:, :-3]), outputs[:, -3:]
        if self._at is None:
            return np.hstack([known, pose])
        start = len(self.record.labels) + self._at.start
        known[:, start : start + 3] = pose
        return known
