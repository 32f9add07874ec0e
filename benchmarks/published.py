"""The published layout of S2D, stated plainly: what mien's network is measured against.

Written from the method's facts, not from anybody's code: explicit attention, prompters as 1x1 convolutions on maps
(permuted there and back), class token cut off and put on again at every block, every block whole. It runs on the
parameters of an :class:`mien.models.s2d.S2D` itself: answers and gradients can be compared number by number.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mien.models.landmarks import MobileFaceNet, landmark_input
from mien.models.prompts import resize_map
from mien.models.s2d import S2D
from mien.models.shape import ADAPTER_HEADS as HEADS
from mien.models.temporal import resize_time
from mien.models.vit import Attention, Block, resize_positions


class Published(nn.Module):
    """The call of ``S2D`` in the published layout, on the same parameters."""

    def __init__(self, s2d: S2D) -> None:
        super().__init__()
        self.s2d = s2d

    def forward(self, video: Tensor, landmark_map: Tensor | None) -> tuple[Tensor, Tensor]:
        """Video (b, t, 3, h, w) and map (b t, 128, u, v) to logits (b, c) and feature (b, d)."""
        s2d, (b, t) = self.s2d, video.shape[:2]
        trunk = s2d.backbone
        places = trunk.patch_embed.proj(video.flatten(0, 1))  # (bt, d, g, g)
        prompt = None
        if s2d.config.prompts:
            embed = s2d.landmark_embed.proj
            prompt = F.conv2d(resize_map(landmark_map, places.shape[-1]), embed.weight[:, :, None, None], embed.bias)
        patches = tokens_of(places)
        if prompt is not None:
            patches, prompt = self.prompted(0, patches, prompt, t)
        x = torch.cat([trunk.cls_token.expand(b * t, -1, -1), patches], dim=1)
        x = x + resize_positions(trunk.pos_embed, places.shape[-1])
        if s2d.config.frames is not None:
            x = x.reshape(b, t, -1, x.shape[-1]) + resize_time(s2d.temporal_embed, t)[:, :, None]
            x = x.flatten(0, 1)
        for i, block in enumerate(trunk.blocks):
            if i and prompt is not None:
                patches, prompt = self.prompted(i, x[:, 1:], prompt, t)
                x = torch.cat([x[:, :1], patches], dim=1)
            x = through(block, x)
        feature = trunk.norm(x)[:, 0].reshape(b, t, -1).mean(1)
        return s2d.head(s2d.dropout(feature)), feature

    def prompted(self, i: int, patches: Tensor, prompt: Tensor, frames: int) -> tuple[Tensor, Tensor]:
        """Patch tokens (bt, l, d) with prompt and adapter added, and the prompt (bt, d, g, g)."""
        s2d, prompter = self.s2d, self.s2d.prompters[i]
        normed = s2d.prompt_norms[max(i - 1, 0)](patches)
        v = pointwise(map_of(normed), prompter.visual)
        weights = (v.flatten(2) * prompter.smooth).softmax(-1).reshape(v.shape)
        lm = pointwise(map_of(s2d.prompt_norms[0](tokens_of(prompt))), prompter.landmark)
        prompt = pointwise(v * weights + lm, prompter.out)
        if s2d.config.frames is not None:
            patches = patches + adapted(s2d.adapters[i], normed, frames)
        return patches + tokens_of(prompt), prompt


def random_weights(s2d: S2D, seed: int = 0) -> S2D:
    """Fill ``s2d`` so that every part acts: unit gain for matrices, norms about 1, small shifts. No part is zero."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in s2d.named_parameters():
            noise = torch.randn(parameter.shape, generator=rng)
            if parameter.dim() == 1:
                centre = 10.0 if name.endswith("smooth") else float(name.endswith("weight"))
                parameter.copy_(centre + 0.1 * noise)
            else:
                parameter.copy_(0.02 * noise if parameter.shape[0] == 1 else noise / parameter[0].numel() ** 0.5)
    return s2d


class Plain(nn.Module):
    """Normalised frames to logits as published: the whole landmark net, batch norms and all, then the network."""

    def __init__(self, s2d: S2D, landmarks: MobileFaceNet) -> None:
        super().__init__()
        self.network, self.landmarks = Published(s2d), landmarks

    def forward(self, video: Tensor) -> Tensor:
        """Video (b, t, 3, h, w) to logits (b, c)."""
        with torch.no_grad():
            landmark_map = self.landmarks(landmark_input(video.flatten(0, 1)).contiguous())[1]
        return self.network(video, landmark_map)[0]


def adapted(adapter: nn.Module, normed: Tensor, frames: int) -> Tensor:
    """What a temporal adapter adds to layer-normed patch tokens (bt, l, d): narrow, over time, wide; narrow, wide."""
    temporal, token = adapter.temporal, adapter.token
    bt, places, _ = normed.shape
    h = F.gelu(temporal.down(normed))
    h = h.reshape(bt // frames, frames, places, -1).permute(0, 2, 1, 3).flatten(0, 1)
    h = attention(temporal.attn, h, HEADS)
    h = h.reshape(bt // frames, places, frames, -1).permute(0, 2, 1, 3).flatten(0, 1)
    return token.up(F.gelu(token.down(adapter.norm(temporal.up(h)))))


def through(block: Block, x: Tensor) -> Tensor:
    """A pre-norm transformer block on all tokens."""
    x = x + attention(block.attn, block.norm1(x), block.attn.heads)
    return x + block.mlp.fc2(F.gelu(block.mlp.fc1(block.norm2(x))))


def attention(attn: Attention, x: Tensor, heads: int) -> Tensor:
    """Self-attention with the weights written out."""
    b, length, d = x.shape
    q, k, v = attn.qkv(x).reshape(b, length, 3, heads, d // heads).permute(2, 0, 3, 1, 4)
    weights = ((q * (d // heads) ** -0.5) @ k.transpose(-2, -1)).softmax(-1)
    return attn.proj((weights @ v).transpose(1, 2).reshape(b, length, d))


def pointwise(places: Tensor, linear: nn.Linear) -> Tensor:
    """A 1x1 convolution of a map with a linear map's weights."""
    return F.conv2d(places, linear.weight[:, :, None, None], linear.bias)


def tokens_of(places: Tensor) -> Tensor:
    """A map (bt, d, g, g) as tokens (bt, l, d) in reading order."""
    return places.flatten(2).transpose(1, 2)


def map_of(tokens: Tensor) -> Tensor:
    """Tokens (bt, l, d) as a map (bt, d, g, g)."""
    side = round(tokens.shape[1] ** 0.5)
    return tokens.transpose(1, 2).reshape(tokens.shape[0], -1, side, side)
