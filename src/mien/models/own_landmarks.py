"""The landmark net of weights of mien (:class:`mien.models.landmarks.MobileFaceNet`) beside a model that is another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from mien.core.errors import ConfigError
from mien.models.zoo import load_model


class OwnLandmarks:
    """68 points by the landmark net of some weights.

    Args:
        path: the weights; None: the default ones.
        words: none, for weights say themselves how they take a crop.

    Raises:
        ConfigError: words.
        WeightsError: weights that are missing, or without a landmark net.
    """

    def __init__(self, path: str | Path | None = None, words: Sequence[str] = ()) -> None:
        if words:
            raise ConfigError("no --landmarker-input for mobilefacenet", " ".join(words), "leave it out")
        self._model = load_model(path)
        self._model.points(np.zeros((1, 3, 8, 8), np.uint8))  # or it says that there are none

    def __call__(self, crops: UInt8[np.ndarray, "n 3 s s"], /) -> Float[np.ndarray, "n 68 2"]:
        """As shares of the crop's side."""
        return self._model.points(crops)
