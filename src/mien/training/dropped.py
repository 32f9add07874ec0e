"""Blocks of patches that attention does not hear while training, so that a network can do without them in use.

The mask of Latent-OFER (arXiv 2307.11404) without its refilling: 1 to 20 of 7 x 7 patches, on other grids the same
share of the area.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor

LEAST, MOST = 1 / 49, 20 / 49
"""Of the patches."""


def heard_patches(clips: int, grid: int, share: float, rng: torch.Generator) -> Bool[Tensor, "b l"]:
    """Of each clip the patches that are heard: all, or with probability ``share`` all but a block.

    Args:
        clips: how many.
        grid: patches along a side.
        share: of the clips, in [0, 1].
        rng: draws the same numbers whichever clips are hit.
    """
    hit, area, ratio, top, left = torch.rand(5, clips, generator=rng)
    wanted = (LEAST + area * (MOST - LEAST)) * grid**2
    # Twice as high as wide to twice as wide as high, rounded to whole patches.
    high = (wanted * 2 ** (2 * ratio - 1)).sqrt().round().clamp(1, grid)
    wide = (wanted / high).round().clamp(1, grid)
    top, left = (top * (grid - high + 1)).floor(), (left * (grid - wide + 1)).floor()
    place = torch.arange(grid)
    rows = (place >= top[:, None]) & (place < (top + high)[:, None])
    columns = (place >= left[:, None]) & (place < (left + wide)[:, None])
    inside = rows[:, :, None] & columns[:, None, :] & (hit < share)[:, None, None]
    heard: Bool[Tensor, "b l"] = ~inside.flatten(1)
    return heard
