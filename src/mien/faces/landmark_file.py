"""A landmark net in an ONNX file of a user's: 68 points, or 68 heat maps, of which the places of the peaks are taken.

Nets of heat maps (D-ViT among many) and of coordinates alike; none comes with mien.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8

from mien.core.errors import ConfigError, WeightsError
from mien.faces.crop_file import INPUT_WORDS, CropFile, CropInput, Outputs, input_of, parse_words
from mien.faces.landmarkers import POINTS

FLAG = "--landmarker-file"
EXPECTED = "an ONNX file of a landmark net with points (1, 68, 2) or (1, 136), or heat maps (1, 68, h, w)"
REACH = 2
"""Cells around the largest one that say where a peak is."""
FURTHEST = 2.0
"""Shares of the side that a point may lie beyond the crop: farther away it is no share of a side but a pixel."""


class LandmarkFile:
    """Finds 68 points with a user's network.

    Args:
        path: the ONNX file.
        words: how it takes a crop, and what its points are: ``points=shares`` of the input's side, or ``pixels`` of it.

    Raises:
        ConfigError: words it does not know.
        WeightsError: no file there, or not a network OpenCV can read.
    """

    def __init__(self, path: str | Path | None = None, words: Sequence[str] = ()) -> None:
        said = parse_words(words, (*INPUT_WORDS, "points"), "--landmarker-input")
        self.scale = said.get("points", "shares")
        if self.scale not in ("shares", "pixels"):
            raise ConfigError("points=shares or points=pixels", repr(self.scale), "correct it, or leave it out")
        self._file = CropFile(path, FLAG, EXPECTED, input_of(said, CropInput(), "--landmarker-input"))

    def __call__(self, crops: UInt8[np.ndarray, "n 3 s s"], /) -> Float64[np.ndarray, "n 68 2"]:
        """As shares of the crop's side. Raises WeightsError for other answers."""
        if not len(crops):
            return np.zeros((0, POINTS, 2))
        outputs = self._file.outputs(crops)
        found = self._points(outputs, len(crops))
        if np.abs(found - 0.5).max() > FURTHEST + 0.5:
            got = f"{self._file.path} with points from {found.min():.4g} to {found.max():.4g} of the side"
            raise WeightsError(
                "points within reach of the crop", got, "say --landmarker-input points=pixels, or =shares"
            )
        return found

    def _points(self, outputs: Outputs, count: int) -> Float64[np.ndarray, "n 68 2"]:
        for one in outputs:
            if one.shape[:2] == (count, POINTS) and one.ndim == 4:
                return peaks(one)
            if one.size == count * POINTS * 2 and len(one) == count:
                side = self._file.given.size
                points = one.reshape(count, POINTS, 2).astype(np.float64)
                # Whole numbers are the middles of pixels.
                return points if self.scale == "shares" else (points + 0.5) / side
        raise self._file.refused(outputs)


def peaks(maps: np.ndarray) -> Float64[np.ndarray, "n p 2"]:
    """Where heat maps peak, x and y as shares of the side: a local soft-argmax.

    The mean place of the cells within :data:`REACH` of the largest, each counting as much as it stands above the lowest
    of them: finer than a cell, and the same whether maps are probabilities or not. A flat map peaks in its middle.

    Args:
        maps: (n, p, h, w), larger is likelier.
    """
    count, points, height, width = maps.shape
    found = np.full((count, points, 2), 0.5)
    for place in np.ndindex(count, points):
        whole = maps[place].astype(np.float64)
        row, column = divmod(int(whole.argmax()), width)
        top, left = max(0, row - REACH), max(0, column - REACH)
        near = whole[top : row + REACH + 1, left : column + REACH + 1]
        weights = near - near.min()
        if (total := float(weights.sum())) > 0:
            y = (weights.sum(1) @ (np.arange(len(near)) + top + 0.5)) / total
            x = (weights.sum(0) @ (np.arange(near.shape[1]) + left + 0.5)) / total
            found[place] = x / width, y / height
    return found
