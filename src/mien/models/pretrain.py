"""Masked autoencoder (He et al., arXiv 2111.06377): a ViT learns from unlabelled faces by painting in what is hidden.

Section 3 of the paper: most patches are left out, the encoder sees the rest, and a small decoder predicts the pixels of
what was left out, each patch brought to mean 0 and variance 1. The decoder is thrown away afterwards; what stays is
:meth:`MaskedAutoencoder.encoder_state`. Positions are fixed sines and cosines in both halves, as in the paper's code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mien.core.errors import ConfigError
from mien.models.vit import NORM_EPS, Block, VisionTransformer

PATCH_EPS = 1e-6
"""Added to a patch's variance: a patch of one colour has the target 0."""


@dataclass(frozen=True)
class MaskedAutoencoderConfig:
    """The shape of a masked autoencoder; the defaults are the paper's ViT-B/16.

    Attributes:
        input_size: side of the square input in pixels, a multiple of ``patch``.
        patch: side of a patch in pixels.
        dim: width of the encoder's tokens, a multiple of ``heads`` and of 4.
        depth: blocks of the encoder.
        heads: of the encoder.
        decoder_dim: width of the decoder's tokens, a multiple of ``decoder_heads`` and of 4.
        decoder_depth: blocks of the decoder.
        decoder_heads: of the decoder.
        mask: share of the patches that is hidden, in (0, 1).
    """

    input_size: int = 224
    patch: int = 16
    dim: int = 768
    depth: int = 12
    heads: int = 12
    decoder_dim: int = 512
    decoder_depth: int = 8
    decoder_heads: int = 16
    mask: float = 0.75

    def __post_init__(self) -> None:
        if self.input_size % self.patch:
            got = f"{self.input_size}, {self.patch}"
            raise ConfigError("input_size a multiple of patch", got, "change one of them")
        for dim, heads in ((self.dim, self.heads), (self.decoder_dim, self.decoder_heads)):
            if dim % heads or dim % 4:
                raise ConfigError("widths that are multiples of their heads and of 4", f"{dim}, {heads}", "change them")
        if not 0 < self.mask < 1 or not 1 <= self.visible < self.grid**2:
            got = f"{self.mask} of {self.grid**2}"
            raise ConfigError("a mask that hides some patches and leaves some", got, "change it")

    @property
    def grid(self) -> int:
        """Patches along a side."""
        return self.input_size // self.patch

    @property
    def visible(self) -> int:
        """Patches that the encoder sees."""
        return int(self.grid**2 * (1 - self.mask) + 1e-6)


class MaskedAutoencoder(nn.Module):
    """Images and noise to predicted patches.

    Args:
        config: its shape.
    """

    decoder_positions: Tensor

    def __init__(self, config: MaskedAutoencoderConfig) -> None:
        super().__init__()
        c = self.config = config
        self.encoder = VisionTransformer(c.input_size, c.patch, c.dim, c.depth, c.heads)
        self.decoder_embed = nn.Linear(c.dim, c.decoder_dim)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, c.decoder_dim))
        self.decoder_blocks = nn.ModuleList(Block(c.decoder_dim, c.decoder_heads) for _ in range(c.decoder_depth))
        self.decoder_norm = nn.LayerNorm(c.decoder_dim, eps=NORM_EPS)
        self.decoder_head = nn.Linear(c.decoder_dim, 3 * c.patch**2)
        self.register_buffer("decoder_positions", sine_positions(c.grid, c.decoder_dim), persistent=False)
        self._start()

    def _start(self) -> None:
        """The paper's initial weights."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        patches = self.encoder.patch_embed.proj
        nn.init.xavier_uniform_(patches.weight.data.view(len(patches.weight), -1))
        for token in (self.encoder.cls_token, self.mask_token):
            nn.init.normal_(token, std=0.02)
        self.encoder.pos_embed.data.copy_(sine_positions(self.config.grid, self.config.dim))
        self.encoder.pos_embed.requires_grad_(False)

    def forward(
        self, images: Float[Tensor, "b 3 h w"], noise: Float[Tensor, "b l"]
    ) -> tuple[Float[Tensor, "b l p"], Bool[Tensor, "b l"]]:
        """Predicted pixels of all patches, and which patches were hidden.

        Args:
            images: normalised.
            noise: one number a patch; of each image the patches with the smallest stay visible.
        """
        order = noise.argsort(dim=1, stable=True)
        hidden = torch.ones_like(order, dtype=torch.bool)
        hidden.scatter_(1, order[:, : self.config.visible], False)
        return self.decode(self.encode(images, order[:, : self.config.visible]), order), hidden

    def encode(self, images: Float[Tensor, "b 3 h w"], visible: Tensor) -> Float[Tensor, "b m d"]:
        """The trunk's normalised tokens, class token first, of the patches numbered in ``visible`` (b, m - 1) alone."""
        tokens = self.encoder.with_class_token(self.encoder.patch_embed(images))
        x = torch.cat([tokens[:, :1], tokens[:, 1:].gather(1, _wide(visible, tokens))], dim=1)
        for block in self.encoder.blocks:
            x = block(x)
        normed: Tensor = self.encoder.norm(x)
        return normed

    def decode(self, tokens: Float[Tensor, "b m d"], order: Tensor) -> Float[Tensor, "b l p"]:
        """Predictions in reading order; ``order`` (b, l) numbers the patches, the visible ones first."""
        x = self.decoder_embed(tokens)
        masks = self.mask_token.to(x.dtype).expand(len(x), order.shape[1] + 1 - x.shape[1], -1)
        patches = torch.cat([x[:, 1:], masks], dim=1)
        patches = patches.gather(1, _wide(order.argsort(dim=1), patches))
        x = torch.cat([x[:, :1], patches], dim=1) + self.decoder_positions.to(x.dtype)
        for block in self.decoder_blocks:
            x = block(x)
        predicted: Tensor = self.decoder_head(self.decoder_norm(x[:, 1:]))
        return predicted

    def encoder_state(self) -> dict[str, Tensor]:
        """The trunk's weights with timm's names: what a backbone is loaded from."""
        return {name: tensor.detach().contiguous() for name, tensor in self.encoder.state_dict().items()}


def _wide(places: Tensor, tokens: Tensor) -> Tensor:
    """Indices (b, n) for ``gather`` along the tokens."""
    return places[:, :, None].expand(-1, -1, tokens.shape[-1])


def patch_pixels(images: Float[Tensor, "b 3 h w"], patch: int) -> Float[Tensor, "b l p"]:
    """The pixels of every patch in reading order, each patch as one row of 3 x patch x patch."""
    return F.unfold(images, patch, stride=patch).transpose(1, 2)


def reconstruction_loss(
    predicted: Float[Tensor, "b l p"], images: Float[Tensor, "b 3 h w"], hidden: Bool[Tensor, "b l"], patch: int
) -> Float[Tensor, ""]:
    """Mean squared error over the hidden patches, every patch's pixels brought to mean 0 and variance 1. In float32."""
    pixels = patch_pixels(images.float(), patch)
    spread, mean = torch.var_mean(pixels, dim=-1, keepdim=True)
    error = (predicted.float() - (pixels - mean) / (spread + PATCH_EPS).sqrt()).square().mean(-1)
    return error[hidden].mean()


def sine_positions(grid: int, dim: int) -> Float[Tensor, "1 m d"]:
    """Fixed positions of a square grid in reading order: sines and cosines of the column, then of the row.

    Wavelengths rise geometrically from 2 pi to 10,000 times that. The class token's, the first, is zero.
    """
    rates = torch.exp(torch.arange(dim // 4, dtype=torch.float64) * (-4 * math.log(10_000) / dim))
    angles = torch.outer(torch.arange(grid, dtype=torch.float64), rates)
    line = torch.cat([angles.sin(), angles.cos()], dim=1)
    columns, rows = line.repeat(grid, 1), line.repeat_interleave(grid, 0)
    return F.pad(torch.cat([columns, rows], dim=1), (0, 0, 1, 0)).float()[None]
