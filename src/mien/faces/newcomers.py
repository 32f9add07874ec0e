"""Where could somebody have come in? Pictures that stay the same beside the known faces need no search.

The picture is compared, in small cells, with the one that was searched last. Faces that are known move, and so do the
bodies below them: the cells around them do not count. Who appears there is found by the next search that is due anyway.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from mien.core.types import Face

CELL = 10
"""Pixels of a cell's side: a face of the smallest size that is looked for covers four cells."""
LEAST_CHANGE = 12.0
"""Grey levels by which a cell's mean must change. Noise and compression of seven real clips change a still cell by
under 5."""
BLOCK = 2
"""Cells a side of the smallest square that must change as a whole: a held camera's shake changes lines of cells along
edges, one cell wide; somebody's head and shoulders change more."""
AROUND = (1.0, 0.5, 1.0, 4.0)
"""How far left, up, right and down of a known face its person is taken to reach, in sizes of the face."""


class Newcomers:
    """Remembers the picture that was searched last. Faces and pictures share one scale."""

    def __init__(self) -> None:
        self._searched: Float32[np.ndarray, "a b"] | None = None
        self._known: list[Face] = []

    def searched(self, grey: UInt8[np.ndarray, "h w"], faces: Sequence[Face]) -> None:
        """The whole of ``grey`` was searched, and ``faces`` are all that it shows."""
        self._searched, self._known = _cells(grey), list(faces)

    def possible(self, grey: UInt8[np.ndarray, "h w"], faces: Sequence[Face]) -> bool:
        """Whether ``grey`` has changed where neither ``faces`` nor those known in the last search are."""
        cells = _cells(grey)
        if self._searched is None or self._searched.shape != cells.shape:
            return True
        change = cells - self._searched
        change -= np.median(change)  # the camera's exposure
        moved = np.abs(change) > LEAST_CHANGE
        for face in (*self._known, *faces):
            _blank(moved, face)
        return bool(cv2.erode(moved.astype(np.uint8), np.ones((BLOCK, BLOCK), np.uint8)).any())


def _cells(grey: UInt8[np.ndarray, "h w"]) -> Float32[np.ndarray, "a b"]:
    height, width = grey.shape
    size = max(1, round(width / CELL)), max(1, round(height / CELL))
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA).astype(np.float32)


def _blank(moved: Bool[np.ndarray, "a b"], face: Face) -> None:
    """Let the cells of a face's person count for nothing."""
    left, up, right, down = (share * face.size for share in AROUND)
    reach = face.box + np.array([-left, -up, right, down])
    x0, y0, x1, y1 = np.clip(np.rint(reach / CELL), 0, None).astype(int)
    moved[y0:y1, x0:x1] = False
