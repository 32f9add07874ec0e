"""Squeeze and excitation of a feature (Hu et al., arXiv 1709.01507): x * sigmoid(W2 relu(W1 x)), W1 narrower by r.

It is no linear function of x, so it acts on every frame's feature before their mean is taken: logits stay linear in the
feature that the heads read, and a clip's logits the mean of its frames'.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

OPEN = 4.0
"""W2's bias at the start: every gate is then about .98."""


class Squeeze(nn.Module):
    """A gate of every channel.

    Args:
        dim: of the feature.
        reduction: r; 16 is usual, POSTER++ has 1.
    """

    def __init__(self, dim: int, reduction: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, max(dim // reduction, 1))
        self.fc2 = nn.Linear(self.fc1.out_features, dim)
        nn.init.constant_(self.fc2.bias, OPEN)

    def forward(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        """Every row by itself."""
        gate: Tensor = self.fc2(self.fc1(x).relu()).sigmoid()
        return x * gate
