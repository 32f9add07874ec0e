"""POSTER++ (Mao et al., arXiv 2301.12149): landmarks ask the image at three scales, a small transformer sums it up.

The landmark net's maps (28, 14, 7 places a side; frozen) ask those of a residual network (IR-50's first three stages,
ArcFace, arXiv 1801.07698) level by level (:mod:`mien.models.window`); the 3 x 49 tokens and a class token go through
two ViT blocks and a gate. Reference code: Talented-Q/POSTER_V2, whose figures ``tests/parity/test_poster.py`` holds
this to. What its ``forward`` never reads is left out: 43.85 of 58.32 million parameters act.

The landmark net is a part of the network, not the recogniser's, because three of its maps are read; trained here, it
begins as mien's own. It sees the frames without smoothing, every second pixel of 224.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mien.core import checks
from mien.models.landmarks import LANDMARK_SIZE, MobileFaceNet, PReLU
from mien.models.net import Answer, Net
from mien.models.nets import NetConfig
from mien.models.squeeze import Squeeze
from mien.models.vit import NORM_EPS, Block
from mien.models.window import WindowFusion

LEVELS = ((64, 2, 28), (128, 4, 14), (256, 8, 7))
"""Channels, attention heads and side of the three maps: the landmark net's, so they are no settings."""
TOKENS = 3 * 7 * 7


@dataclass(frozen=True)
class PosterConfig(NetConfig):
    """The shape of the network; by default the published one.

    Attributes:
        input_size: side of the square input in pixels; both networks inside read 112 of them.
        classes: number of expressions.
        units: residual units of each stage of the image network.
        dim: width of the transformer, a multiple of ``heads``.
        depth: its blocks.
        heads: its attention heads.
        drop_path: rate of leaving out the coarsest level's branches while training, rising from 0; in [0, 1).
        dropout: rate before the head, in [0, 1).
    """

    network: ClassVar[str] = "poster"

    input_size: int = 224
    classes: int = 7
    units: tuple[int, ...] = (3, 4, 14)
    dim: int = 768
    depth: int = 2
    heads: int = 8
    drop_path: float = 0.25
    dropout: float = 0.0

    def __post_init__(self) -> None:
        checks.demand(self.fits(self.input_size), "input_size", f"at least {LANDMARK_SIZE}", self.input_size)
        checks.whole("classes", self.classes, 1, 10_000)
        staged = isinstance(self.units, tuple) and len(self.units) == len(LEVELS)
        checks.demand(staged, "units", f"of {len(LEVELS)} stages", self.units)
        for count in self.units:
            checks.whole("units", count, 1, 100)
        for name, most in (("dim", 8192), ("depth", 64), ("heads", 8192)):
            checks.whole(name, getattr(self, name), 1, most)
        checks.demand(self.dim % self.heads == 0, "dim", f"a multiple of heads {self.heads}", self.dim)
        for name in ("dropout", "drop_path"):
            checks.real(name, getattr(self, name), 0, 1)
            checks.demand(getattr(self, name) < 1, name, "below 1", getattr(self, name))

    @classmethod
    def tiny(cls, classes: int) -> PosterConfig:
        """A small one, for tests."""
        return cls(LANDMARK_SIZE, classes, (1, 1, 1), 16, 1, 2, 0.0)

    def fits(self, side: int) -> bool:
        """Sides from which 112 pixels can be taken."""
        return super().fits(side) and side >= LANDMARK_SIZE


class Poster(Net):
    """Normalised frames to logits and the gated class token, the mean over the frames.

    Args:
        config: the network's shape.
    """

    fixed = ("landmarks",)

    def __init__(self, config: PosterConfig) -> None:
        super().__init__()
        self.config = config
        self.landmarks = MobileFaceNet()
        self.trunk = ResidualTrunk(config.units)
        self.narrow = nn.ModuleList(nn.Conv2d(d, d, 3, 2, 1) for d, _, _ in LEVELS)
        self.last_landmarks = nn.Conv2d(512, 256, 3, 1, 1)
        rates = (0.0, config.drop_path / 2, config.drop_path)
        fusions = (WindowFusion(*one, drop_path=rate) for one, rate in zip(LEVELS, rates, strict=True))
        self.fusions = nn.ModuleList(fusions)
        dim = config.dim
        (one, _, _), (two, _, _), (three, _, _) = LEVELS
        ways = ([_halving(one, dim), _halving(dim, dim)], [_halving(two, dim)], [nn.Conv2d(three, dim, 1)])
        self.widen = nn.ModuleList(nn.Sequential(*way) for way in ways)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, TOKENS + 1, dim))
        for table in (self.cls_token, self.pos_embed):
            nn.init.trunc_normal_(table, std=0.02)
        self.blocks = nn.ModuleList(Block(dim, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self.squeeze = Squeeze(dim, 1)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(dim, config.classes)

    def take_landmarks(self, net: MobileFaceNet) -> None:
        """A copy of it is the landmark net inside."""
        self.landmarks.load_state_dict(net.state_dict())

    def forward(
        self, frames: Float[Tensor, "b t 3 h w"], landmark_map: Float[Tensor, "bt 128 u v"] | None = None
    ) -> Answer:
        """See :class:`mien.models.net.Net`."""
        images = nearest(frames.flatten(0, 1), LANDMARK_SIZE)
        tokens = [
            way(_map(fusion(_tokens(conv(image)), _tokens(asks)))).flatten(2).transpose(1, 2)
            for way, fusion, conv, image, asks in zip(
                self.widen, self.fusions, self.narrow, self.trunk(images), self.landmark_maps(images), strict=True
            )
        ]
        x = torch.cat([self.cls_token.expand(images.shape[0], -1, -1), *tokens], dim=1) + self.pos_embed
        for place, block in enumerate(self.blocks):
            x = block(x, 1 if place == len(self.blocks) - 1 else None)
        feature = self.squeeze(self.norm(x[:, 0])).view(*frames.shape[:2], -1).mean(1)
        return Answer(self.head(self.dropout(feature)), feature)

    def landmark_maps(
        self, faces: Float[Tensor, "n 3 112 112"]
    ) -> tuple[Float[Tensor, "n 64 28 28"], Float[Tensor, "n 128 14 14"], Float[Tensor, "n 256 7 7"]]:
        """The landmark net's maps after conv_3, conv_4 and conv_6_sep, the last one made as narrow as the image's."""
        net = self.landmarks
        with torch.no_grad():
            fine = net.conv_3(net.conv_23(net.conv2_dw(net.conv1(faces))))
            middle = net.conv_4(net.conv_34(fine))
            coarse = net.conv_6_sep(net.conv_5(net.conv_45(middle)))
        return fine, middle, self.last_landmarks(coarse)

    def layers(self) -> list[list[nn.Parameter]]:
        """The image network, what brings the levels together, every block, the last norm with the gate and the head."""
        between = (self.narrow, self.last_landmarks, self.fusions, self.widen)
        joint = [p for part in between for p in part.parameters()] + [self.cls_token, self.pos_embed]
        last = [p for part in (self.norm, self.squeeze, self.head) for p in part.parameters()]
        return [list(self.trunk.parameters()), joint, *(list(block.parameters()) for block in self.blocks), last]


class ResidualTrunk(nn.Module):
    """The first stages of IR-50.

    Args:
        units: of each stage.
    """

    def __init__(self, units: tuple[int, ...]) -> None:
        super().__init__()
        first = LEVELS[0][0]
        self.stem = nn.Sequential(nn.Conv2d(3, first, 3, 1, 1, bias=False), nn.BatchNorm2d(first), PReLU(first))
        stages, before = [], first
        for (width, _, _), count in zip(LEVELS, units, strict=True):
            stages.append(
                nn.Sequential(*(ResidualUnit(before if n == 0 else width, width, n == 0) for n in range(count)))
            )
            before = width
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Float[Tensor, "n 3 s s"]) -> list[Tensor]:
        """The map after every stage, each of half the side of the one before."""
        x, maps = self.stem(images), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class ResidualUnit(nn.Module):
    """Norm, 3x3 convolution, PReLU, 3x3 convolution, norm, beside a shortcut; ``halves`` the side."""

    def __init__(self, before: int, after: int, halves: bool) -> None:
        super().__init__()
        self.stride = 2 if halves else 1
        widens = (nn.Conv2d(before, after, 1, self.stride, bias=False), nn.BatchNorm2d(after))
        self.shortcut = nn.Sequential(*widens) if before != after else None
        self.residual = nn.Sequential(
            nn.BatchNorm2d(before),
            nn.Conv2d(before, after, 3, 1, 1, bias=False),
            PReLU(after),
            nn.Conv2d(after, after, 3, self.stride, 1, bias=False),
            nn.BatchNorm2d(after),
        )

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d u v"]:
        """One unit."""
        short = x[..., :: self.stride, :: self.stride] if self.shortcut is None else self.shortcut(x)
        out: Tensor = self.residual(x) + short
        return out


def nearest(images: Float[Tensor, "n c h w"], size: int) -> Float[Tensor, "n c s s"]:
    """The pixel at floor(place * side / size), without smoothing."""
    side = images.shape[-1]
    if side % size == 0:
        return images[..., :: side // size, :: side // size]
    places = torch.tensor([place * side // size for place in range(size)], device=images.device)
    return images.index_select(2, places).index_select(3, places)


def _halving(before: int, after: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, 3, 2, 1)


def _tokens(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n l c"]:
    return x.flatten(2).transpose(1, 2)


def _map(x: Float[Tensor, "n l c"]) -> Float[Tensor, "n c s s"]:
    side = round(x.shape[1] ** 0.5)
    return x.transpose(1, 2).reshape(x.shape[0], x.shape[2], side, side)
