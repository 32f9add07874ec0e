"""An embedder in an ONNX file of a user's, such as one of EdgeFace, AdaFace (``colours=bgr``) or FaceNet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8

from mien.core.errors import WeightsError
from mien.faces.crop_file import INPUT_WORDS, CropFile, CropInput, input_of, parse_words

EXPECTED = "an ONNX file of an embedder with one vector (1, d) or (1, d, 1, 1), d of 2 or more"


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
        """See :class:`mien.faces.embedders.Embedder`; single numbers beside the vector (AdaFace's norm) are left.

        Raises:
            WeightsError: other answers, several vectors, or one that is zero throughout.
        """
        if not len(crops):
            return np.zeros((0, 2))
        outputs = self._file.outputs(crops)
        said = [one for one in outputs if one.size > len(one)]
        if len(said) != 1 or len(said[0]) != len(crops) or said[0].shape[2:] not in ((), (1, 1)):
            raise self._file.refused(outputs)
        vectors = said[0].reshape(len(crops), -1).astype(np.float64)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not lengths.all():
            fix = f"check what it is shown: {self._file.words_flag} size, mean, std"
            raise WeightsError("a vector with a direction", f"zeros alone from {self._file.path}", fix)
        return np.asarray(vectors / lengths)
