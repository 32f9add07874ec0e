"""MCP, the Multi-View Complementary Prompter (S2D, "Landmark-aware image model").

One prompter per block brings the landmark view and the image view of the same places together in a narrow space and
hands the result both to the image tokens and to the next prompter. The 1x1 convolutions of the paper are linear maps on
tokens here: same numbers, no change of layout.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mien.models.landmarks import MAP_CHANNELS
from mien.models.vit import draw_normal

HIDDEN = 8
SMOOTH_START = 10.0
OUT_STD = 0.002
"""Spread of fresh output weights. Tokens of a pre-trained trunk can be small (DINOv2 ViT-S: 0.05 to 0.15): with torch's
default the first prompts are eight times as large as the tokens and drown what the trunk has learnt."""


def fovea(v: Float[Tensor, "b l k"], smooth: Float[Tensor, " 1"]) -> Float[Tensor, "b l k"]:
    """v weighted by its own softmax over the l places, sharpened by ``smooth`` (lambda in the paper), per channel."""
    return v * (smooth * v).softmax(dim=1)


class Prompter(nn.Module):
    """P = g3(fovea(g1(V)) + g2(L)): image tokens V and prompt L, both layer-normed, to the next prompt.

    Args:
        dim: token width.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.visual = nn.Linear(dim, HIDDEN)
        self.landmark = nn.Linear(dim, HIDDEN)
        self.out = nn.Linear(HIDDEN, dim)
        self.smooth = nn.Parameter(torch.full((1,), SMOOTH_START))
        draw_normal(self.out.weight, std=OUT_STD)
        nn.init.zeros_(self.out.bias)

    def forward(self, visual: Float[Tensor, "b l d"], landmark: Float[Tensor, "b l d"]) -> Float[Tensor, "b l d"]:
        """The prompt for the l patch tokens (the class token gets none)."""
        prompt: Tensor = self.out(fovea(self.visual(visual), self.smooth) + self.landmark(landmark))
        return prompt


class LandmarkEmbed(nn.Module):
    """The landmark map as tokens on the image's patch grid: resize, then a linear map per place."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(MAP_CHANNELS, dim)

    def forward(self, landmark_map: Float[Tensor, "b 128 u v"], grid: int) -> Float[Tensor, "b l d"]:
        """l = grid^2 tokens in reading order."""
        tokens: Tensor = self.proj(resize_map(landmark_map, grid).flatten(2).transpose(1, 2))
        return tokens


def resize_map(landmark_map: Float[Tensor, "b c u v"], grid: int) -> Float[Tensor, "b c g g"]:
    """Area mean where the grid divides the map's side, else anti-aliased bilinear; unchanged when it fits (S2D)."""
    side = landmark_map.shape[-1]
    if side == grid:
        return landmark_map
    if side % grid == 0:
        return F.avg_pool2d(landmark_map, side // grid)
    resized = F.interpolate(
        landmark_map.float(), size=(grid, grid), mode="bilinear", antialias=True, align_corners=False
    )
    return resized.to(landmark_map.dtype)
