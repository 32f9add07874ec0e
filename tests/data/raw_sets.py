"""Small releases of our own: pictures and clips written on the spot, and the data set that lists them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np

from mien.core.labels import LabelSpace
from mien.data.datasets import DataSet
from mien.data.manifest import Manifest, Row

LABELS = LabelSpace("two", ("happiness", "sadness"))


def release(rows: Iterable[Row], published: Mapping[int, Mapping[str, int]] | None = None) -> DataSet:
    """A data set of these rows, wherever it is read."""
    return DataSet("own", LABELS, lambda root: Manifest("own", LABELS, tuple(rows), root), published or {})


def save(path: Path, image: np.ndarray, quality: int = 95) -> Path:
    """An RGB picture as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if path.suffix == ".jpg" else []
    assert cv2.imwrite(str(path), image[..., ::-1], options)
    return path


def blobs(seed: int, side: int = 64) -> np.ndarray:
    """A smooth picture of its own, with no face in it."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
