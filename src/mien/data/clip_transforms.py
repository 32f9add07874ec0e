"""Random changes of one clip, drawn once for all its frames, and the plain resize of evaluation.

The order is that of the S2D recipe: RandAugment, (colour, place and size), random resized crop, mirror, resize, erase.
Covers and displays, which it has not, come first.
Clips stay uint8 until the resize, so that a worker moves few bytes.

:mod:`mien.data.transforms` is the batch of single images of the FERPlus recipe, with a draw for each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from mien.core.errors import ConfigError
from mien.data import randaugment
from mien.data.spoilt import spoilt_clip
from mien.models.record import IMAGENET_MEAN, IMAGENET_STD

Clip = UInt8[Tensor, "t 3 h w"]
Generator = torch.Generator

ATTEMPTS = 10
"""Rectangles tried before the fallback: the middle for a crop, nothing for erasing."""
ERASE_RATIO = (0.3, 1 / 0.3)


@dataclass(frozen=True)
class ClipAugmentation:
    """How a clip is changed; the defaults change nothing.

    Attributes:
        layers: RandAugment changes drawn, each made with probability one half.
        magnitude: their mean strength, 0 to 10.
        magnitude_std: standard deviation of the strength.
        vary: probability of changing colours, place and size by the next four.
        jitter: largest relative change of brightness, contrast and saturation; 0.25 draws from [0.75, 1.25].
        hue: largest change of hue, as a share of the colour circle.
        shift: largest shift, as a share of the side; black comes in.
        zoom: largest factor of size; it draws from [1, zoom].
        crop_scale: least and largest share of the area that a random crop keeps; (1, 1) crops nothing.
        crop_ratio: least and largest width-to-height ratio of that crop.
        flip: probability of mirroring.
        erase: probability of overwriting a rectangle, the same in all frames.
        erase_area: least and largest share of the area it takes.
        cover: probability of a mask, glasses, a headset or a hand over an ordinary face's place, before all else, the
            same in all frames (:mod:`mien.data.covers`).
        display: probability of a look through a display, likewise (:mod:`mien.data.display`).
        erase_with: ``noise``, another for each pixel and frame, or the ImageNet ``mean`` colour.
    """

    layers: int = 0
    magnitude: float = 7.0
    magnitude_std: float = 0.5
    vary: float = 0.0
    jitter: float = 0.25
    hue: float = 0.25
    shift: float = 0.1
    zoom: float = 1.25
    crop_scale: tuple[float, float] = (1.0, 1.0)
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.0
    erase: float = 0.0
    erase_area: tuple[float, float] = (0.02, 1 / 3)
    erase_with: Literal["noise", "mean"] = "noise"
    cover: float = 0.0
    display: float = 0.0

    def __post_init__(self) -> None:
        for name in ("vary", "flip", "erase", "cover", "display"):
            _check(name, 0 <= getattr(self, name) <= 1, "a probability in [0, 1]", getattr(self, name))
        for name in ("crop_scale", "erase_area"):
            low, high = getattr(self, name)
            _check(name, 0 < low <= high <= 1, "shares 0 < least <= largest <= 1", getattr(self, name))
        low, high = self.crop_ratio
        _check("crop_ratio", 0 < low <= high, "ratios 0 < least <= largest", self.crop_ratio)
        _check("layers", self.layers >= 0, "a number >= 0", self.layers)
        _check("magnitude", 0 <= self.magnitude <= randaugment.FULL, "a strength in [0, 10]", self.magnitude)
        _check("magnitude_std", self.magnitude_std >= 0, "a number >= 0", self.magnitude_std)
        _check("jitter", 0 <= self.jitter <= 1, "a share in [0, 1]", self.jitter)
        _check("hue", 0 <= self.hue <= 0.5, "a share in [0, 0.5]", self.hue)
        _check("shift", 0 <= self.shift <= 1, "a share in [0, 1]", self.shift)
        _check("zoom", self.zoom >= 1, "a factor >= 1", self.zoom)
        _check("erase_with", self.erase_with in ("noise", "mean"), "noise or mean", repr(self.erase_with))


def _check(name: str, good: bool, expected: str, got: object) -> None:
    if not good:
        raise ConfigError(f"{name} to be {expected}", str(got), "change it")


NONE = ClipAugmentation()
"""The resize alone."""

STAGE1 = ClipAugmentation(vary=0.5, flip=0.5, erase=0.5, erase_area=(0.02, 0.25), erase_with="mean")
"""Images (S2D's first stage). Erasing has the probability and colour that its usual implementation falls back to."""

STAGE2 = ClipAugmentation(layers=4, crop_scale=(0.08, 1.0), flip=0.5, erase=0.25)
"""Clips (S2D's second stage): ``rand-m7-n4-mstd0.5-inc1``, random resized crop, mirror, erasing."""


def augment_clip(clip: Clip, size: int, changes: ClipAugmentation, rng: Generator) -> Float[Tensor, "t 3 s s"]:
    """Change a clip, with one draw for all its frames.

    Args:
        clip: RGB.
        size: side of the answer, pixels.
        changes: how far.
        rng: what draws; equal states give equal answers.

    Returns:
        Values in [0, 1], not normalised.
    """
    clip = spoilt_clip(clip, changes.cover, changes.display, rng)
    clip = randaugment.apply(clip, randaugment.draw(changes.layers, changes.magnitude, changes.magnitude_std, rng))
    if _happens(changes.vary, rng):
        clip = move(jitter(clip, changes.jitter, changes.hue, rng), changes.shift, changes.zoom, rng)
    top, left, high, wide = crop_box(clip.shape[-2], clip.shape[-1], changes.crop_scale, changes.crop_ratio, rng)
    clip = clip[..., top : top + high, left : left + wide]
    if _happens(changes.flip, rng):
        clip = clip.flip(-1)
    images = plain_clip(clip, size)
    return erase(images, changes, rng) if _happens(changes.erase, rng) else images


def plain_clip(clip: Clip, size: int) -> Float[Tensor, "t 3 s s"]:
    """The resize of use, as :func:`mien.models.preprocess.to_unit` for RGB; other shapes are squeezed to the square."""
    images = clip.float().div_(255)
    if images.shape[-2:] == (size, size):
        return images
    # Where it grows, anti-aliasing has no effect, and this code of torch's is the faster one.
    return F.interpolate(images, (size, size), mode="bilinear", antialias=True).clamp_(0, 1)


def _happens(probability: float, rng: Generator) -> bool:
    return torch.rand((), generator=rng).item() < probability


def _between(low: float, high: float, rng: Generator) -> float:
    return low + (high - low) * torch.rand((), generator=rng).item()


def _whole(largest: int, rng: Generator) -> int:
    return int(torch.randint(largest + 1, (), generator=rng))


def crop_box(
    h: int, w: int, scale: tuple[float, float], ratio: tuple[float, float], rng: Generator
) -> tuple[int, int, int, int]:
    """Where a random resized crop lies (Szegedy et al., arXiv 1409.4842): top, left, height and width in pixels.

    The share of the area is drawn evenly, the ratio evenly in logarithm. Where no draw fits, the answer is the largest
    middle part whose ratio is allowed.
    """
    if scale == (1.0, 1.0):
        return 0, 0, h, w
    for _ in range(ATTEMPTS):
        high, wide = _sides(h * w * _between(*scale, rng), ratio, rng)
        if 0 < high <= h and 0 < wide <= w:
            return _whole(h - high, rng), _whole(w - wide, rng), high, wide
    high, wide = min(h, round(w / ratio[0])), min(w, round(h * ratio[1]))
    return (h - high) // 2, (w - wide) // 2, high, wide


def _sides(area: float, ratio: tuple[float, float], rng: Generator) -> tuple[int, int]:
    drawn = math.exp(_between(math.log(ratio[0]), math.log(ratio[1]), rng))
    return round(math.sqrt(area / drawn)), round(math.sqrt(area * drawn))


def erase(images: Float[Tensor, "t 3 h w"], changes: ClipAugmentation, rng: Generator) -> Float[Tensor, "t 3 h w"]:
    """Overwrite one rectangle of all frames (random erasing, Zhong et al., arXiv 1708.04896).

    Noise is normal around the ImageNet mean with its standard deviation, which is unit noise once normalised; what
    exceeds [0, 1] is cut off.
    """
    t, _, h, w = images.shape
    for _ in range(ATTEMPTS):
        high, wide = _sides(h * w * _between(*changes.erase_area, rng), ERASE_RATIO, rng)
        if 0 < high < h and 0 < wide < w:
            top, left = _whole(h - high, rng), _whole(w - wide, rng)
            fill = torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
            if changes.erase_with == "noise":
                noise = torch.randn(t, 3, high, wide, generator=rng)
                fill = (fill + noise * torch.tensor(IMAGENET_STD).view(1, 3, 1, 1)).clamp_(0, 1)
            images = images.clone()
            images[..., top : top + high, left : left + wide] = fill
            return images
    return images


def jitter(clip: Clip, amount: float, hue: float, rng: Generator) -> Clip:
    """Brightness, contrast, saturation and hue, in an order of their own for each clip."""
    for which in torch.randperm(4, generator=rng).tolist():
        if which == 3:
            clip = turn_hue(clip, _between(-hue, hue, rng))
        else:
            change = (randaugment.brightness, randaugment.contrast, randaugment.colour)[which]
            clip = change(clip, _between(1 - amount, 1 + amount, rng))
    return clip


def turn_hue(clip: Clip, share: float) -> Clip:
    """Move every pixel's hue along the colour circle by a share of it; lightness (HSV) and saturation stay."""
    red, green, blue = clip.float().unbind(1)
    value, lowest = clip.float().amax(1), clip.float().amin(1)
    spread = value - lowest
    # Sextants from red: which channel is the highest, and how the others differ.
    by_red, by_green, by_blue = green - blue, blue - red + 2 * spread, red - green + 4 * spread
    top = torch.where(value == red, by_red, torch.where(value == green, by_green, by_blue))
    sextant = top / spread.clamp(min=1) + 6 * share
    turned = [value - spread * _ramp(n + sextant) for n in (5, 3, 1)]
    return torch.stack(turned, 1).round_().clamp_(0, 255).to(torch.uint8)


def _ramp(sextant: Float[Tensor, "t h w"]) -> Float[Tensor, "t h w"]:
    around = sextant.remainder(6)
    return torch.minimum(around, 4 - around).clamp_(0, 1)


def move(clip: Clip, shift: float, zoom: float, rng: Generator) -> Clip:
    """Enlarge about the middle and shift by whole pixels."""
    h, w = clip.shape[-2:]
    factor = _between(1, zoom, rng)
    right, down = (round(_between(-shift, shift, rng) * side) for side in (w, h))
    offsets = (w / 2 - (w / 2 + right) / factor, h / 2 - (h / 2 + down) / factor)
    matrix = (1 / factor, 0.0, offsets[0], 0.0, 1 / factor, offsets[1])
    return randaugment.warp(clip, matrix, 0, randaugment.LINEAR)
