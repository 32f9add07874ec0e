"""From logits to calibrated probabilities: temperature scaling (Guo et al., arXiv 1706.04599). No torch."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64


def calibrated(logits: Float[np.ndarray, "b c"], temperature: float) -> Float64[np.ndarray, "b c"]:
    """softmax(logits / temperature) of every row, in float64."""
    scaled = logits.astype(np.float64) / temperature
    weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    answer: Float64[np.ndarray, "b c"] = weights / weights.sum(axis=1, keepdims=True)
    return answer
