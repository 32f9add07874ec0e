"""Layer scale unfolded while training: W = diag(g) W', g learned (Touvron et al., CaiT, arXiv 2103.17239, section 2).

Trunks such as DINOv2's were trained with a layer scale behind each half of a block; folded into ``attn.proj`` and
``mlp.fc2`` it makes these several times as small as the other matrices, and a step of AdamW, whose size knows nothing
of the weight's, that much larger for them. Unfolded, W' has the usual spread and g, a number a row, what is left. The
function is the same; what is kept for use has W again.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from mien.core.errors import ConfigError
from mien.models.vit import Block

SPREAD = 0.02
"""Root mean square of a row of W', as a trunk's fresh weights have it."""
SCALE = "layer_scale"


class Scaled(nn.Module):
    """A linear layer as diag(g) (W' x + b').

    Args:
        plain: the layer whose function it has; a row of zeros keeps g = 1.
    """

    def __init__(self, plain: nn.Linear) -> None:
        super().__init__()
        size = plain.weight.detach().square().mean(1).sqrt()
        scale = torch.where(size > 0, size / SPREAD, 1.0)
        self.weight = nn.Parameter(plain.weight.detach() / scale[:, None])
        self.bias = nn.Parameter(plain.bias.detach() / scale)
        self.layer_scale = nn.Parameter(scale)

    def forward(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b e"]:
        """By the very product that is kept for use."""
        return F.linear(x, self.layer_scale[:, None] * self.weight, self.layer_scale * self.bias)


def unfold(net: nn.Module) -> None:
    """Put :class:`Scaled` in the place of both last layers of every block that learns.

    Raises:
        ConfigError: it has no such block.
    """
    blocks = [part for part in net.modules() if isinstance(part, Block) and part.attn.proj.weight.requires_grad]
    if not blocks:
        raise ConfigError("transformer blocks that learn, for --recipe.layer-scale", "none", "leave it out")
    for block in blocks:
        block.attn.proj, block.mlp.fc2 = Scaled(block.attn.proj), Scaled(block.mlp.fc2)  # type: ignore[assignment]


def folded(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A network's weights without layer scales; such as have none come back as they are."""
    plain = {name: tensor for name, tensor in state.items() if name.rpartition(".")[2] != SCALE}
    for name, scale in state.items():
        place, _, last = name.rpartition(".")
        if last == SCALE:
            plain[f"{place}.weight"] = scale[:, None] * state[f"{place}.weight"]
            plain[f"{place}.bias"] = scale * state[f"{place}.bias"]
    return plain
