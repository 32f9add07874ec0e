"""Losses over soft targets."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def soft_cross_entropy(logits: Float[Tensor, "b c"], targets: Float[Tensor, "b c"]) -> Float[Tensor, ""]:
    """Mean cross-entropy against targets that are distributions: votes, mixed or smoothed labels. In float32."""
    return F.cross_entropy(logits.float(), targets.float())
