"""A plain convolutional network, trained from nothing: the honest floor that every other network has to beat.

3x3 convolutions with batch norms, halving the side, then the mean over places and one linear layer: the shape of the
small networks that FER packages ship (arXiv 2105.03588 tunes one on FER2013; GiMeFive, arXiv 2402.15662, has one of
this kind).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mien.core import checks
from mien.models.net import Answer, Net
from mien.models.nets import MOST_SIDE, NetConfig

MOST_WIDTH, MOST_STAGES = 4096, 8


@dataclass(frozen=True)
class CnnConfig(NetConfig):
    """The shape of the network.

    Attributes:
        input_size: side of the square input in pixels.
        widths: channels of every stage; each halves the side.
        convolutions: of a stage.
        classes: number of expressions.
        dropout: rate before the head, in [0, 1).
    """

    network: ClassVar[str] = "cnn"

    input_size: int = 48
    widths: tuple[int, ...] = (32, 64, 128, 256)
    convolutions: int = 2
    classes: int = 7
    dropout: float = 0.3

    def __post_init__(self) -> None:
        staged = isinstance(self.widths, tuple) and 0 < len(self.widths) <= MOST_STAGES
        checks.demand(staged, "widths", f"1 to {MOST_STAGES} stages", self.widths)
        for width in self.widths:
            checks.whole("widths", width, 1, MOST_WIDTH)
        checks.whole("convolutions", self.convolutions, 1, 8)
        checks.whole("classes", self.classes, 1, 10_000)
        checks.whole("input_size", self.input_size, 1, MOST_SIDE)
        checks.real("dropout", self.dropout, 0, 1)
        checks.demand(self.fits(self.input_size), "input_size", f"at least {2 ** len(self.widths)}", self.input_size)

    @property
    def dim(self) -> int:  # type: ignore[override]
        """Of the feature."""
        return self.widths[-1]

    @classmethod
    def tiny(cls, classes: int) -> CnnConfig:
        """A small one, for tests."""
        return cls(28, (4, 8), 1, classes, 0.0)

    def fits(self, side: int) -> bool:
        """Any side of which a place is left."""
        least: int = 2 ** len(self.widths)
        return least <= side <= MOST_SIDE


class Cnn(Net):
    """Normalised frames to logits and the mean over places of the last map.

    Args:
        config: the network's shape.
    """

    decayed = (2, 4)
    gives_tokens = gives_middle = True

    def __init__(self, config: CnnConfig) -> None:
        super().__init__()
        self.config = config
        widths = (3, *config.widths)
        self.stages = nn.ModuleList(_stage(before, after, config.convolutions) for before, after in pairwise(widths))
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.dim, config.classes)

    def forward(
        self,
        frames: Float[Tensor, "b t 3 h w"],
        landmark_map: Float[Tensor, "bt 128 u v"] | None = None,
        tokens: bool = False,
        middle: bool = False,
    ) -> Answer:
        """See :class:`mien.models.net.Net`; its one map as wide as the feature, the last, is its middle, too."""
        x = frames.flatten(0, 1)
        for stage in self.stages:
            x = stage(x)
        feature = x.mean((2, 3)).view(*frames.shape[:2], -1).mean(1)
        places = x.flatten(2).transpose(1, 2).view(*frames.shape[:2], -1, x.shape[1]) if tokens or middle else None
        logits = self.head(self.dropout(feature))
        return Answer(logits, feature, tokens=places if tokens else None, middle=places if middle else None)

    def layers(self) -> list[list[nn.Parameter]]:
        """A stage a layer."""
        return [*(list(stage.parameters()) for stage in self.stages), list(self.head.parameters())]

    def last_map(self) -> tuple[nn.Module, int]:
        """The last stage."""
        return self.stages[-1], 0

    def attention(self, last_map: Float[Tensor, "n d g g"]) -> Float[Tensor, "n g g"]:
        """The mean over the channels, which a ReLU ends."""
        return last_map.mean(1)


def _stage(before: int, after: int, convolutions: int) -> nn.Sequential:
    parts: list[nn.Module] = []
    for place in range(convolutions):
        parts += [nn.Conv2d(after if place else before, after, 3, padding=1, bias=False)]
        parts += [nn.BatchNorm2d(after), nn.ReLU(inplace=True)]
    return nn.Sequential(*parts, nn.MaxPool2d(2))


def fold_cnn(net: Cnn, dtype: torch.dtype = torch.float32) -> Cnn:
    """A copy for inference, equal up to rounding: batch norms in the convolutions, float32 whatever is asked for."""
    folded = Cnn(net.config)
    folded.load_state_dict(net.state_dict())
    folded.eval().requires_grad_(False)
    for stage in folded.stages:
        assert isinstance(stage, nn.Sequential)
        for place, part in enumerate(list(stage)):
            if isinstance(part, nn.Conv2d):
                norm = stage[place + 1]
                assert isinstance(norm, nn.BatchNorm2d)
                stage[place], stage[place + 1] = fuse_conv_bn_eval(part, norm), nn.Identity()
    return folded
