"""Landmarks found while drawing, from the aligned crops: none is stored, however long the video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from mien.core.types import Face
from mien.faces.align import align, landmarks_to_frame
from mien.faces.landmarkers import Landmarker


@dataclass(frozen=True)
class PointFinder:
    """A landmark net, and the crops it takes.

    Attributes:
        find: the net.
        crop_size: side of the aligned crops in pixels.
    """

    find: Landmarker
    crop_size: int

    def __call__(self, image: UInt8[np.ndarray, "h w 3"], faces: Sequence[Face]) -> list[Float[np.ndarray, "p 2"]]:
        """The landmarks of every face of a frame, in pixels of the frame."""
        if not faces:
            return []
        crops = np.stack([align(image, face.points, self.crop_size) for face in faces])
        places = self.find(crops) * self.crop_size - 0.5
        return [landmarks_to_frame(one, face.points, self.crop_size) for one, face in zip(places, faces, strict=True)]
