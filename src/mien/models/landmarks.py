"""MobileFaceNet for 68 facial landmarks: the frozen net whose mid-level map feeds S2D's prompters.

Paper: MobileFaceNets (Chen et al., arXiv 1804.07573), with a regression head for 68 points. S2D takes the output of
stage ``conv_4``, (b, 128, 14, 14), and leaves the points unused; mien also shows the points. Parameter names are those
of the S2D checkpoints.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

LANDMARK_SIZE = 112
MAP_CHANNELS, MAP_SIDE = 128, 14
POINTS = 68
TAIL = 512
"""Numbers of :class:`LandmarkTail`."""
AnyNet = TypeVar("AnyNet", bound=nn.Module)


class PReLU(nn.PReLU):
    """PReLU per channel; in training as a sum of two maps, whose backward is the faster one on a CPU."""

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """x where positive, weight * x elsewhere."""
        if not torch.is_grad_enabled():
            return F.prelu(x, self.weight.to(x.dtype))
        slope = self.weight.view(1, -1, 1, 1).to(x.dtype)
        return slope * x + (1 - slope) * F.relu(x)


class ConvBlock(nn.Module):
    """Convolution without bias, batch norm and, unless ``linear``, PReLU."""

    def __init__(
        self, cin: int, cout: int, kernel: int, stride: int = 1, pad: int = 0, groups: int = 1, linear: bool = False
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, pad, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(cout)
        self.prelu = nn.Identity() if linear else PReLU(cout)

    def forward(self, x: Float[Tensor, "b cin h w"]) -> Float[Tensor, "b cout u v"]:
        """One convolution step."""
        out: Tensor = self.prelu(self.bn(self.conv(x)))
        return out


class DepthWise(nn.Module):
    """Inverted bottleneck: widen to ``hidden``, 3x3 per channel, project; ``residual`` adds the input."""

    def __init__(self, cin: int, cout: int, hidden: int, stride: int = 1, residual: bool = False) -> None:
        super().__init__()
        self.conv = ConvBlock(cin, hidden, 1)
        self.conv_dw = ConvBlock(hidden, hidden, 3, stride, 1, groups=hidden)
        self.project = ConvBlock(hidden, cout, 1, linear=True)
        self.residual = residual

    def forward(self, x: Float[Tensor, "b cin h w"]) -> Float[Tensor, "b cout u v"]:
        """One bottleneck."""
        out: Tensor = self.project(self.conv_dw(self.conv(x)))
        return x + out if self.residual else out


class Residual(nn.Module):
    """``count`` residual bottlenecks at one resolution."""

    def __init__(self, width: int, hidden: int, count: int) -> None:
        super().__init__()
        self.model = nn.Sequential(*(DepthWise(width, width, hidden, residual=True) for _ in range(count)))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """All of them in turn."""
        out: Tensor = self.model(x)
        return out


class PointHead(nn.Module):
    """Global depthwise convolution and a batch-normed linear map to the coordinates."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_6_dw = ConvBlock(512, 512, 7, groups=512, linear=True)
        self.linear = nn.Linear(512, 2 * POINTS, bias=False)
        self.bn = nn.BatchNorm1d(2 * POINTS)

    def forward(self, x: Float[Tensor, "b 512 7 7"]) -> Float[Tensor, "b 136"]:
        """x0, y0, x1, y1, ... as fractions of the input's sides."""
        out: Tensor = self.bn(self.linear(self.conv_6_dw(x).flatten(1)))
        return out


class MobileFaceNet(nn.Module):
    """112x112 RGB faces to 68 points and the landmark map.

    What values the pixels must have is part of the weights: S2D's net sees ImageNet-normalised frames, so does ours.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvBlock(3, 64, 3, 2, 1)
        self.conv2_dw = ConvBlock(64, 64, 3, 1, 1, groups=64)
        self.conv_23 = DepthWise(64, 64, 128, stride=2)
        self.conv_3 = Residual(64, 128, 4)
        self.conv_34 = DepthWise(64, 128, 256, stride=2)
        self.conv_4 = Residual(128, 256, 6)
        self.conv_45 = DepthWise(128, 128, 512, stride=2)
        self.conv_5 = Residual(128, 256, 2)
        self.conv_6_sep = ConvBlock(128, 512, 1)
        self.output_layer = PointHead()

    def landmark_map(self, faces: Float[Tensor, "b 3 112 112"]) -> Float[Tensor, "b 128 14 14"]:
        """The output of stage conv_4, all that S2D needs; the rest of the net is not run."""
        x = self.conv_23(self.conv2_dw(self.conv1(faces)))
        out: Tensor = self.conv_4(self.conv_34(self.conv_3(x)))
        return out

    def points(self, landmark_map: Float[Tensor, "b 128 14 14"]) -> Float[Tensor, "b 68 2"]:
        """The 68 points (iBUG 300-W order) from the map, as fractions of the input's sides, about [0, 1]."""
        x = self.conv_6_sep(self.conv_5(self.conv_45(landmark_map)))
        out: Tensor = self.output_layer(x)
        return out.view(-1, POINTS, 2)

    def forward(
        self, faces: Float[Tensor, "b 3 112 112"]
    ) -> tuple[Float[Tensor, "b 68 2"], Float[Tensor, "b 128 14 14"]]:
        """Points and map."""
        landmark_map = self.landmark_map(faces)
        return self.points(landmark_map), landmark_map


class LandmarkTail(nn.Module):
    """What the landmark net's last stages make of its map, for heads that say more of a face's shape than 68 points.

    A copy learns for itself, so the points stay what they are.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv_45 = DepthWise(128, 128, 512, stride=2)
        self.conv_5 = Residual(128, 256, 2)
        self.conv_6_sep = ConvBlock(128, TAIL, 1)
        self.conv_6_dw = ConvBlock(TAIL, TAIL, 7, groups=TAIL, linear=True)

    @classmethod
    def of(cls, net: MobileFaceNet) -> LandmarkTail:
        """A copy of a net's own last stages, but for the points; it learns."""
        tail = cls()
        for name in ("conv_45", "conv_5", "conv_6_sep"):
            getattr(tail, name).load_state_dict(getattr(net, name).state_dict())
        tail.conv_6_dw.load_state_dict(net.output_layer.conv_6_dw.state_dict())
        return tail

    def forward(self, landmark_map: Float[Tensor, "n 128 14 14"]) -> Float[Tensor, "n 512"]:
        """One row a face."""
        out: Tensor = self.conv_6_dw(self.conv_6_sep(self.conv_5(self.conv_45(landmark_map)))).flatten(1)
        return out


def tail_of(
    tail: LandmarkTail | None, landmark_map: Float[Tensor, "bt 128 14 14"] | None, clips: int | torch.SymInt
) -> Float[Tensor, "b 512"] | None:
    """The mean over a clip's frames of what a tail makes of their maps; None without either."""
    if tail is None or landmark_map is None:
        return None
    rows: Tensor = tail(landmark_map)
    return rows.view(clips, -1, TAIL).mean(1)


def landmark_input(images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 112 112"]:
    """Normalised frames as the landmark net takes them (S2D resizes bilinearly with aligned corners)."""
    images = images.contiguous(memory_format=torch.channels_last)
    if images.shape[-1] == LANDMARK_SIZE:
        return images
    return F.interpolate(images, size=(LANDMARK_SIZE, LANDMARK_SIZE), mode="bilinear", align_corners=True)


def fold(net: AnyNet) -> AnyNet:
    """A copy for inference, equal up to rounding: batch norms folded into the convolutions, channels last."""
    folded = copy.deepcopy(net).eval().requires_grad_(False)
    for block in folded.modules():
        if isinstance(block, ConvBlock):
            block.conv = fuse_conv_bn_eval(block.conv, block.bn)
            block.bn = nn.Identity()  # type: ignore[assignment]
    return folded.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
