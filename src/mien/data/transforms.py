"""Random changes of a batch of face crops, as tensors, drawn from one generator so that a run can be repeated.

A crop goes through one resampling only: geometry and the resize to the network's input are the same ``grid_sample``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from mien.data.spoilt import random_spoilt


@dataclass(frozen=True)
class Augmentation:
    """How far crops are changed; every field at 0 changes nothing.

    Attributes:
        rotation: largest turn, degrees.
        scale: largest change of size, as a ratio: 0.2 draws from [1/1.2, 1.2] evenly in logarithm.
        shift: largest shift, as a fraction of the side.
        stretch: largest change of the width-to-height ratio, as ``scale``.
        flip: probability of mirroring.
        brightness: largest change of the mean, as a fraction of the full range.
        contrast: largest change of the contrast, as ``scale``.
        gamma: largest change of gamma, as ``scale``.
        noise: largest standard deviation of added noise, as a fraction of the full range.
        blur: probability of blurring by a 3x3 binomial kernel (standard deviation 0.7 pixels).
        blur_passes: most times that it is applied to a blurred picture; k times spread it as sqrt(k) times as wide.
        dark: probability of taking light away.
        darkest: smallest share of the light that is left then; shares are drawn evenly in logarithm.
        erase: probability of overwriting a rectangle with noise.
        erase_area: largest share of the area the rectangle takes.
        cover: probability of a mask, glasses, a headset or a hand over an ordinary face's place, before all else
            (:mod:`mien.data.covers`).
        display: probability of a look through a display, likewise (:mod:`mien.data.display`).
    """

    rotation: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    stretch: float = 0.0
    flip: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    gamma: float = 0.0
    noise: float = 0.0
    blur: float = 0.0
    blur_passes: int = 1
    dark: float = 0.0
    darkest: float = 0.15
    erase: float = 0.0
    erase_area: float = 0.2
    cover: float = 0.0
    display: float = 0.0


Generator = torch.Generator
MIRRORED = torch.tensor(
    [
        *range(16, -1, -1),  # jaw
        *range(26, 16, -1),  # brows
        *(27, 28, 29, 30, 35, 34, 33, 32, 31),  # nose
        *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),  # eyes
        *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),  # lips, outside
        *(64, 63, 62, 61, 60, 67, 66, 65),  # lips, inside
    ]
)
"""Which of iBUG's 68 points stands in each one's place in a mirrored face."""


def _signed(n: int, limit: float, rng: Generator) -> Float[Tensor, " n"]:
    return (2 * torch.rand(n, generator=rng) - 1) * limit


def _ratio(n: int, limit: float, rng: Generator) -> Float[Tensor, " n"]:
    return torch.exp(_signed(n, math.log1p(limit), rng))


def random_affine(n: int, changes: Augmentation, rng: Generator) -> Float[Tensor, "n 2 3"]:
    """n maps from output to input coordinates in [-1, 1] (torch's ``affine_grid`` convention)."""
    angle = _signed(n, math.radians(changes.rotation), rng)
    zoom, stretch = _ratio(n, changes.scale, rng), _ratio(n, changes.stretch, rng).sqrt()
    mirror = 1 - 2 * (torch.rand(n, generator=rng) < changes.flip).float()
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    rows = [cos * stretch * mirror, -sin / stretch, 2 * _signed(n, changes.shift, rng)]
    rows += [sin * stretch * mirror, cos / stretch, 2 * _signed(n, changes.shift, rng)]
    return torch.stack(rows, 1).view(n, 2, 3)


def warp(images: Float[Tensor, "n c h w"], maps: Float[Tensor, "n 2 3"], size: int) -> Float[Tensor, "n c s s"]:
    """Resample through affine maps to ``size``; outside the picture its edge is continued."""
    # The grid of F.affine_grid, whose matrix product takes several times as long as the sampling itself.
    middles = (2 * torch.arange(size, device=maps.device) + 1) / size - 1
    across = maps[:, None, None, :, 0] * middles.view(1, 1, size, 1) + maps[:, None, None, :, 2]
    down = maps[:, None, None, :, 1] * middles.view(1, size, 1, 1)
    grid = across + down
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def random_light(images: Float[Tensor, "n c h w"], changes: Augmentation, rng: Generator) -> Float[Tensor, "n c h w"]:
    """Gamma, contrast, brightness, blur, darkness and noise on values in [0, 1]; the answer stays there."""
    n = len(images)
    column = (n, 1, 1, 1)
    out = images.clamp(0, 1) ** _ratio(n, changes.gamma, rng).view(column)
    mean = out.mean((1, 2, 3), keepdim=True)
    out = (out - mean) * _ratio(n, changes.contrast, rng).view(column) + mean
    out = out + _signed(n, changes.brightness, rng).view(column)
    passes = (torch.rand(n, generator=rng) < changes.blur).long()
    if changes.blur_passes > 1:
        passes *= torch.randint(1, changes.blur_passes + 1, (n,), generator=rng)
    for done in range(int(passes.max())):
        out = out.index_put((passes > done,), soften(out[passes > done]))
    if changes.dark:
        darker = torch.rand(n, generator=rng) < changes.dark
        left = changes.darkest ** torch.rand(n, generator=rng)
        out = out.clamp(0, 1) * torch.where(darker, left, 1.0).view(column)
    if changes.noise:
        level = torch.rand(n, generator=rng).view(column) * changes.noise
        out = out + level * torch.randn(out.shape, generator=rng)
    return out.clamp(0, 1)


def soften(images: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Blurred by the 3x3 binomial kernel; at the borders the edge is continued."""
    kernel = torch.tensor([1.0, 2.0, 1.0]).outer(torch.tensor([1.0, 2.0, 1.0])) / 16
    channels = images.shape[1]
    padded = F.pad(images, (1, 1, 1, 1), mode="replicate")
    return F.conv2d(padded, kernel.expand(channels, 1, 3, 3), groups=channels)


def random_erase(images: Float[Tensor, "n c h w"], changes: Augmentation, rng: Generator) -> Float[Tensor, "n c h w"]:
    """Overwrite one rectangle of some images with noise (random erasing, Zhong et al., arXiv 1708.04896)."""
    n, _, h, w = images.shape
    hit = torch.rand(n, generator=rng) < changes.erase
    area = (0.02 + torch.rand(n, generator=rng) * max(changes.erase_area - 0.02, 0.0)) * h * w
    aspect = _ratio(n, 2.0, rng)
    high = (area * aspect).sqrt().clamp(1, h)
    wide = (area / aspect).sqrt().clamp(1, w)
    top = torch.rand(n, generator=rng) * (h - high)
    left = torch.rand(n, generator=rng) * (w - wide)
    y, x = torch.arange(h).view(1, h, 1), torch.arange(w).view(1, 1, w)
    rows = (y >= top.view(n, 1, 1)) & (y < (top + high).view(n, 1, 1))
    columns = (x >= left.view(n, 1, 1)) & (x < (left + wide).view(n, 1, 1))
    inside = rows & columns & hit.view(n, 1, 1)
    return torch.where(inside[:, None], torch.rand(n, 1, h, w, generator=rng), images)


def augment(
    images: Float[Tensor, "n c h w"], size: int, changes: Augmentation, rng: Generator
) -> Float[Tensor, "n c s s"]:
    """Covers, light, then geometry and resize, then erasing. Values in [0, 1] in and out."""
    with torch.autocast("cpu", enabled=False):  # the arithmetic of pixels stays in float32
        lit = random_light(random_spoilt(images, changes.cover, changes.display, rng), changes, rng)
        return random_erase(warp(lit, random_affine(len(images), changes, rng), size), changes, rng)


def augment_with_maps(
    images: Float[Tensor, "n c h w"], size: int, changes: Augmentation, rng: Generator
) -> tuple[Float[Tensor, "n c s s"], Float[Tensor, "n 2 3"]]:
    """Covers, light and erasing, then geometry and resize; with the maps of :func:`warp`, for what goes along."""
    with torch.autocast("cpu", enabled=False):
        covered = random_spoilt(images, changes.cover, changes.display, rng)
        spoilt = random_erase(random_light(covered, changes, rng), changes, rng)
        maps = random_affine(len(images), changes, rng)
        return warp(spoilt, maps, size), maps


def augment_with_points(
    images: Float[Tensor, "n c h w"], points: Float[Tensor, "n 68 2"], size: int, changes: Augmentation, rng: Generator
) -> tuple[Float[Tensor, "n c s s"], Float[Tensor, "n 68 2"]]:
    """As :func:`augment_with_maps`; the points (shares of the sides) go along."""
    changed, maps = augment_with_maps(images, size, changes, rng)
    return changed, move_points(points, maps)


def is_mirrored(maps: Float[Tensor, "n 2 3"]) -> Bool[Tensor, " n"]:
    """Whether left and right change."""
    mirrored: Tensor = torch.linalg.det(maps[:, :, :2]) < 0
    return mirrored


def move_points(points: Float[Tensor, "n 68 2"], maps: Float[Tensor, "n 2 3"]) -> Float[Tensor, "n 68 2"]:
    """Where points of pictures lie after :func:`warp`, in shares of the sides; mirrored, left and right change."""
    turn, shift = maps[:, :, :2], maps[:, :, 2:]
    there = torch.linalg.solve(turn, (2 * points - 1).mT - shift).mT / 2 + 0.5
    return torch.where(is_mirrored(maps).view(-1, 1, 1), there[:, MIRRORED], there)


def turn_roll(roll: Float[Tensor, " n"], maps: Float[Tensor, "n 2 3"]) -> Float[Tensor, " n"]:
    """By how many degrees what leant clockwise by ``roll`` leans after :func:`warp`."""
    angle = torch.deg2rad(roll)
    upwards = torch.stack([angle.sin(), -angle.cos()], 1)
    there = torch.linalg.solve(maps[:, :, :2], upwards[:, :, None])[:, :, 0]
    return torch.rad2deg(torch.atan2(there[:, 0], -there[:, 1]))
