"""Landmarks that ask, image tokens that answer: the fusion of POSTER++ (Mao et al., arXiv 2301.12149, section 3).

With x the image tokens, normed, and q the landmark tokens, which are not projected:

    k, v = split(W_kv x);  a = W_o softmax(q k^T / sqrt(d / heads) + R) v
    y = x + g1 * a;  z = y + g2 * MLP(LN(y))

R is a learnt number a head for every offset between two places, g1 and g2 are learnt for every channel. A window as
large as the map, as everywhere in the published network, is attention over all places.

As published the shortcut is the *normed* x, so at g1 = g2 = 0 what comes out is LN(x): no plain ViT. On a ViT
(:class:`LandmarkFusion`) the shortcut is x as it came and only the branches see it normed, y = x + g1 * a(LN x): with
g1 = g2 = 0, as it starts, the tokens stay bit for bit what they are.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mien.models.landmarks import MAP_CHANNELS
from mien.models.vit import NORM_EPS, Mlp

TABLE_STD = 0.02


class CrossAttention(nn.Module):
    """Tokens of one map ask those of another, place by place and within windows.

    Args:
        dim: token width.
        heads: attention heads.
        window: side of the window that the offsets are learnt for, in places.
    """

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.kv, self.proj = nn.Linear(dim, 2 * dim), nn.Linear(dim, dim)
        self.table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.table, std=TABLE_STD)

    def forward(self, x: Float[Tensor, "b l d"], asks: Float[Tensor, "b m d"]) -> Float[Tensor, "b l d"]:
        """What the m places of one window hear of the l of a square map; where m < l every window is asked alike."""
        side, window = round(x.shape[1] ** 0.5), round(asks.shape[1] ** 0.5)
        k, v = (self._heads(windows(part, side, window)) for part in self.kv(x).chunk(2, dim=-1))
        q = self._heads(asks.repeat_interleave(len(k) // len(asks), 0) if side != window else asks)
        mixed = heard(q, k, v, self.table, window).transpose(1, 2).flatten(2)
        out: Tensor = self.proj(joined(mixed, side, window))
        return out

    def _heads(self, x: Float[Tensor, "n m d"]) -> Float[Tensor, "n h m k"]:
        n, places, width = x.shape
        return x.reshape(n, places, self.heads, width // self.heads).transpose(1, 2)


class WindowFusion(nn.Module):
    """Landmark tokens ask image tokens; the shortcut is normed, as published.

    Args:
        dim: token width.
        heads: attention heads.
        window: side of the window, in places.
        start: of g1 and g2.
        eps: of the norms.
        drop_path: rate of leaving out either branch of a sample while training, in [0, 1).
    """

    def __init__(
        self, dim: int, heads: int, window: int, start: float = 1e-5, eps: float = 1e-5, drop_path: float = 0.0
    ) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim, eps), CrossAttention(dim, heads, window)
        self.norm2, self.mlp = nn.LayerNorm(dim, eps), Mlp(dim)
        self.gamma1, self.gamma2 = (nn.Parameter(torch.full((dim,), start)) for _ in range(2))
        self.drop_path = drop_path

    def forward(self, x: Float[Tensor, "b l d"], asks: Float[Tensor, "b m d"]) -> Float[Tensor, "b l d"]:
        """z of the module's equations."""
        x = self.norm1(x)
        x = x + self._dropped(self.gamma1 * self.attn(x, asks))
        return x + self._dropped(self.gamma2 * self.mlp(self.norm2(x)))

    def _dropped(self, branch: Float[Tensor, "b l d"]) -> Float[Tensor, "b l d"]:
        if not self.training or self.drop_path == 0.0:
            return branch
        keep = 1.0 - self.drop_path
        return branch * torch.empty_like(branch[:, :1, :1]).bernoulli_(keep) / keep


class LandmarkFusion(WindowFusion):
    """On a ViT's patch tokens, asked by the landmark map through one linear map; at the start it changes nothing.

    Args:
        dim: token width.
        heads: attention heads.
        grid: patches along a side; another grid has the offsets' numbers resampled.
    """

    def __init__(self, dim: int, heads: int, grid: int) -> None:
        super().__init__(dim, heads, grid, start=0.0, eps=NORM_EPS)
        self.landmark = nn.Linear(MAP_CHANNELS, dim)

    def forward(self, x: Float[Tensor, "b l d"], asks: Float[Tensor, "b l 128"]) -> Float[Tensor, "b l d"]:
        """Patch tokens and the landmark map on their grid to patch tokens."""
        x = x + self.gamma1 * self.attn(self.norm1(x), self.landmark(asks))
        out: Tensor = x + self.gamma2 * self.mlp(self.norm2(x))
        return out


def heard(
    q: Float[Tensor, "n h m k"],
    k: Float[Tensor, "n h m k"],
    v: Float[Tensor, "n h m k"],
    table: Float[Tensor, "o h"],
    window: int,
) -> Float[Tensor, "n h m k"]:
    """Attention within windows of m = window^2 places, the numbers of their offsets added to the scores."""
    return F.scaled_dot_product_attention(q, k, v, attn_mask=offsets(table, window).to(q.dtype))


def offsets(table: Float[Tensor, "o h"], window: int) -> Float[Tensor, "h m m"]:
    """R of every pair of places, the asking one first: row (dy + w - 1)(2 w - 1) + dx + w - 1 of the table."""
    fits = resize_table(table, window)
    place = torch.arange(window, device=table.device)
    apart = place[:, None] - place[None] + window - 1  # of the asking place from the other, from 0 on
    row = apart[:, None, :, None] * (2 * window - 1) + apart[None, :, None, :]
    found: Tensor = fits[row.reshape(window**2, window**2)]
    return found.permute(2, 0, 1)


def resize_table(table: Float[Tensor, "o h"], window: int) -> Float[Tensor, "p h"]:
    """The table for windows of another side, linear between its numbers, ends on ends; as it is where it fits."""
    side, wanted = round(table.shape[0] ** 0.5), 2 * window - 1
    if side == wanted:
        return table
    square = table.T.view(1, -1, side, side)
    resized = F.interpolate(square.float(), size=(wanted, wanted), mode="bilinear", align_corners=True)
    return resized.flatten(2)[0].T.to(table.dtype)


def windows(x: Float[Tensor, "b l d"], side: int, window: int) -> Float[Tensor, "n m d"]:
    """A square map cut into windows, those of one map in reading order."""
    if side == window:
        return x
    many = side // window
    return x.reshape(-1, many, window, many, window, x.shape[2]).transpose(2, 3).reshape(-1, window**2, x.shape[2])


def joined(x: Float[Tensor, "n m d"], side: int, window: int) -> Float[Tensor, "b l d"]:
    """:func:`windows`, undone."""
    if side == window:
        return x
    many = side // window
    return x.reshape(-1, many, many, window, window, x.shape[2]).transpose(2, 3).reshape(-1, side**2, x.shape[2])
