"""A head whose questions and whose picture attend to each other: FaceXFormer's decoder (arXiv 2403.12960, section 3.2).

A learnt token a column, t0, and the places x with their positions p. Two layers of

    t <- LN(t + SA(t + t0, t + t0, t)),  without t and t0 beside it in the first, where t is t0;
    t <- LN(t + CA(t + t0, x + p, x)),  t <- LN(t + MLP(t)),  x <- LN(x + CA(x + p, t + t0, t)),

then once more t <- LN(t + CA(t + t0, x + p, x)); attention between both is half as wide. So what one column has found
changes what the others, and the places, look like, which the head `queries` (:mod:`mien.models.queries`) does not do.
Checked against the released code's figures (Kartik-3004/facexformer). What differs: one level of tokens; one small
network reads all columns; the hidden layer is twice the width, there eight times.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mien.core import checks
from mien.core.signals import Signal
from mien.models.heads import Head
from mien.models.queries import MOST_ATTENTION_HEADS
from mien.models.vit import attend

LAYERS = 2
WIDER = 2
"""The hidden layer's width over the tokens'."""


class TwoWayQueries(Head):
    """Numbers of a signal's columns from the patch tokens of every frame; the mean over frames."""

    reads_tokens: ClassVar[bool] = True

    def __init__(self, dim: int, signal: Signal) -> None:
        super().__init__(dim, signal)
        checks.demand(dim % 2 == 0, "width of the tokens for a head two-way", "an even number", dim)
        self.tokens = nn.Parameter(torch.empty(self.columns, dim))
        nn.init.trunc_normal_(self.tokens, std=0.02)
        self.register_buffer("waves", torch.randn(2, dim // 2))  # drawn once, kept with the weights
        self.waves: Tensor
        self.decoder = TwoWay(dim, math.gcd(dim // 2, MOST_ATTENTION_HEADS), WIDER * dim)
        self.read = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, 1))

    def forward(self, tokens: Float[Tensor, "b t l d"]) -> Float[Tensor, "b k"]:
        """One row a clip of t frames with l places each, in reading order on a square."""
        b, t, places, _ = tokens.shape
        asking = self.tokens.expand(b * t, -1, -1)
        asking, _ = self.decoder(asking, tokens.flatten(0, 1), wave_positions(self.waves, round(places**0.5)))
        raw: Tensor = self.read(asking)
        return raw.view(b, t, -1).mean(1)


class TwoWay(nn.Module):
    """The decoder.

    Args:
        dim: of tokens and places.
        heads: of all attention; divides dim / 2.
        hidden: width between.
    """

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayLayer(dim, heads, hidden, first=i == 0) for i in range(LAYERS))
        self.last, self.norm = Attend(dim, dim // 2, heads), nn.LayerNorm(dim)

    def forward(
        self, tokens: Float[Tensor, "n k d"], places: Float[Tensor, "n l d"], positions: Float[Tensor, "l d"]
    ) -> tuple[Float[Tensor, "n k d"], Float[Tensor, "n l d"]]:
        """Both after it."""
        asked = tokens
        for layer in self.layers:
            tokens, places = layer(tokens, asked, places, positions)
        found = self.last(tokens + asked, places + positions, places)
        return self.norm(tokens + found), places


class TwoWayLayer(nn.Module):
    """One layer, see the module.

    Args:
        dim: of tokens and places.
        heads: of all attention.
        hidden: width between.
        first: its tokens are those that were asked with.
    """

    def __init__(self, dim: int, heads: int, hidden: int, first: bool) -> None:
        super().__init__()
        self.first = first
        self.among, self.out, self.back = (Attend(dim, width, heads) for width in (dim, dim // 2, dim // 2))
        self.norm1, self.norm2, self.norm3, self.norm4 = (nn.LayerNorm(dim) for _ in range(4))
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(
        self,
        tokens: Float[Tensor, "n k d"],
        asked: Float[Tensor, "n k d"],
        places: Float[Tensor, "n l d"],
        positions: Float[Tensor, "l d"],
    ) -> tuple[Float[Tensor, "n k d"], Float[Tensor, "n l d"]]:
        """Tokens and places after it; ``asked`` are the tokens at the very beginning."""
        if self.first:
            tokens = self.norm1(self.among(tokens, tokens, tokens))
        else:
            tokens = self.norm1(tokens + self.among(tokens + asked, tokens + asked, tokens))
        tokens = self.norm2(tokens + self.out(tokens + asked, places + positions, places))
        tokens = self.norm3(tokens + self.fc2(F.relu(self.fc1(tokens))))
        return tokens, self.norm4(places + self.back(places + positions, tokens + asked, tokens))


class Attend(nn.Module):
    """Attention with a map each for queries, keys and values.

    Args:
        dim: of what comes and goes.
        width: within, a multiple of ``heads``.
        heads: how many.
    """

    def __init__(self, dim: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v = (nn.Linear(dim, width) for _ in range(3))
        self.proj = nn.Linear(width, dim)

    def forward(
        self, asks: Float[Tensor, "n q d"], keys: Float[Tensor, "n l d"], values: Float[Tensor, "n l d"]
    ) -> Float[Tensor, "n q d"]:
        """What each that asks hears of the values."""
        parts = (self.q(asks), self.k(keys), self.v(values))
        split = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in parts)
        heard: Tensor = self.proj(attend(*split).transpose(1, 2).flatten(2))
        return heard


def wave_positions(waves: Float[Tensor, "2 h"], side: int) -> Float[Tensor, "l d"]:
    """Positions of a square's places in reading order: sines, then cosines, of 2 pi (2 c - 1) G, with c the middle of
    a place in shares of the side, x first, and G the ``waves``; d = 2 h (Tancik et al., arXiv 2006.10739)."""
    middle = (torch.arange(side, device=waves.device, dtype=waves.dtype) + 0.5) / side
    y, x = torch.meshgrid(middle, middle, indexing="ij")
    turns = 2 * math.pi * (2 * torch.stack([x, y], -1).flatten(0, 1) - 1) @ waves
    return torch.cat([turns.sin(), turns.cos()], 1)
