"""How stored pixels must be turned to stand upright: one notion for EXIF stills and for a video's display matrix."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from jaxtyping import UInt8

ORIENTATION_TAG = 0x0112
TIFF_HEADERS = (b"II*\x00", b"MM\x00*")


@dataclass(frozen=True, slots=True)
class Orientation:
    """A mirroring, then a turn.

    Attributes:
        turns: quarter turns clockwise, 0 to 3.
        mirrored: True when left and right are swapped first.
    """

    turns: int = 0
    mirrored: bool = False

    def upright(self, image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h2 w2 3"]:
        """``image`` standing upright, as one block of memory."""
        flipped = image[:, ::-1] if self.mirrored else image
        return np.ascontiguousarray(np.rot90(flipped, -self.turns))

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height, in pixels, of an upright picture stored with ``width`` x ``height``."""
        return (height, width) if self.turns % 2 else (width, height)


UPRIGHT = Orientation()

# EXIF 2.3, tag 0x0112: where row 0 and column 0 of the stored picture lie.
EXIF_ORIENTATIONS = {
    1: UPRIGHT,
    2: Orientation(0, True),
    3: Orientation(2),
    4: Orientation(2, True),
    5: Orientation(3, True),
    6: Orientation(1),
    7: Orientation(1, True),
    8: Orientation(3),
}


def from_display_matrix(matrix: bytes) -> Orientation:
    """The orientation that an MP4/QuickTime display matrix asks for, to the nearest quarter turn.

    Args:
        matrix: nine native 32-bit integers, rows ``a b u``, ``c d v``, ``x y w``; a point (x, y), y downwards, goes
            to (a x + c y, b x + d y), in 16.16 fixed point. Shorter bytes mean upright.
    """
    if len(matrix) < 36:
        return UPRIGHT
    a, b, _, c, d = (int(value) for value in np.frombuffer(matrix, np.int32, 5))
    mirrored = a * d - b * c < 0
    angle = math.atan2(-b, -a) if mirrored else math.atan2(b, a)
    return Orientation(round(angle / (math.pi / 2)) % 4, mirrored)


def from_frame(frame: VideoFrame) -> Orientation:
    """The orientation that a decoded frame's display matrix asks for."""
    try:
        matrix = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # a kind of side data that the binding has no name for
        return UPRIGHT
    return from_display_matrix(bytes(matrix)) if isinstance(matrix, SideData) else UPRIGHT


def from_exif(data: bytes) -> Orientation:
    """The orientation written in an encoded still (JPEG, PNG, WebP, TIFF); upright when it says nothing sensible."""
    for header in _tiff_headers(data):
        return EXIF_ORIENTATIONS.get(_orientation_tag(data, header), UPRIGHT)
    return UPRIGHT


def _tiff_headers(data: bytes) -> list[int]:
    """Where EXIF's little TIFF file may start: at 0, or after a marker (PNG and WebP put a length in between)."""
    after = [found + len(marker) for marker in (b"Exif\0\0", b"eXIf", b"EXIF") if (found := data.find(marker)) >= 0]
    starts = [0, *(start + skip for start in after for skip in (0, 4))]
    return [start for start in starts if data[start : start + 4] in TIFF_HEADERS]


def _orientation_tag(data: bytes, header: int) -> int:
    """The orientation tag of the TIFF directory at ``header``; 0 when absent or cut off."""
    little = data.startswith(b"II", header)

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[header + at : header + at + size], "little" if little else "big")

    directory = number(4, 4)
    for entry in range(number(directory, 2)):
        at = directory + 2 + 12 * entry
        if number(at, 2) == ORIENTATION_TAG:
            return number(at + 8, 2)
    return 0
