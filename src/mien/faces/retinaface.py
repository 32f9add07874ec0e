"""RetinaFace, for those who have its file (Deng et al., "RetinaFace: Single-stage Dense Face Localisation in the Wild",
arXiv 1905.00641): boxes and five points from anchors on three scales. No weights come with mien; those trained on WIDER
FACE are for research alone.

The file is an ONNX export with one BGR picture in, less (104, 117, 123), and three answers for its n anchors: (1, n, 4)
boxes, (1, n, 2) face or not (probabilities, or logits), (1, n, 10) points. OpenCV runs it.
"""

from __future__ import annotations

import threading
from itertools import product
from math import ceil
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Float32, Float64, UInt8

from mien.core.errors import ConfigError, WeightsError
from mien.core.forks import library_work
from mien.core.types import Face
from mien.media.quiet import quiet_opencv

STEPS, SIDES = (8, 16, 32), ((16, 32), (64, 128), (256, 512))
"""Pixels from anchor to anchor on every scale, and the sides of the two that are there."""
VARIANCES = (0.1, 0.2)
MEAN_BGR: Float32[np.ndarray, " 3"] = np.array([104, 117, 123], np.float32)
OVERLAP = 0.4
"""Of two boxes, from which on the less certain one is the same face."""
LEAST_SIDE = 32
EXPECTED = "an ONNX file of RetinaFace with boxes (1, n, 4), faces (1, n, 2) and points (1, n, 10)"


class RetinaFace:
    """One network. Threads that share one take turns.

    Args:
        path: the ONNX file.
        threshold: least confidence, in (0, 1).

    Raises:
        ConfigError: a threshold out of range.
        WeightsError: no file there, or not a network OpenCV can read.
    """

    name = "retinaface"

    def __init__(self, path: str | Path | None = None, threshold: float = 0.6) -> None:
        if not 0 < threshold < 1:
            raise ConfigError("a threshold between 0 and 1", str(threshold), "use 0.6")
        if path is None or not Path(path).is_file():
            raise WeightsError(EXPECTED, f"no file {path or 'given'}", "name it with --detector-file")
        self.threshold, self._turn = threshold, threading.Lock()
        try:
            with library_work, quiet_opencv():
                self._network = cv2.dnn.readNetFromONNX(str(path))
        except cv2.error as error:
            raise WeightsError(EXPECTED, f"{path}: {error.err}", "export the network again") from error

    def detect(self, image: UInt8[np.ndarray, "h w 3"]) -> list[Face]:
        """Faces of an RGB image in its own pixels, most certain first. Raises WeightsError for other answers."""
        height, width = (max(ceil(side / LEAST_SIDE), 1) * LEAST_SIDE for side in image.shape[:2])
        padded = np.zeros((height, width, 3), np.float32)
        padded[: image.shape[0], : image.shape[1]] = image[:, :, ::-1] - MEAN_BGR
        with library_work, self._turn:
            self._network.setInput(cv2.dnn.blobFromImage(padded))
            answers = self._network.forward(self._network.getUnconnectedOutLayersNames())
        rows_of = (np.asarray(answer, np.float64).reshape(-1, answer.shape[-1]) for answer in answers)
        by_width = {rows.shape[1]: rows for rows in rows_of}
        anchors = anchors_of(height, width)
        if set(by_width) != {2, 4, 10} or any(len(rows) != len(anchors) for rows in by_width.values()):
            got = f"{[answer.shape for answer in answers]} for {len(anchors)} anchors"
            raise WeightsError(EXPECTED, got, "export the network with these answers")
        return faces_of(by_width[4], by_width[2], by_width[10], anchors, self.threshold)


def anchors_of(height: int, width: int) -> Float64[np.ndarray, "n 4"]:
    """Middle (x, y) and size (w, h) of every anchor, in pixels: scales, rows, columns, then the two sides."""
    return np.array(
        [
            ((column + 0.5) * step, (row + 0.5) * step, side, side)
            for step, sides in zip(STEPS, SIDES, strict=True)
            for row, column in product(range(ceil(height / step)), range(ceil(width / step)))
            for side in sides
        ],
        np.float64,
    )


def faces_of(
    boxes: Float[np.ndarray, "n 4"],
    certain: Float[np.ndarray, "n 2"],
    points: Float[np.ndarray, "n 10"],
    anchors: Float64[np.ndarray, "n 4"],
    threshold: float,
) -> list[Face]:
    """What a network's answers for its anchors say, most certain first.

    With variances v1 and v2 and an anchor (m, s): middle m + v1 b s, size s exp(v2 b), points m + v1 p s.
    """
    scores = certain[:, 1]
    if (certain < 0).any() or not np.allclose(certain.sum(1), 1, atol=1e-3):  # logits
        scores = 1 / (1 + np.exp(certain[:, 0] - certain[:, 1]))
    kept = scores > threshold
    scores, boxes, points, anchors = scores[kept], boxes[kept], points[kept], anchors[kept]
    middles = anchors[:, :2] + VARIANCES[0] * boxes[:, :2] * anchors[:, 2:]
    sizes = anchors[:, 2:] * np.exp(VARIANCES[1] * boxes[:, 2:])
    corners = np.hstack([middles - sizes / 2, middles + sizes / 2])
    places = anchors[:, None, :2] + VARIANCES[0] * points.reshape(-1, 5, 2) * anchors[:, None, 2:]
    order = cv2.dnn.NMSBoxes(np.hstack([corners[:, :2], sizes]).tolist(), scores.tolist(), threshold, OVERLAP)
    return [
        Face(corners[one].astype(np.float32), float(scores[one]), places[one].astype(np.float32))
        for one in np.asarray(order, np.int64).ravel()
    ]
