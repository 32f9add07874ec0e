"""S2D: the landmark-aware image model and the video model made from it (arXiv 2312.05447).

One class serves both: without ``frames`` there are no temporal parts and a clip's frames are simply averaged; with
``frames`` every prompter has a temporal adapter beside it and the tokens carry a temporal embedding. Everything follows
the released video model (s2d-spec, "Architecture"), so its checkpoints load through ``convert``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mien.core.errors import ConfigError
from mien.models.net import Answer, Learns, Net
from mien.models.prompts import LandmarkEmbed, Prompter, resize_map
from mien.models.shape import S2DConfig
from mien.models.squeeze import Squeeze
from mien.models.temporal import TemporalAdapter, resize_time
from mien.models.vit import NORM_EPS, Block, VisionTransformer
from mien.models.window import LandmarkFusion

__all__ = ["S2D", "S2DConfig", "to_video"]


class S2D(Net):
    """Normalised frames and their landmark map to logits and the head's feature.

    Args:
        config: the network's shape.
        zero_init: fresh temporal adapters and embedding add nothing (see :mod:`mien.models.temporal`).

    """

    gives_tokens = gives_middle = hides_patches = True

    def __init__(self, config: S2DConfig, zero_init: bool = True) -> None:
        super().__init__()
        c = self.config = config
        self.needs = frozenset({"landmark_map"} if c.fused != "none" else ())
        self.backbone = VisionTransformer(c.input_size, c.patch, c.dim, c.depth, c.heads, c.drop_path)
        if c.fused == "mcp":
            self.landmark_embed = LandmarkEmbed(c.dim)
            self.prompters = nn.ModuleList(Prompter(c.dim) for _ in range(c.depth))
            # The last norm is never used; the released checkpoints carry it, and so does the parameter count.
            self.prompt_norms = nn.ModuleList(nn.LayerNorm(c.dim, eps=NORM_EPS) for _ in range(c.depth))
        if c.fused == "window":
            self.fusions = nn.ModuleList(LandmarkFusion(c.dim, c.heads, c.grid) for _ in c.fused_at)
        if c.frames is not None:
            self.adapters = nn.ModuleList(TemporalAdapter(c.dim, c.adapter_width, zero_init) for _ in range(c.depth))
            self.temporal_embed = nn.Parameter(torch.zeros(1, c.frames, c.dim))
            if not zero_init:
                nn.init.trunc_normal_(self.temporal_embed, std=0.02)
        self.squeeze = Squeeze(c.dim, c.squeeze) if c.squeeze else nn.Identity()
        self.dropout = nn.Dropout(c.dropout)
        self.head = nn.Linear(c.dim, c.classes)
        nn.init.trunc_normal_(self.head.weight, std=0.01)
        nn.init.zeros_(self.head.bias)

    def forward(
        self,
        frames: Float[Tensor, "b t 3 h w"],
        landmark_map: Float[Tensor, "bt 128 u v"] | None = None,
        tokens: bool = False,
        middle: bool = False,
        heard: Bool[Tensor, "b l"] | None = None,
    ) -> Answer:
        """Logits and feature of b clips.

        Args:
            frames: normalised as the weights demand; h = w = a multiple of the patch.
            landmark_map: conv_4 of the landmark net for the b x t frames, frames fastest; None without prompts.
            tokens: give those of the patches too, normed; the last block then computes them all.
            middle: give those of the patches after the block in the middle too.
            heard: of each clip the patches that attention may read, for training with some that are missing; None: all.
        """
        b, t, _, h, w = frames.shape
        if h != w or h % self.config.patch:
            raise ConfigError(f"square frames, side a multiple of {self.config.patch}", f"{h}x{w}", "resize them")
        between: list[Tensor] | None = [] if middle else None
        x = self.tokens(frames.flatten(0, 1), landmark_map, t, None if tokens else 1, between, heard)
        feature = self.squeeze(self.backbone.norm(x[:, 0])).view(b, t, -1).mean(1)
        places = self.backbone.norm(x[:, 1:]).unflatten(0, (b, t)) if tokens else None
        half = between[self.config.middle][:, 1:].unflatten(0, (b, t)) if between else None
        return Answer(self.head(self.dropout(feature)), feature, tokens=places, middle=half)

    def tokens(
        self,
        images: Float[Tensor, "bt 3 h w"],
        landmark_map: Float[Tensor, "bt 128 u v"] | None,
        frames: int,
        last: int | None = None,
        between: list[Tensor] | None = None,
        heard: Bool[Tensor, "b l"] | None = None,
        after: Callable[[int, Tensor], Tensor] | None = None,
    ) -> Float[Tensor, "bt m d"]:
        """The tokens after the last block, class token first, before the last norm.

        With ``last=1`` the last block computes the class token alone: all the head reads, an eighth of a block's work.
        What ``after`` makes of a block's number and its tokens takes their place (:mod:`mien.models.bottleneck`).
        ``between`` gets the tokens after every block. Patches that are not ``heard`` are keys of no query: their tokens
        go on, but in the blocks nobody reads them.
        """
        patches = self.backbone.patch_embed(images)
        prompt = None
        if self.config.fused != "none":
            assert landmark_map is not None, "a model with prompts needs the landmark map"
            grid = round(patches.shape[1] ** 0.5)
            if self.config.fused == "mcp":
                patches, prompt = self._prompted(0, patches, self.landmark_embed(landmark_map, grid), frames)
            else:
                prompt = resize_map(landmark_map, grid).flatten(2).transpose(1, 2)
        x = self.backbone.with_class_token(patches)
        if self.config.frames is not None:
            x = self._with_time(x, frames)
        keys = None
        if heard is not None:  # the class token always is
            keys = torch.cat([heard.new_ones(len(heard), 1), heard], 1).repeat_interleave(frames, 0)
        for i in range(len(self.backbone.blocks)):
            queries = last if i == len(self.backbone.blocks) - 1 else None
            if self.checkpoint_blocks and torch.is_grad_enabled():
                x, prompt = checkpoint(self._step, i, x, prompt, frames, queries, keys, use_reentrant=False)
            else:
                x, prompt = self._step(i, x, prompt, frames, queries, keys)
            x = x if after is None else after(i, x)
            if between is not None:
                between.append(x)
        return x

    def _step(
        self, i: int, x: Tensor, prompt: Tensor | None, frames: int, queries: int | None, keys: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Block i with what stands before it: fusion, or S2D's prompter; block 0's was added before the positions."""
        if i in self.config.fused_at:
            patches = self.fusions[self.config.fused_at.index(i)](x[:, 1:], prompt)
            x = torch.cat([x[:, :1], patches], dim=1)
        elif i and prompt is not None and self.config.fused == "mcp":
            patches, prompt = self._prompted(i, x[:, 1:], prompt, frames)
            x = torch.cat([x[:, :1], patches], dim=1)
        return self.backbone.blocks[i](x, queries, keys), prompt

    def _prompted(self, i: int, patches: Tensor, prompt: Tensor, frames: int) -> tuple[Tensor, Tensor]:
        """Patch tokens with block i's prompt (and adapter) added, and the prompt for the next block."""
        visual = self.prompt_norms[max(i - 1, 0)](patches)
        prompt = self.prompters[i](visual, self.prompt_norms[0](prompt))
        if self.config.frames is not None:
            patches = patches + self.adapters[i](visual, frames)
        return patches + prompt, prompt

    def _with_time(self, x: Float[Tensor, "bt m d"], frames: int) -> Float[Tensor, "bt m d"]:
        """Add each frame's temporal embedding to all its tokens; another clip length is interpolated linearly."""
        table = resize_time(self.temporal_embed, frames)
        bt, m, d = x.shape
        return (x.view(-1, frames, m, d) + table[:, :, None].to(x.dtype)).view(bt, m, d)

    def stage2_modules(self) -> Iterator[nn.Module | nn.Parameter]:
        """Learns in stage 2: temporal embedding, last norm, head, landmark projection, prompters, norms, adapters."""
        yield from (self.temporal_embed, self.backbone.norm, self.squeeze, self.head, self.landmark_embed)
        yield from (self.prompters, self.prompt_norms, self.adapters)

    def layers(self) -> list[list[nn.Parameter]]:
        """The embeddings, every block, the last norm with the gate and the head."""
        trunk = self.backbone
        layers = [[*trunk.patch_embed.parameters(), trunk.cls_token, trunk.pos_embed]]
        layers += [list(block.parameters()) for block in trunk.blocks]
        return [*layers, [*trunk.norm.parameters(), *self.squeeze.parameters(), *self.head.parameters()]]

    def added(self) -> list[nn.Parameter]:
        """Everything of prompts, fusion, adapters and the temporal embedding."""
        names = ("prompt", "landmark_embed", "fusions", "adapters", "temporal_embed")
        return [parameter for name, parameter in self.named_parameters() if name.startswith(names)]

    def last_map(self) -> tuple[nn.Module, int]:
        """What the last block attends to, the class token first: after it the class token is all there is."""
        return cast(Block, self.backbone.blocks[-1]).norm1, 1

    def attention(self, last_map: Float[Tensor, "n m d"]) -> Float[Tensor, "n g g"]:
        """What the class token attends to in the last block, the mean over the heads."""
        block = cast(Block, self.backbone.blocks[-1])
        row = block.attn.weights(last_map, queries=1)[:, :, 0, 1:].mean(1)
        side = round(row.shape[1] ** 0.5)
        return row.view(-1, side, side)

    def learn_only(self, what: Learns) -> None:
        """Freeze what a stage leaves as it is.

        Args:
            what: ``all`` freezes nothing; ``stage2`` the image model's blocks, patch embedding, class token and
                positions (under 10 % is left to learn); ``temporal`` all but the adapters and the temporal embedding.
        """
        self.requires_grad_(what == "all")
        parts: Iterable[nn.Module | nn.Parameter] = ()
        if what != "all":
            parts = self.stage2_modules() if what == "stage2" else (self.adapters, self.temporal_embed)
        for part in parts:
            part.requires_grad_(True)


def to_video(image_model: S2D, frames: int, zero_init: bool = True) -> S2D:
    """The video model that starts from an image model's weights.

    With ``zero_init`` it gives, before any training, the mean over frames of the image model's features.
    """
    video_model = S2D(replace(image_model.config, frames=frames), zero_init=zero_init)
    missing = video_model.load_state_dict(image_model.state_dict(), strict=False)
    unexplained = [k for k in missing.missing_keys if not k.startswith(("adapters.", "temporal_embed"))]
    assert not unexplained, unexplained
    assert not missing.unexpected_keys, missing.unexpected_keys
    return video_model
