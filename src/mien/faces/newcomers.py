"""Where could somebody have come in? Pictures that stay the same beside the known faces need no search.

The picture is compared, in small cells, with the one that was searched last. Faces that are known move, and so do the
bodies below them: the cells around them do not count. Who appears there is found by the next search that is due anyway.

Where the picture did change a hand moved, most of the time, and a look at that part tells (:func:`stranger`). So does a
look at a small copy of the whole picture for somebody who came near a known face and is about as large. Neither is good
for measuring a face: where one shows somebody, the whole picture is to be searched.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Float32, UInt8

from mien.core.types import Face
from mien.faces.detectors import Detector, scaled, shrunk

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
BESIDE = 6
"""Cells around a change that are looked at with it: somebody's head may change less of the picture than it covers."""
MOST_PART = 0.4
"""Share of the picture from which on looking at parts costs about what a search does."""
GLANCED = 48
"""Pixels of the smallest known face in a small copy of the picture: detectors find faces half as large there, too."""
WORTH = 0.7
"""Size of the small copy, against the picture that is searched, from which on it costs about what a search does."""
PAINT = 127
"""Grey that known faces are painted over with: who is found is somebody else, and nothing is measured twice."""

Part = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels of the grey picture, right and lower edge excluded."""


class Newcomers:
    """Remembers the picture that was searched last. Faces and pictures share one scale."""

    def __init__(self) -> None:
        self._searched: Float32[np.ndarray, "a b"] | None = None
        self._known: list[Face] = []
        self._moved: UInt8[np.ndarray, "a b"] = np.zeros((0, 0), np.uint8)

    def searched(self, grey: UInt8[np.ndarray, "h w"], faces: Sequence[Face]) -> None:
        """The whole of ``grey`` was searched, and ``faces`` are all that it shows."""
        self._searched, self._known = _cells(grey), list(faces)

    def possible(self, grey: UInt8[np.ndarray, "h w"], faces: Sequence[Face]) -> bool:
        """Whether ``grey`` has changed where neither ``faces`` nor those known in the last search are."""
        changed = self._changed(_cells(grey), faces)
        return changed is None or bool(changed.any())

    def parts(self, grey: UInt8[np.ndarray, "h w"], faces: Sequence[Face]) -> list[Part] | None:
        """Where it has changed, with some margin; None where the whole picture is to be searched."""
        cells = _cells(grey)
        changed = self._changed(cells, faces)
        if changed is None:
            return None
        self._moved = cv2.dilate(changed.astype(np.uint8), np.ones((2 * BESIDE + 1, 2 * BESIDE + 1), np.uint8))
        _, _, found, _ = cv2.connectedComponentsWithStats(self._moved)
        x, y, width, height, _ = found[1:].T  # the first is the background
        if (width * height).sum() > MOST_PART * cells.size:
            return None
        pixels = np.tile(np.array(grey.shape[::-1]) / cells.shape[::-1], 2)
        return [
            (x0, y0, x1, y1)
            for x0, y0, x1, y1 in np.rint(np.stack([x, y, x + width, y + height], 1) * pixels).astype(int).tolist()
        ]

    def looked(self, grey: UInt8[np.ndarray, "h w"]) -> None:
        """The parts of ``grey`` were looked at, and show nobody who was not known: they need no other look."""
        assert self._searched is not None
        cells = _cells(grey)
        cells -= np.median(cells - self._searched)  # in the exposure of all others
        self._searched = np.where(self._moved > 0, cells, self._searched)

    def _changed(self, cells: Float32[np.ndarray, "a b"], faces: Sequence[Face]) -> Bool[np.ndarray, "a b"] | None:
        """The cells at which squares of changed ones end; None where there is nothing to compare with."""
        if self._searched is None or self._searched.shape != cells.shape:
            return None
        change = cells - self._searched
        change -= np.median(change)  # the camera's exposure
        moved = np.abs(change) > LEAST_CHANGE
        for face in (*self._known, *faces):
            _blank(moved, face)
        return cv2.erode(moved.astype(np.uint8), np.ones((BLOCK, BLOCK), np.uint8)).astype(np.bool_)


def stranger(
    detector: Detector, picture: UInt8[np.ndarray, "h w 3"], known: Sequence[Face], part: Part | None = None
) -> bool:
    """Whether ``detector`` sees a face in ``picture`` beside ``known``.

    Args:
        detector: looks.
        picture: RGB, as small as it is searched.
        known: faces in its pixels.
        part: look there only; None: in a copy of the whole picture, as small as ``known``, at least one, allow. Where
            that is hardly small, the answer is True without a look.
    """
    if part is not None:
        x0, y0, x1, y1 = part
        return bool(detector.detect(_without(picture, known)[y0:y1, x0:x1]))
    factor = GLANCED / min(face.size for face in known)
    if factor > WORTH:
        return True
    small, factor = shrunk(picture, round(factor * min(picture.shape[:2])))
    return bool(detector.detect(_without(small, [scaled(face, factor) for face in known])))


def _without(image: UInt8[np.ndarray, "h w 3"], faces: Sequence[Face]) -> UInt8[np.ndarray, "h w 3"]:
    """``image`` with ``faces`` painted over."""
    image = image.copy()
    for face in faces:
        x0, y0, x1, y1 = np.clip(np.rint(face.box), 0, None).astype(int)
        image[y0:y1, x0:x1] = PAINT
    return image


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
