"""Time importance: what the label's probability loses when a moment of the clip is taken out.

A moment is a crop with the copies of it that fill the clip's places (a slow camera, a short track). Its places are
filled with the moment before and with the one after, and the mean of the two losses is its worth. The length of the
clip stays, so that a video model sees the pace it was trained on. Negative: the answer would be surer without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64

from mien.core.types import FaceClip

if TYPE_CHECKING:
    from mien.models.zoo import LoadedModel

CLIPS_A_CALL = 8


def time_importance(model: LoadedModel, clip: FaceClip, label: int) -> Float64[np.ndarray, " t"]:
    """Probability of class ``label`` that every place's moment is worth; NaN all over for a clip of one moment."""
    moment = np.cumsum(clip.valid) - 1
    count = int(moment[-1]) + 1
    if count == 1:
        return np.full(len(moment), np.nan)
    first = np.searchsorted(moment, np.arange(count))
    swaps = [(one, other) for one in range(count) for other in (one - 1, one + 1) if 0 <= other < count]
    whole = float(model.probabilities(clip.images[None])[0, label])
    losses = np.zeros(count)
    for begin in range(0, len(swaps), CLIPS_A_CALL):
        some = swaps[begin : begin + CLIPS_A_CALL]
        changed = np.stack([clip.images[np.where(moment == one, first[other], first[moment])] for one, other in some])
        for (one, _), kept in zip(some, model.probabilities(changed)[:, label], strict=True):
            losses[one] += whole - kept
    neighbours = np.bincount([one for one, _ in swaps], minlength=count)
    answer: Float64[np.ndarray, " t"] = (losses / neighbours)[moment]
    return answer
