"""From logits to probabilities."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64


def softmax(logits: Float[np.ndarray, "n c"], temperature: float = 1.0) -> Float64[np.ndarray, "n c"]:
    """Probabilities from logits divided by ``temperature`` (> 0), the model's calibration; rows sum to 1."""
    scaled = logits.astype(np.float64) / temperature
    powers = np.exp(scaled - scaled.max(1, keepdims=True))
    answer: Float64[np.ndarray, "n c"] = powers / powers.sum(1, keepdims=True)
    return answer
