"""68 points over time, and nothing else of the face: a small recurrent network on the landmark net alone.

It takes the intent of blend-shape LSTMs (Samir-atra/Emotion_estimation_from_video), in whose released code no time
enters: the numbers of one still are its sequence. Here frame after frame is laid on an ordinary face
(:func:`steadied`); where the points lie beside it and how they moved since the frame before, 272 numbers, go through a
GRU (Cho et al., arXiv 1406.1078), whose last state is the feature.

Points are all it sees: no wrinkles, no teeth, and what the landmark net cannot tell of a small face it cannot either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mien.core import checks
from mien.faces.mean_face import MEAN_FACE
from mien.models.landmarks import (
    LANDMARK_SIZE,
    MAP_CHANNELS,
    POINTS,
    ConvBlock,
    DepthWise,
    MobileFaceNet,
    PointHead,
    Residual,
    fold,
)
from mien.models.net import Answer, Net
from mien.models.nets import NetConfig

STILL = (36, 39, 42, 45, 27, 28, 29, 30)
"""Points that hardly move with an expression: corners of the eyes, bridge of the nose."""
UNIT = 0.03
"""Of the numbers that the network takes, as a share of the crop's side: about what a smile moves the mouth by."""
LEAST_SPREAD = 1e-6
"""Of still points that all but coincide, the square of shares of the side: the face is not turned by noise."""


@dataclass(frozen=True)
class PointsConfig(NetConfig):
    """The shape of the network.

    Attributes:
        input_size: side of the square input in pixels; the landmark net reads 112 of them.
        classes: number of expressions.
        dim: width of the recurrent state.
        frames: of the clips it learns from; it takes any number, and their order always counts.
        dropout: rate before the head, in [0, 1).
    """

    network: ClassVar[str] = "points"

    input_size: int = LANDMARK_SIZE
    classes: int = 7
    dim: int = 64
    frames: int = 8
    dropout: float = 0.0

    def __post_init__(self) -> None:
        checks.demand(self.fits(self.input_size), "input_size", "a number of pixels", self.input_size)
        checks.whole("classes", self.classes, 1, 10_000)
        checks.whole("dim", self.dim, 1, 8192)
        checks.whole("frames", self.frames, 1, 4096)
        checks.real("dropout", self.dropout, 0, 1)
        checks.demand(self.dropout < 1, "dropout", "below 1", self.dropout)

    @classmethod
    def tiny(cls, classes: int) -> PointsConfig:
        """A small one, for tests."""
        return cls(32, classes, 8, 2)


class PointTail(nn.Module):
    """The landmark net from its map to the 68 points."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_45 = DepthWise(MAP_CHANNELS, 128, 512, stride=2)
        self.conv_5 = Residual(128, 256, 2)
        self.conv_6_sep = ConvBlock(128, 512, 1)
        self.output_layer = PointHead()

    def forward(self, landmark_map: Float[Tensor, "n 128 14 14"]) -> Float[Tensor, "n 68 2"]:
        """As shares of the crop's side."""
        out: Tensor = self.output_layer(self.conv_6_sep(self.conv_5(self.conv_45(landmark_map))))
        return out.view(-1, POINTS, 2)


class Points(Net):
    """The landmark map of frames to logits and the state after the last frame. The pixels themselves are unread.

    Args:
        config: the network's shape.
    """

    fixed = ("tail",)
    not_exported = "torch.export writes a GRU for one number of frames only"
    needs = frozenset({"landmark_map"})

    def __init__(self, config: PointsConfig) -> None:
        super().__init__()
        self.config, self.tail = config, PointTail()
        self.gru = nn.GRU(4 * POINTS, config.dim, batch_first=True)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.dim, config.classes)

    def take_landmarks(self, net: MobileFaceNet) -> None:
        """A copy of its last stages makes the points."""
        own = self.tail.state_dict()
        self.tail.load_state_dict({name: value for name, value in net.state_dict().items() if name in own})

    def forward(
        self, frames: Float[Tensor, "b t 3 h w"], landmark_map: Float[Tensor, "bt 128 14 14"] | None = None
    ) -> Answer:
        """See :class:`mien.models.net.Net`."""
        assert landmark_map is not None, "points are made of the landmark map"
        with torch.no_grad():
            points: Tensor = self.tail(landmark_map)
        moves = movements(points.view(*frames.shape[:2], POINTS, 2))
        feature = self.gru(moves)[0][:, -1]
        return Answer(self.head(self.dropout(feature)), feature)


def movements(points: Float[Tensor, "b t 68 2"]) -> Float[Tensor, "b t 272"]:
    """Where the steadied points lie beside those of an ordinary face, and how they moved since the frame before.

    In units of :data:`UNIT`; before the first frame nothing moved.
    """
    where = (steadied(points) - _mean_face(points)) / UNIT
    speed = where - torch.cat([where[:, :1], where[:, :-1]], dim=1)
    return torch.cat([where.flatten(2), speed.flatten(2)], dim=2)


def steadied(points: Float[Tensor, "*b 68 2"]) -> Float[Tensor, "*b 68 2"]:
    """Points laid on an ordinary face by those that hardly move: the head stands still, the expression moves.

    The similarity (turn, one scale, shift) that brings :data:`STILL` nearest to the ordinary face's by least squares,
    as in :mod:`mien.faces.align`, frame by frame. What the landmark net errs by from frame to frame stays, less for
    eight points together than for one.

    Args:
        points: 68 of iBUG's, in any unit.

    Returns:
        As shares of an aligned crop's side.
    """
    still, wanted = points[..., STILL, :], _mean_face(points)[list(STILL)]
    middle, there = still.mean(-2, keepdim=True), wanted.mean(0)
    p, q = still - middle, wanted - there
    spread = p.square().sum((-2, -1)).clamp(min=LEAST_SPREAD)
    along = ((p * q).sum((-2, -1)) / spread)[..., None]
    across = ((p[..., 0] * q[:, 1] - p[..., 1] * q[:, 0]).sum(-1) / spread)[..., None]
    x, y = (points - middle).unbind(-1)
    return torch.stack([along * x - across * y, across * x + along * y], dim=-1) + there


def _mean_face(like: Tensor) -> Float[Tensor, "68 2"]:
    return torch.tensor(MEAN_FACE.tolist(), dtype=like.dtype, device=like.device)


def fold_points(net: Points, dtype: torch.dtype = torch.float32) -> Points:
    """A copy for inference, equal up to rounding: batch norms in the convolutions, float32 whatever is asked for."""
    return fold(net)
