"""An embedder in an ONNX file of a user's, such as one of EdgeFace, AdaFace (``colours=bgr``) or FaceNet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8

from mien.faces.crop_file import INPUT_WORDS, CropFile, CropInput, input_of, parse_words

EXPECTED = "an ONNX file of an embedder with a vector (1, d), d of 2 or more"


class EmbedderFile:
    """Vectors by a user's network, brought to length 1.

    Args:
        path: the ONNX file.
        words: how it takes a crop.

    Raises:
        ConfigError: words it does not know.
        WeightsError: no file there, or not a network OpenCV can read.
    """

    def __init__(self, path: str | Path | None = None, words: Sequence[str] = ()) -> None:
        given = input_of(parse_words(words, INPUT_WORDS, "--embedder-input"), CropInput(), "--embedder-input")
        self._file = CropFile(path, "--embedder-file", EXPECTED, given)

    def __call__(self, crops: UInt8[np.ndarray, "n 3 a b"], /) -> Float64[np.ndarray, "n d"]:
        """See :class:`mien.faces.embedders.Embedder`. Raises WeightsError for other answers."""
        if not len(crops):
            return np.zeros((0, 2))
        outputs = self._file.outputs(crops)
        for one in outputs:
            if len(one) == len(crops) and one.size >= 2 * len(one):
                vectors = one.reshape(len(one), -1).astype(np.float64)
                return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))
        raise self._file.refused(outputs)
