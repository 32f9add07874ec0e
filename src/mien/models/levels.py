"""A head that reads two levels of the network: the block in the middle and the last one, place by place.

After SwinFace (Qin et al., arXiv 2308.11509, section III), which joins four levels of a Swin transformer for each of
its tasks, gates their channels and pools them: the last level is made for the expression, and what else a face shows
may be gone there. What differs: the two levels that every way of running a network gives
(:attr:`mien.models.net.Answer.middle` and :attr:`~mien.models.net.Answer.tokens`), a linear map in the place of
convolutions, for tokens have heard of each other, one hidden layer, and no dropout. Its loss for ages is
:func:`mien.training.masked.annealed_error`.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mien.core.signals import Signal
from mien.models.heads import Head
from mien.models.squeeze import Squeeze
from mien.models.vit import NORM_EPS

REDUCTION = 16
"""Of the gate."""


class Levels(Head):
    """Numbers of a signal's columns from the patch tokens of two blocks of every frame; the mean over frames."""

    reads_tokens: ClassVar[bool] = True
    reads_middle: ClassVar[bool] = True

    def __init__(self, dim: int, signal: Signal) -> None:
        super().__init__(dim, signal)
        self.norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self.join, self.gate = nn.Linear(2 * dim, dim), Squeeze(dim, REDUCTION)
        self.hidden, self.read = nn.Linear(dim, dim), nn.Linear(dim, self.columns)

    def forward(self, levels: Float[Tensor, "b t l e"]) -> Float[Tensor, "b k"]:
        """One row a clip of t frames with l places each; e = 2 d: the middle block's tokens, then the last one's."""
        half = self.dim
        joined = torch.cat([self.norm(levels[..., :half]), levels[..., half:]], -1)
        # The gate hears the mean over places and scales channels: of the map or of its mean is the same.
        feature = self.gate(self.join(joined).relu().mean(2))
        raw: Tensor = self.read(self.hidden(feature).relu())
        return raw.mean(1)
