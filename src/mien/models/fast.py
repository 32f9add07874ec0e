"""S2D folded for inference: the same function in fewer steps (``mien.models.s2d`` is the one to read).

Every fold is exact up to rounding and is made in float64 from the weights of an :class:`S2D`, which stays as it is:

- a norm's scale and shift go into the linear map that follows: W (g * n + h) + b = (W g) n + (W h + b);
- linear maps of one input are one: the prompter's view and the way into the temporal adapter; likewise the ways out;
- linear, norm, linear on a narrow input never makes the wide tensor between (:class:`NarrowNorm`): so the landmark map
  enters the first prompter, a prompt the next one, and the adapter's T its S;
- the last block asks with the class token alone, which is all that the head reads, unless tokens are asked for.

Class token and patches lie in one buffer to which every part adds in place what it has to add.
"""

from __future__ import annotations

import copy
import math
from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float64
from torch import Tensor, nn

from mien.core.errors import ConfigError
from mien.models.net import Answer
from mien.models.prompts import HIDDEN, Prompter, fovea, resize_map
from mien.models.s2d import S2D
from mien.models.shape import ADAPTER_HEADS
from mien.models.temporal import TemporalAdapter, resize_time
from mien.models.vit import NORM_EPS, Block, resize_positions
from mien.models.window import LandmarkFusion, heard

MOST_BYTES = 24 << 20
"""Of a block's widest tensor. Six clips of s2d-small take 9 % less time so, and 330 MB less memory."""


def fold_s2d(s2d: S2D, dtype: torch.dtype = torch.float32) -> FoldedS2D:
    """A network for inference with the call and the answers of ``s2d``, which is left as it is.

    In float32 logits differ by rounding alone (about 1e-6). The result cannot be trained.

    Args:
        s2d: whose weights are folded.
        dtype: of weights and arithmetic up to the last norm, which stays in float32 with gate and head.
    """
    folded = FoldedS2D(s2d).eval().to(dtype)
    folded.norm.float()
    folded.squeeze.float()
    folded.head.float()
    return folded.requires_grad_(False)


class FoldedS2D(nn.Module):
    """Normalised frames and their landmark map to logits and the head's feature; made by :func:`fold_s2d`.

    Attributes:
        config: the network's shape.
    """

    def __init__(self, s2d: S2D) -> None:
        super().__init__()
        self.config = s2d.config
        trunk = s2d.backbone
        kernel = trunk.patch_embed.proj
        self.patch_embed = _linear(kernel.weight.flatten(1), cast(Tensor, kernel.bias))
        self.class_token, self.positions = _stored(trunk.cls_token), _stored(trunk.pos_embed)
        last = self.config.depth - 1
        self.blocks = nn.ModuleList(FoldedBlock(cast(Block, block), i == last) for i, block in enumerate(trunk.blocks))
        if self.config.fused == "mcp":
            self.prompts = nn.ModuleList(FoldedPrompt(s2d, i) for i in range(self.config.depth))
        if self.config.fused == "window":
            self.fusions = nn.ModuleList(FoldedFusion(cast(LandmarkFusion, one)) for one in s2d.fusions)
        if self.config.frames is not None:
            self.times = _stored(s2d.temporal_embed)
        self.norm = nn.LayerNorm(self.config.dim, NORM_EPS)
        self.norm.load_state_dict(trunk.norm.state_dict())
        self.squeeze = copy.deepcopy(s2d.squeeze)
        self.head = _linear(*_exact(s2d.head))

    def forward(
        self,
        video: Float[Tensor, "b t 3 h w"],
        landmark_map: Float[Tensor, "bt 128 u v"] | None = None,
        tokens: bool = False,
        middle: bool = False,
    ) -> Answer:
        """Logits and feature of b clips; arguments and errors of :meth:`S2D.forward`."""
        b, t, _, h, w = video.shape
        patch = self.config.patch
        if h != w or h % patch:
            raise ConfigError(f"square frames, side a multiple of {patch}", f"{h}x{w}", "resize them")
        dtype, grid, narrow = self.positions.dtype, h // patch, None
        x = self.patch_embed(_patches(video.flatten(0, 1).to(dtype), patch))
        if self.config.fused != "none":
            assert landmark_map is not None, "a model with prompts needs the landmark map"
            narrow = resize_map(landmark_map.to(dtype), grid).flatten(2).transpose(1, 2)
            if self.config.fused == "mcp":
                narrow = self.prompts[0](x, narrow, t, first=0)
        x = torch.cat([self.class_token.expand(b * t, -1, -1), x], dim=1)
        x += resize_positions(self.positions, grid)
        if self.config.frames is not None:
            x.view(b, t, *x.shape[1:]).add_(resize_time(self.times, t)[:, :, None])
        half = None
        for i, block in enumerate(self.blocks):
            if i in self.config.fused_at:
                self.fusions[self.config.fused_at.index(i)](x[:, 1:], narrow)
            elif i and narrow is not None and self.config.fused == "mcp":
                narrow = self.prompts[i](x, narrow, t, first=1)
            for part in _passes(x):
                block(part, tokens)
            if middle and i == self.config.middle:
                half = x[:, 1:].float().clone().view(b, t, -1, x.shape[-1])  # for x goes on in place
        feature = self.squeeze(self.norm(x[:, 0].float())).view(b, t, -1).mean(1)
        places = self.norm(x[:, 1:].float()).unflatten(0, (b, t)) if tokens else None
        return Answer(self.head(feature), feature, tokens=places, middle=half)


class LinearGelu(nn.Linear):
    """A linear map and the GELU after it."""

    def forward(self, x: Float[Tensor, "*b k"]) -> Float[Tensor, "*b n"]:
        """gelu(W x + b)."""
        return F.gelu(super().forward(x))


class FoldedBlock(nn.Module):
    """A transformer block, the norms' scales and shifts inside its linear maps.

    Args:
        block: whose weights are folded.
        last: compute the class token alone: queries of it, keys and values of all tokens.
    """

    def __init__(self, block: Block, last: bool) -> None:
        super().__init__()
        dim = block.attn.proj.in_features
        self.heads, self.head_width, self.last = block.attn.heads, dim // block.attn.heads, last
        weight, bias = _after_norm(block.norm1, block.attn.qkv)
        if last:
            self.q, self.kv = _linear(weight[:dim], bias[:dim]), _linear(weight[dim:], bias[dim:])
        else:
            self.qkv = _linear(weight, bias)
        self.proj = _linear(*_exact(block.attn.proj))
        self.fc1 = _linear(*_after_norm(block.norm2, block.mlp.fc1), LinearGelu)
        self.fc2 = _linear(*_exact(block.mlp.fc2))

    def forward(self, x: Float[Tensor, "b m d"], every: bool = False) -> None:
        """Put the tokens after the block into x; of the last block the class token alone, unless ``every`` is asked."""
        n = _norm(x)
        if not self.last:
            q, k, v = self._split(self.qkv(n))
            self._put(x, q, k, v)
            return
        k, v = self._split(self.kv(n))
        # The patches in products of their own: in one with them the class token's last digits would change.
        for places in (slice(1), slice(1, None))[: 1 + every]:
            (q,) = self._split(self.q(n[:, places]))
            self._put(x[:, places], q, k, v)

    def _put(
        self,
        x: Float[Tensor, "b q d"],
        q: Float[Tensor, "b n q w"],
        k: Float[Tensor, "b n m w"],
        v: Float[Tensor, "b n m w"],
    ) -> None:
        """Add to the tokens that ask what they hear of all, and what they make of it."""
        x += self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape))
        x += self.fc2(self.fc1(_norm(x)))

    def _split(self, joined: Float[Tensor, "b m d"]) -> tuple[Tensor, ...]:
        """What one joint map made, each as (b, heads, m, width of a head)."""
        b, m, _ = joined.shape
        return joined.view(b, m, -1, self.heads, self.head_width).permute(2, 0, 3, 1, 4).unbind(0)


class FoldedPrompt(nn.Module):
    """Prompter i and the temporal adapter beside it.

    With n the patch tokens normed and p the narrow prompt of the block before, p' = fovea(W1 n) + narrow_norm(p) and
    the tokens become x + [W2 W3] (s, p') with s from the adapter. The wide prompt W3 p' is never made: it is read by
    the next prompter alone, and that one through its own narrow norm.
    """

    def __init__(self, s2d: S2D, i: int) -> None:
        super().__init__()
        norm = cast(nn.LayerNorm, s2d.prompt_norms[max(i - 1, 0)])
        landmark_norm = cast(nn.LayerNorm, s2d.prompt_norms[0])
        prompter = cast(Prompter, s2d.prompters[i])
        before = cast(Prompter, s2d.prompters[i - 1]).out if i else s2d.landmark_embed.proj
        self.landmark = NarrowNorm(*_exact(before), landmark_norm, prompter.landmark)
        self.smooth = _stored(prompter.smooth)
        ways_in, ways_out = [_after_norm(norm, prompter.visual)], [_exact(prompter.out)]
        self.adapter = None
        if s2d.config.frames is not None:
            adapter = cast(TemporalAdapter, s2d.adapters[i])
            self.adapter = FoldedAdapter(adapter)
            ways_in.append(_after_norm(norm, adapter.temporal.down))
            ways_out.append(_exact(adapter.token.up))
        self.way_in = _linear(torch.cat([w for w, _ in ways_in]), torch.cat([b for _, b in ways_in]))
        self.way_out = _linear(torch.cat([w for w, _ in ways_out], 1), torch.stack([b for _, b in ways_out]).sum(0))

    def forward(
        self, x: Float[Tensor, "bt m d"], narrow: Float[Tensor, "bt l k"], frames: int, first: int
    ) -> Float[Tensor, "bt l 8"]:
        """Add to the patch tokens, which begin at place ``first`` of x, in place; the narrow prompt comes back."""
        inner = self.way_in(_norm(x))[:, first:]
        prompt: Tensor = fovea(inner[..., :HIDDEN], self.smooth) + self.landmark(narrow)
        parts = prompt
        if self.adapter is not None:
            parts = torch.cat([prompt, self.adapter(F.gelu(inner[..., HIDDEN:]), frames)], dim=-1)
        x[:, first:] += self.way_out(parts)
        return prompt


class FoldedFusion(nn.Module):
    """Landmarks ask patch tokens, norms and the branches' scales inside the linear maps.

    Args:
        fusion: whose weights are folded.
    """

    def __init__(self, fusion: LandmarkFusion) -> None:
        super().__init__()
        self.heads = fusion.attn.heads
        self.landmark, self.table = _linear(*_exact(fusion.landmark)), _stored(fusion.attn.table)
        self.kv = _linear(*_after_norm(fusion.norm1, fusion.attn.kv))
        self.proj = _linear(*_scaled(fusion.gamma1, fusion.attn.proj))
        self.fc1 = _linear(*_after_norm(fusion.norm2, fusion.mlp.fc1), LinearGelu)
        self.fc2 = _linear(*_scaled(fusion.gamma2, fusion.mlp.fc2))

    def forward(self, x: Float[Tensor, "b l d"], asks: Float[Tensor, "b l 128"]) -> None:
        """Add to the patch tokens in place what the landmarks hear of them, and what they make of it."""
        joint = (self.landmark(asks), *self.kv(_norm(x)).chunk(2, dim=-1))
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in joint)
        mixed = heard(q, k, v, self.table, round(x.shape[1] ** 0.5))
        x += self.proj(mixed.transpose(1, 2).flatten(2))
        x += self.fc2(self.fc1(_norm(x)))


class FoldedAdapter(nn.Module):
    """The narrow inside of a temporal adapter, from T's GELU to S's: attention over frames, then one narrow norm."""

    def __init__(self, adapter: TemporalAdapter) -> None:
        super().__init__()
        self.qkv = _linear(adapter.temporal.attn.qkv.weight, None)
        (w1, b1), (w2, b2) = _exact(adapter.temporal.attn.proj), _exact(adapter.temporal.up)
        self.inside = NarrowNorm(w2 @ w1, w2 @ b1 + b2, adapter.norm, adapter.token.down)

    def forward(self, h: Float[Tensor, "bt l k"], frames: int) -> Float[Tensor, "bt l k"]:
        """``bt`` = clips x frames, frames fastest."""
        bt, places, k = h.shape
        b = bt // frames
        split = self.qkv(h).view(b, frames, places, 3, ADAPTER_HEADS, k // ADAPTER_HEADS).permute(3, 0, 2, 4, 1, 5)
        q, key, v = split.reshape(3, b * places, ADAPTER_HEADS, frames, k // ADAPTER_HEADS).unbind(0)
        mixed = F.scaled_dot_product_attention(q, key, v).transpose(1, 2).reshape(b, places, frames, k)
        out: Tensor = F.gelu(self.inside(mixed)).transpose(1, 2).reshape(bt, places, k)
        return out


class NarrowNorm(nn.Module):
    """Linear A, norm, linear B as maps between narrow spaces.

    With C a + c the centred output of A (its d rows less their mean) the norm divides by the root of |C a + c|^2 / d.
    A QR decomposition of [C c] gives R, r and e with |C a + c|^2 = |R a + r|^2 + e^2, R no wider than a. So
    B(norm(A a)) = (W a + w) / sqrt(|R a + r|^2 / d + e^2 / d + eps) + b, with W = B g C and b from B and the shift.

    Args:
        weight: of A, (d, k) in float64.
        bias: of A, (d,) in float64.
        norm: between.
        after: B.
    """

    def __init__(
        self, weight: Float64[Tensor, "d k"], bias: Float64[Tensor, " d"], norm: nn.LayerNorm, after: nn.Linear
    ) -> None:
        super().__init__()
        width, k = weight.shape
        centred = torch.cat([weight, bias[:, None]], dim=1)
        centred = centred - centred.mean(0)
        root = torch.linalg.qr(centred, mode="r").R / width**0.5
        rest = root[k, k] ** 2 if root.shape[0] > k else root.new_zeros(())
        b_weight, b_bias = _after_norm(norm, after)
        both = torch.cat([b_weight @ centred, root[:k]])
        self.both = _linear(both[:, :k], both[:, k])
        self.least = _stored(rest + norm.eps)
        self.bias = _stored(b_bias)

    def forward(self, a: Float[Tensor, "*b k"]) -> Float[Tensor, "*b n"]:
        """B(norm(A a))."""
        mapped, root = self.both(a).tensor_split([len(self.bias)], dim=-1)
        scale = (root.square().sum(-1, keepdim=True) + self.least).rsqrt()
        out: Tensor = mapped * scale + self.bias
        return out


def _passes(x: Float[Tensor, "n m d"]) -> tuple[Float[Tensor, "_ m d"], ...]:
    """The frames in parts that a block takes one after the other; a network being exported takes all at once."""
    if torch.compiler.is_exporting():
        return (x,)
    frames, tokens, dim = x.shape
    parts = math.ceil(frames * tokens * 4 * dim * x.element_size() / MOST_BYTES)
    return torch.split(x, math.ceil(frames / max(parts, 1)))


def _patches(images: Float[Tensor, "n 3 h w"], patch: int) -> Float[Tensor, "n l p"]:
    """The pixels of every patch, patches in reading order, channels slowest as in a convolution's weight."""
    n, channels, side, _ = images.shape
    grid = side // patch
    places = images.reshape(n, channels, grid, patch, grid, patch).permute(0, 2, 4, 1, 3, 5)
    return places.reshape(n, grid * grid, channels * patch * patch)


def _norm(x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
    return F.layer_norm(x, x.shape[-1:], eps=NORM_EPS)


def _exact(linear: nn.Linear) -> tuple[Float64[Tensor, "n k"], Float64[Tensor, " n"]]:
    """Weight and bias in float64."""
    return linear.weight.detach().double(), linear.bias.detach().double()


def _after_norm(norm: nn.LayerNorm, linear: nn.Linear) -> tuple[Float64[Tensor, "n k"], Float64[Tensor, " n"]]:
    """Weight and bias that take the norm's output without its scale and shift."""
    weight, bias = _exact(linear)
    return weight * norm.weight.detach().double(), weight @ norm.bias.detach().double() + bias


def _scaled(scale: Tensor, linear: nn.Linear) -> tuple[Float64[Tensor, "n k"], Float64[Tensor, " n"]]:
    """Weight and bias whose output needs no scale any more."""
    weight, bias = _exact(linear)
    return weight * scale.detach().double()[:, None], bias * scale.detach().double()


def _linear(
    weight: Float[Tensor, "n k"], bias: Float[Tensor, " n"] | None, kind: type[nn.Linear] = nn.Linear
) -> nn.Linear:
    linear = kind(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    linear.weight = _stored(weight)
    if bias is not None:
        linear.bias = _stored(bias)
    return linear


def _stored(value: Float[Tensor, "*s"]) -> nn.Parameter:
    return nn.Parameter(value.detach().to(torch.float32, copy=True).contiguous(), requires_grad=False)
