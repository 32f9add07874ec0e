"""S2D that hears: a narrow two-way fusion of picture and sound after every block (MMA-DFER, arXiv 2404.09010).

After block i, with v the tokens of the frames and a those of the sound,

    v~ = LN(W_v v),  a~ = LN(W_a a),  v^ = v~ + mean over tokens of a~,  a^ = a~ + mean over frames and tokens of v~,
    v <- v + tanh(g_v) GELU(W_v' v^),  a <- a + tanh(g_a) GELU(W_a' a^)

where W_v and W_a lead into a narrow space and the gates g start at 0: a fresh one answers as the S2D in it, to the bit.

What differs from the paper: S2D's temporal adapters do the work of its temporal layer; after the last block a frame's
class token, all that the head reads, stands for the frame; the head reads no token of the sound, which so acts through
the gates alone; and there are no learnt prompts. Late fusion (:mod:`mien.models.late_fusion`) weighs two streams; what
neither shows alone, such as a mouth that moves without a voice, takes this.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mien.core.errors import ConfigError
from mien.models.net import Answer
from mien.models.s2d import S2D
from mien.models.sound import SoundConfig
from mien.models.vit import NORM_EPS, Block

NARROW = 128
"""Width of the narrow space, as published."""
PATCH = 16
"""Side of a patch of the spectrogram."""


class Bottleneck(nn.Module):
    """The fusion after one block.

    Args:
        picture: width of the frames' tokens.
        sound: width of the sound's tokens.
        narrow: width of the space they meet in.
    """

    def __init__(self, picture: int, sound: int, narrow: int = NARROW) -> None:
        super().__init__()
        self.picture_in, self.sound_in = nn.Linear(picture, narrow), nn.Linear(sound, narrow)
        self.picture_norm, self.sound_norm = nn.LayerNorm(narrow), nn.LayerNorm(narrow)
        self.picture_out, self.sound_out = nn.Linear(narrow, picture), nn.Linear(narrow, sound)
        self.picture_gate, self.sound_gate = nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))

    def forward(
        self, picture: Float[Tensor, "bt n d"], sound: Float[Tensor, "b m e"]
    ) -> tuple[Float[Tensor, "bt n d"], Float[Tensor, "b m e"]]:
        """Both streams' tokens after it; ``bt`` = clips x frames, frames fastest."""
        v = self.picture_norm(self.picture_in(picture))
        a = self.sound_norm(self.sound_in(sound))
        frames = len(picture) // len(sound)
        heard = a.mean(1, keepdim=True)
        seen = v.unflatten(0, (-1, frames)).mean((1, 2))[:, None]
        more = torch.tanh(self.picture_gate) * F.gelu(self.picture_out(v + heard.repeat_interleave(frames, 0)))
        back = torch.tanh(self.sound_gate) * F.gelu(self.sound_out(a + seen))
        return picture + more, sound + back


class SoundTrunk(nn.Module):
    """A ViT over the patches of a log-mel spectrogram: the sound's half of the network, of as many blocks as the other.

    Args:
        config: what it hears; ``channels`` and ``dropout`` play no part.
        dim: width of its tokens, a multiple of ``heads``.
        depth: number of blocks.
        heads: of the attention.
    """

    def __init__(self, config: SoundConfig, dim: int, depth: int, heads: int) -> None:
        super().__init__()
        self.config, self.dim = config, dim
        self.patch_embed = nn.Conv2d(1, dim, PATCH, PATCH)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + (config.frames // PATCH) * (config.bins // PATCH), dim))
        self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=NORM_EPS)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)

    def embed(self, mel: Float[Tensor, "b t f"]) -> Float[Tensor, "b m d"]:
        """Class token and patches, time slowest, with their positions; what is left of a last patch is not heard."""
        given = (len(mel), self.config.frames, self.config.bins)
        if tuple(mel.shape) != given:
            raise ConfigError(f"spectrograms of shape {given}", str(tuple(mel.shape)), "cut the sound as config says")
        patches = self.patch_embed(((mel - self.config.mean) / self.config.scale)[:, None]).flatten(2).transpose(1, 2)
        return torch.cat([self.cls_token.expand(len(mel), -1, -1), patches], 1) + self.pos_embed

    def forward(self, mel: Float[Tensor, "b t f"]) -> Float[Tensor, "b d"]:
        """The class token after all blocks, normed: the sound alone."""
        x = self.embed(mel)
        for block in self.blocks:
            x = block(x)
        feature: Tensor = self.norm(x[:, 0])
        return feature


class HearingS2D(nn.Module):
    """An S2D and a sound trunk of equal depth, joined after every block.

    Args:
        eyes: the picture's half.
        ears: the sound's half.
        narrow: width of the space they meet in.

    Raises:
        ConfigError: halves of different depths.
    """

    def __init__(self, eyes: S2D, ears: SoundTrunk, narrow: int = NARROW) -> None:
        super().__init__()
        if len(ears.blocks) != eyes.config.depth:
            got = f"{eyes.config.depth} and {len(ears.blocks)}"
            raise ConfigError("as many blocks for the sound as for the picture", got, "change one of them")
        self.eyes, self.ears = eyes, ears
        self.bottlenecks = nn.ModuleList(Bottleneck(eyes.config.dim, ears.dim, narrow) for _ in ears.blocks)

    def forward(
        self,
        frames: Float[Tensor, "b t 3 h w"],
        landmark_map: Float[Tensor, "bt 128 u v"] | None = None,
        mel: Float[Tensor, "b k f"] | None = None,
    ) -> Answer:
        """Logits and feature of b clips.

        Args:
            frames: as of :meth:`S2D.forward`.
            landmark_map: likewise.
            mel: the log-mel spectrogram of the sound around every clip; None: the S2D in it answers alone.
        """
        if mel is None:
            alone: Answer = self.eyes(frames, landmark_map)
            return alone
        b, t = frames.shape[:2]
        heard = self.ears.embed(mel)

        def fuse(i: int, seen: Tensor) -> Tensor:
            nonlocal heard
            seen, heard = self.bottlenecks[i](seen, self.ears.blocks[i](heard))
            return seen

        x = self.eyes.tokens(frames.flatten(0, 1), landmark_map, t, last=1, after=fuse)
        feature = self.eyes.squeeze(self.eyes.backbone.norm(x[:, 0])).view(b, t, -1).mean(1)
        return Answer(self.eyes.head(self.eyes.dropout(feature)), feature)

    def learn_fusion(self) -> None:
        """Freeze both halves: the fusion and the head are left to learn, as published."""
        self.requires_grad_(False)
        self.bottlenecks.requires_grad_(True)
        self.eyes.head.requires_grad_(True)
