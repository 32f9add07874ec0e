"""Mixup and cutmix of clips with soft targets, and label smoothing.

H. Zhang et al., "mixup", arXiv 1710.09412; S. Yun et al., "CutMix", arXiv 1905.04899; smoothing: C. Szegedy et al.,
arXiv 1512.00567. As in the S2D recipe, one share and one box hold for the whole batch, and each clip's partner is the
one at its place in the reversed batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mien.core.errors import ConfigError

Clips = Float[Tensor, "b t _ h w"]
Targets = Float[Tensor, "b c"]


@dataclass(frozen=True)
class Mixing:
    """How the clips of a batch are mixed; the defaults are S2D's second stage.

    Attributes:
        mixup: alpha of the Beta(alpha, alpha) share for blending; 0 never blends.
        cutmix: alpha of the share for pasting a box; 0 never pastes.
        switch: probability of cutmix, where both are possible.
        smoothing: share of every target that is spread evenly over the classes.
    """

    mixup: float = 0.8
    cutmix: float = 1.0
    switch: float = 0.5
    smoothing: float = 0.1

    @property
    def changes_clips(self) -> bool:
        """Whether clips are mixed, not only targets smoothed."""
        return max(self.mixup, self.cutmix) > 0

    def __post_init__(self) -> None:
        if min(self.mixup, self.cutmix) < 0:
            raise ConfigError("mixup and cutmix >= 0", f"{self.mixup} and {self.cutmix}", "0 switches one off")
        if not (0 <= self.switch <= 1 and 0 <= self.smoothing < 1):
            raise ConfigError(
                "switch in [0, 1], smoothing in [0, 1)", f"{self.switch} and {self.smoothing}", "change them"
            )


NONE = Mixing(0.0, 0.0, 0.0, 0.0)
"""Clips and targets as they are."""


def smooth(targets: Targets, amount: float) -> Targets:
    """Spread a share ``amount`` of each row evenly over the classes; the sum of a row stays."""
    return targets * (1 - amount) + targets.sum(1, keepdim=True) * (amount / targets.shape[1])


def mix(clips: Clips, targets: Targets, mixing: Mixing, rng: torch.Generator) -> tuple[Clips, Targets]:
    """Mix every clip, and its target alike, with its partner in the reversed batch.

    Args:
        clips: on any device; left as they are.
        targets: shares of the classes, rows summing to 1.
        mixing: how.
        rng: of the CPU; it draws the same whatever the device.

    Returns:
        Mixed clips and smoothed, mixed targets; rows sum to 1.
    """
    targets = smooth(targets, mixing.smoothing)
    if not mixing.changes_clips:
        return clips, targets
    pastes = mixing.mixup == 0 or (mixing.cutmix > 0 and torch.rand((), generator=rng).item() < mixing.switch)
    share = _beta(mixing.cutmix if pastes else mixing.mixup, rng)
    partners = clips.flip(0)
    if pastes:
        clips, share = _paste(clips, partners, share, rng)
    else:
        clips = clips * share + partners * (1 - share)
    return clips, targets * share + targets.flip(0) * (1 - share)


def _beta(alpha: float, rng: torch.Generator) -> float:
    # Beta(alpha, alpha) from two gammas, drawn by the run's own generator.
    a, b = torch._standard_gamma(torch.full((2,), alpha, dtype=torch.float64), generator=rng).tolist()
    return float(a / (a + b)) if a + b > 0 else 0.5


def _paste(clips: Clips, partners: Clips, share: float, rng: torch.Generator) -> tuple[Clips, float]:
    """Replace a box by the partner's; the share that comes back is what is left of the clip, to the pixel."""
    h, w = clips.shape[-2:]
    side = math.sqrt(1 - share)
    top, bottom = _cut(h, side, rng)
    left, right = _cut(w, side, rng)
    clips = clips.clone()
    clips[..., top:bottom, left:right] = partners[..., top:bottom, left:right]
    return clips, 1 - (bottom - top) * (right - left) / (h * w)


def _cut(length: int, share: float, rng: torch.Generator) -> tuple[int, int]:
    """A stretch around an even draw of its middle, cut off at the ends."""
    middle, half = int(torch.randint(length, (), generator=rng)), int(length * share) // 2
    return max(middle - half, 0), min(middle + half, length)
