"""A head that asks: one learnt query a column looks over the patch tokens (Faceptor, arXiv 2403.09500, its decoder).

Queries look at the tokens, then hear of one another; what each has found becomes its column's number by one linear
layer to 1, the same for all queries. Differs from the paper: one level of tokens, not a choice among the encoder's
levels.
"""

from __future__ import annotations

from math import gcd
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mien.core.signals import Signal
from mien.models.heads import Head
from mien.models.vit import NORM_EPS, Block, attend

LAYERS = 1
MOST_ATTENTION_HEADS = 8


class Queries(Head):
    """Numbers of a signal's columns from the patch tokens of every frame; the mean over frames."""

    reads_tokens: ClassVar[bool] = True

    def __init__(self, dim: int, signal: Signal) -> None:
        super().__init__(dim, signal)
        self.queries = nn.Parameter(torch.empty(self.columns, dim))
        nn.init.trunc_normal_(self.queries, std=0.02)
        self.layers = nn.ModuleList(QueryLayer(dim, gcd(dim, MOST_ATTENTION_HEADS)) for _ in range(LAYERS))
        self.norm, self.read = nn.LayerNorm(dim, eps=NORM_EPS), nn.Linear(dim, 1)

    def forward(self, tokens: Float[Tensor, "b t l d"]) -> Float[Tensor, "b k"]:
        """One row a clip of t frames with l places each."""
        b, t = tokens.shape[:2]
        places = tokens.flatten(0, 1)
        asking = self.queries.expand(b * t, -1, -1)
        for layer in self.layers:
            asking = layer(asking, places)
        raw: Tensor = self.read(self.norm(asking))
        return raw.view(b, t, -1).mean(1)


class QueryLayer(nn.Module):
    """Cross-attention from queries to tokens, then a pre-norm transformer block among the queries.

    Args:
        dim: of both.
        heads: of the attention; divides ``dim``.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_q, self.norm_x = nn.LayerNorm(dim, eps=NORM_EPS), nn.LayerNorm(dim, eps=NORM_EPS)
        self.q, self.kv, self.proj = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim), nn.Linear(dim, dim)
        self.among = Block(dim, heads)

    def forward(self, asking: Float[Tensor, "n k d"], places: Float[Tensor, "n l d"]) -> Float[Tensor, "n k d"]:
        """The queries with what they found."""
        n, k, d = asking.shape
        q = self.q(self.norm_q(asking)).view(n, k, self.heads, -1).transpose(1, 2)
        keys, values = self.kv(self.norm_x(places)).view(n, -1, 2, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        found = attend(q, keys, values).transpose(1, 2).reshape(n, k, d)
        heard: Tensor = self.among(asking + self.proj(found))
        return heard
