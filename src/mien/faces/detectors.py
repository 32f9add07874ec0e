"""What a detector is, which ones there are, and how a picture is made small for one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import Shaped, UInt8

from mien.core.errors import ConfigError, SourceError
from mien.core.registry import Place, Registry
from mien.core.types import Face, Frame


@runtime_checkable
class Detector(Protocol):
    """Finds faces in one picture.

    Attributes:
        name: as in provenance.
    """

    name: str

    def detect(self, image: UInt8[np.ndarray, "h w 3"]) -> list[Face]:
        """Faces of an RGB image in its own pixels, most certain first; an empty list where there are none."""
        ...


@runtime_checkable
class NearDetector(Protocol):
    """Can also look only where faces are expected, for a small part of a whole detection's time."""

    name: str

    def detect(self, image: UInt8[np.ndarray, "h w 3"]) -> list[Face]:
        """As :meth:`Detector.detect`."""
        ...

    def detect_near(self, image: UInt8[np.ndarray, "h w 3"], faces: Sequence[Face]) -> list[Face]:
        """Those of ``faces`` that are there, measured anew; all in pixels of ``image``."""
        ...


@runtime_checkable
class FrameDetector(Protocol):
    """Knows the faces of a frame by its number: boxes that someone gave, taken as complete and true."""

    name: str

    def detect_frame(self, frame: Frame) -> list[Face]:
        """Faces of ``frame`` in its own pixels."""
        ...


DETECTORS: Registry[Callable[..., Detector]] = Registry(
    "detector",
    {
        "mtcnn": Place("mien.faces.mtcnn:Mtcnn"),
        "yunet": Place("mien.faces.yunet:YuNet"),
        "retinaface": Place("mien.faces.retinaface:RetinaFace"),
        "given": Place("mien.faces.given:GivenBoxes"),
    },
)
"""Builders by name: ``DETECTORS["yunet"](path="yunet.onnx")``."""


def make_detector(name: str, **options: object) -> Detector:
    """A detector by name with its own options (the arguments of the class's ``__init__``).

    Raises:
        ConfigError: an unknown name or option.
        WeightsError: a weights file that is missing or torn.
    """
    build = DETECTORS[name]
    try:
        return build(**options)
    except TypeError as error:
        if "path" in options and "'path'" in str(error):
            fix = "choose --detector yunet or retinaface, or leave --detector-file out"
            raise ConfigError("a detector that reads a file, for --detector-file", name, fix) from error
        raise ConfigError(f"options of the detector {name}", str(error), "see its class in mien.faces") from error


def shrunk(image: UInt8[np.ndarray, "h w *c"], side: int) -> tuple[UInt8[np.ndarray, "a b *c"], float]:
    """``image`` with its shorter side at most ``side`` pixels (area means), and the factor from old to new pixels."""
    height, width = image.shape[:2]
    scale = min(1.0, side / max(1, min(height, width)))
    if scale == 1.0:
        return image, 1.0
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, small, interpolation=cv2.INTER_AREA), scale


def scaled(face: Face, factor: float) -> Face:
    """``face`` in the pixels of a picture ``factor`` times as large (whole numbers are pixel centres)."""
    if factor == 1.0:
        return face
    box, points = ((places + 0.5) * factor - 0.5 for places in (face.box, face.points))
    return Face(box.astype(np.float32), face.score, points.astype(np.float32), face.measured)


def detect_shrunk(detector: Detector, image: Shaped[np.ndarray, " ..."], detect_height: int) -> list[Face]:
    """Detect in a copy whose shorter side is at most ``detect_height``; faces in the pixels of ``image``.

    ``image`` must be (h, w, 3) uint8, RGB. Faces whose box or points are not finite, or whose box is empty, are left
    out.

    Raises:
        SourceError: not an RGB uint8 picture.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise SourceError("an RGB picture (h, w, 3) uint8", f"{image.shape} {image.dtype}", "convert it first")
    if not image.size:
        return []
    small, scale = shrunk(image, detect_height)
    return enlarged(detector.detect(small), scale)


def find_again(
    detector: NearDetector, image: UInt8[np.ndarray, "h w 3"], faces: Sequence[Face], detect_height: int
) -> list[Face]:
    """Those of ``faces`` that ``detector`` finds again near their places; at the size :func:`detect_shrunk` looks at.

    Args:
        detector: looks.
        image: RGB.
        faces: where to look, in the pixels of ``image``.
        detect_height: as for :func:`detect_shrunk`.
    """
    small, scale = shrunk(image, detect_height)
    return enlarged(detector.detect_near(small, [scaled(face, scale) for face in faces]), scale)


def enlarged(found: Sequence[Face], scale: float) -> list[Face]:
    """Faces of a picture shrunk by ``scale`` in the pixels of the picture itself; without those that are none."""
    return [scaled(face, 1 / scale) for face in found if _usable(face)]


def _usable(face: Face) -> bool:
    finite = np.isfinite(face.box).all() and np.isfinite(face.points).all()
    return bool(finite and face.size >= 1 and np.ptp(face.points, axis=0).max() >= 1)
