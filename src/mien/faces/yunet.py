"""YuNet, the faster detector, for those who have its file.

Wu, Peng, Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 2023. OpenCV runs it
(``cv2.FaceDetectorYN``); the network is not in any wheel, so its ONNX file must be given or lie in the cache.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from mien.core.errors import ConfigError, WeightsError
from mien.core.forks import library_work
from mien.core.settings import cache_dir
from mien.core.types import Face
from mien.media.quiet import quiet_opencv

FILE_NAME = "yunet_n_dynamic.onnx"
"""What the file is called in the cache."""

SMALLEST = 16
"""Pixels of the shorter side below which OpenCV refuses a picture or finds nothing."""


class YuNet:
    """One network, about three times as fast as MTCNN, with steadier points. Threads that share one take turns.

    Args:
        path: the ONNX file; None means ``$MIEN_YUNET``, else ``yunet_n_dynamic.onnx`` in the cache folder.
        threshold: least confidence, in (0, 1).

    Raises:
        ConfigError: a threshold out of range.
        WeightsError: no file there, or not a network OpenCV can read.
    """

    name = "yunet"

    def __init__(self, path: str | Path | None = None, threshold: float = 0.6) -> None:
        if not 0 < threshold < 1:
            raise ConfigError("a threshold between 0 and 1", str(threshold), "use 0.6")
        self.path, self._turn = _find(path), threading.Lock()
        try:
            with library_work, quiet_opencv():
                # 0.3: overlap for suppression; 5000: candidates before it. OpenCV's own defaults.
                self._network = cv2.FaceDetectorYN.create(str(self.path), "", (320, 320), threshold, 0.3, 5000)
        except cv2.error as error:
            raise WeightsError("YuNet's ONNX file", f"{self.path}: {error.err}", "download the file again") from error

    def detect(self, image: UInt8[np.ndarray, "h w 3"]) -> list[Face]:
        """Faces of an RGB image in its own pixels, most certain first."""
        height, width = image.shape[:2]
        if min(height, width) < SMALLEST:
            return []
        with library_work, self._turn:
            self._network.setInputSize((width, height))
            _, rows = self._network.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        return [] if rows is None else [_face(row) for row in sorted(rows, key=lambda row: -row[14])]


def _face(row: np.ndarray) -> Face:
    """OpenCV's row: x, y, width, height, five points (the person's right eye is on the picture's left), confidence."""
    box = np.concatenate([row[:2], row[:2] + row[2:4]]).astype(np.float32)
    return Face(box, float(min(row[14], 1.0)), row[4:14].reshape(5, 2).astype(np.float32))


def _find(path: str | Path | None) -> Path:
    """The ONNX file that was asked for, or the one of the environment, or the cached one."""
    cached = cache_dir() / FILE_NAME
    place = Path(path or os.environ.get("MIEN_YUNET") or cached)
    if not place.is_file():
        raise WeightsError(
            "YuNet's ONNX file",
            f"no file {place}",
            f"put it at {cached}, or set MIEN_YUNET, or use the detector mtcnn, which needs no file",
        )
    return place
