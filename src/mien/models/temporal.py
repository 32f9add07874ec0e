"""TMA, the Temporal-Modeling Adapter (S2D, "Temporal-Modeling Adapter").

Beside each prompter: x <- x + S(LN(T(LN x))) + P, where T mixes the t frames of one place by self-attention in a narrow
space and S maps each token by itself. No skips inside.

Departure from the released code (s2d-spec, departure 3): with ``zero_init`` the adapter's last map starts at zero, so a
fresh video model computes the mean of the image model; the released code overwrites that initialisation.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mien.models.shape import ADAPTER_HEADS
from mien.models.vit import NORM_EPS, Attention


class TemporalAttention(nn.Module):
    """T: narrow, GELU, self-attention over the frames of each place, widen."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.down = nn.Linear(dim, hidden)
        self.attn = Attention(hidden, ADAPTER_HEADS, qkv_bias=False)
        self.up = nn.Linear(hidden, dim)

    def forward(self, x: Float[Tensor, "bt l d"], frames: int) -> Float[Tensor, "bt l d"]:
        """``bt`` = clips x frames, frames fastest."""
        bt, places, _ = x.shape
        h = F.gelu(self.down(x))
        h = h.view(bt // frames, frames, places, -1).transpose(1, 2).reshape(-1, frames, h.shape[-1])  # (b l) t k
        h = self.attn(h).view(bt // frames, places, frames, -1).transpose(1, 2).reshape(bt, places, -1)
        wide: Tensor = self.up(h)
        return wide


class TokenAdapter(nn.Module):
    """S: narrow, GELU, widen, every token by itself."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.down = nn.Linear(dim, hidden)
        self.up = nn.Linear(hidden, dim)

    def forward(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """Map tokens."""
        out: Tensor = self.up(F.gelu(self.down(x)))
        return out


class TemporalAdapter(nn.Module):
    """S(LN(T(x))) for layer-normed patch tokens x.

    Args:
        dim: token width.
        hidden: width of the narrow space; None for a quarter of dim, as the paper has it.
        zero_init: start the last map at zero, so that the adapter adds nothing before training.
    """

    def __init__(self, dim: int, hidden: int | None = None, zero_init: bool = True) -> None:
        hidden = dim // 4 if hidden is None else hidden  # the paper's share
        super().__init__()
        self.temporal = TemporalAttention(dim, hidden)
        self.norm = nn.LayerNorm(dim, eps=NORM_EPS)
        self.token = TokenAdapter(dim, hidden)
        if zero_init:
            nn.init.zeros_(self.token.up.weight)
            nn.init.zeros_(self.token.up.bias)

    def forward(self, x: Float[Tensor, "bt l d"], frames: int) -> Float[Tensor, "bt l d"]:
        """What the adapter adds to the patch tokens of ``bt`` = clips x frames images."""
        adapted: Tensor = self.token(self.norm(self.temporal(x, frames)))
        return adapted


def resize_time(table: Float[Tensor, "1 n d"], frames: int) -> Float[Tensor, "1 t d"]:
    """The temporal embedding for t frames: linear between its n entries, ends on ends; as it is where t = n.

    A product with hat functions, so that an exported model takes any t without a branch.
    """
    entries = table.shape[1]
    index = torch.arange(frames, dtype=torch.float32, device=table.device)
    places = index * ((entries - 1) / index[-1:].clamp(min=1))
    hats = 1 - (places[:, None] - torch.arange(entries, device=table.device)).abs()
    return hats.clamp(min=0).to(table.dtype) @ table
