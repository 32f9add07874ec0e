"""The plain Vision Transformer under S2D, with the parameter names of timm (``blocks.0.attn.qkv.weight``).

Papers: ViT (Dosovitskiy et al., arXiv 2010.11929); pre-norm blocks, LayerNorm eps 1e-6, class token, learned positions.
The trunk is split in steps (``embed``, ``positions``, ``blocks``) because S2D acts between them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

NORM_EPS = 1e-6


def attend(
    q: Float[Tensor, "b n q d"],
    k: Float[Tensor, "b n l d"],
    v: Float[Tensor, "b n l d"],
    heard: Bool[Tensor, "b l"] | None = None,
) -> Float[Tensor, "b n q d"]:
    """Scaled dot-product attention of n heads: q tokens ask, l tokens answer, or those of them that are ``heard``.

    Training in bfloat16 on a CPU takes the explicit form: there the fused kernel's backward is the slower one.
    """
    if q.requires_grad and q.device.type == "cpu" and q.dtype == torch.bfloat16:
        weights = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
        if heard is not None:
            weights = weights.masked_fill(~heard[:, None, None], -torch.inf)
        mixed: Tensor = weights.softmax(-1) @ v
        return mixed
    return F.scaled_dot_product_attention(q, k, v, None if heard is None else heard[:, None, None])


class Attention(nn.Module):
    """Multi-head self-attention with one joint projection for queries, keys and values.

    Args:
        dim: token width, a multiple of ``heads``.
        heads: number of heads.
        qkv_bias: whether the joint projection has a bias (the temporal adapter's has none).
    """

    def __init__(self, dim: int, heads: int, qkv_bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)

    def forward(
        self, x: Float[Tensor, "b l d"], queries: int | None = None, heard: Bool[Tensor, "b l"] | None = None
    ) -> Float[Tensor, "b q d"]:
        """Mix the l tokens of each of b sequences, or those ``heard``; with ``queries`` the first q are answered."""
        b, tokens, d = x.shape
        q, k, v = self.qkv(x).view(b, tokens, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        mixed: Tensor = self.proj(attend(q[:, :, :queries], k, v, heard).transpose(1, 2).reshape(b, -1, d))
        return mixed

    def weights(self, x: Float[Tensor, "b l d"], queries: int | None = None) -> Float[Tensor, "b n q l"]:
        """What n heads look at from each of the first q tokens, None: of all; rows sum to 1."""
        b, tokens, d = x.shape
        q, k, _ = self.qkv(x).view(b, tokens, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        found: Tensor = ((q[:, :, :queries] * (d // self.heads) ** -0.5) @ k.transpose(-2, -1)).softmax(-1)
        return found


class Mlp(nn.Module):
    """Linear, GELU, linear, with a hidden width of four times ``dim``."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, 4 * dim)
        self.fc2 = nn.Linear(4 * dim, dim)

    def forward(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """Map every token by itself."""
        mapped: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return mapped


class Block(nn.Module):
    """A pre-norm transformer block; ``drop_path`` in [0, 1) skips either half for whole samples while training."""

    def __init__(self, dim: int, heads: int, drop_path: float = 0.0) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=NORM_EPS)
        self.mlp = Mlp(dim)
        self.drop_path = drop_path

    def forward(
        self, x: Float[Tensor, "b l d"], queries: int | None = None, heard: Bool[Tensor, "b l"] | None = None
    ) -> Float[Tensor, "b q d"]:
        """x + attention(norm x), then x + mlp(norm x); with ``queries`` only for the first q tokens."""
        x = x[:, :queries] + self._dropped(self.attn(self.norm1(x), queries, heard))
        return x + self._dropped(self.mlp(self.norm2(x)))

    def _dropped(self, branch: Tensor) -> Tensor:
        if not self.training or self.drop_path == 0.0:
            return branch
        keep = 1.0 - self.drop_path
        mask = torch.empty(branch.shape[0], 1, 1, dtype=branch.dtype, device=branch.device).bernoulli_(keep)
        return branch * mask / keep


class PatchEmbed(nn.Module):
    """Cut an image into patches and map each to a token; the patch is the kernel and the stride of ``proj``."""

    def __init__(self, dim: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch, patch)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b l d"]:
        """Tokens in reading order."""
        tokens: Tensor = self.proj(images)
        return tokens.flatten(2).transpose(1, 2)


def resize_positions(table: Float[Tensor, "1 n d"], grid: int) -> Float[Tensor, "1 m d"]:
    """The position table (class token first) resampled bicubically to a grid x grid layout; m = grid^2 + 1.

    In inference and training alike; a table that already fits comes back as it is.
    """
    side = round((table.shape[1] - 1) ** 0.5)
    if side == grid:
        return table
    places = table[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    places = F.interpolate(places.float(), size=(grid, grid), mode="bicubic", align_corners=False)
    return torch.cat([table[:, :1], places.to(table.dtype).permute(0, 2, 3, 1).reshape(1, grid * grid, -1)], dim=1)


def draw_normal(parameter: Tensor, std: float) -> None:
    """Fill with normal numbers, where there is something to fill.

    On the meta device, where weights are about to be loaded, torch would import its compiler for that: 2 s.
    """
    if not parameter.is_meta:
        nn.init.normal_(parameter, std=std)


class VisionTransformer(nn.Module):
    """A ViT trunk: images to normalised tokens, class token first.

    Args:
        input_size: side of the square image the position table is made for, a multiple of ``patch``.
        patch: side of a patch.
        dim: token width.
        depth: number of blocks.
        heads: attention heads.
        drop_path: rate of the last block; the blocks before rise to it linearly from 0.
    """

    def __init__(self, input_size: int, patch: int, dim: int, depth: int, heads: int, drop_path: float = 0.0) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(dim, patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, (input_size // patch) ** 2 + 1, dim))
        rates = [drop_path * i / max(depth - 1, 1) for i in range(depth)]
        self.blocks = nn.ModuleList(Block(dim, heads, rate) for rate in rates)
        self.norm = nn.LayerNorm(dim, eps=NORM_EPS)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        draw_normal(self.cls_token, std=1e-6)

    def with_class_token(self, patches: Float[Tensor, "b l d"]) -> Float[Tensor, "b m d"]:
        """Put the class token before the patch tokens (m = l + 1) and add the positions of their square grid."""
        grid = round(patches.shape[1] ** 0.5)
        tokens = torch.cat([self.cls_token.to(patches.dtype).expand(patches.shape[0], -1, -1), patches], dim=1)
        return tokens + resize_positions(self.pos_embed, grid).to(patches.dtype)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b m d"]:
        """The plain ViT, without S2D's prompters: normalised images to normalised tokens."""
        x = self.with_class_token(self.patch_embed(images))
        for block in self.blocks:
            x = block(x)
        normed: Tensor = self.norm(x)
        return normed
