"""Covers and displays as augmentation: what :mod:`mien.data.covers` and :mod:`mien.data.display` draw, at random.

They are drawn where an ordinary face has its parts: crops are aligned, and workers that load items have no landmark
net. A probability of 0 draws no random number, so a run without them is what it was.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from mien.data.covers import PARTS, TEXTURES, cover
from mien.data.display import STRENGTHS, through_display

Generator = torch.Generator
STRENGTH_NAMES = tuple(STRENGTHS)
MOST_SEED = 2**31 - 1


def spoilt_clip(
    clip: UInt8[Tensor, "t 3 h w"], covered: float, displayed: float, rng: Generator
) -> UInt8[Tensor, "t 3 h w"]:
    """A clip with one part of the face covered, and seen through a display; each with its probability."""
    if covered and torch.rand((), generator=rng).item() < covered:
        part, texture = PARTS[_whole(len(PARTS), rng)], TEXTURES[_whole(len(TEXTURES), rng)]
        clip = torch.from_numpy(cover(clip.numpy(), _whole(MOST_SEED, rng), part=part, texture=texture))
    if displayed and torch.rand((), generator=rng).item() < displayed:
        display = STRENGTHS[STRENGTH_NAMES[_whole(len(STRENGTHS), rng)]]
        clip = torch.from_numpy(through_display(clip.numpy(), _whole(MOST_SEED, rng), display=display))
    return clip


def random_spoilt(
    images: Float[Tensor, "n c h w"], covered: float, displayed: float, rng: Generator
) -> Float[Tensor, "n c h w"]:
    """Likewise each of some pictures in [0, 1], grey ones in their one channel; those that are spoilt in 256 steps."""
    if not covered and not displayed:
        return images
    out = images.clone()
    for place, image in enumerate(images):
        clip = (image.clamp(0, 1) * 255).round().to(torch.uint8).expand(3, -1, -1)[None]
        changed = spoilt_clip(clip, covered, displayed, rng)
        if changed is not clip:
            seen = changed[0].float() / 255
            out[place] = seen if len(image) == 3 else seen.mean(0, keepdim=True)
    return out


def _whole(below: int, rng: Generator) -> int:
    return int(torch.randint(below, (), generator=rng))
