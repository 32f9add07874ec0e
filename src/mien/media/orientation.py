"""How stored pixels must be turned to stand upright: one notion for EXIF stills and for a video's display matrix."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from mien.media.boxes import InMemory
from mien.media.headers import Header, read_header
from mien.media.tiff import ORIENTATION, TiffReader

if TYPE_CHECKING:
    from av.video.frame import VideoFrame


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

    def then(self, other: Orientation) -> Orientation:
        """This one, and ``other`` after it, as one."""
        turns = other.turns - self.turns if other.mirrored else other.turns + self.turns
        return Orientation(turns % 4, self.mirrored != other.mirrored)

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
    """The orientation that a decoded frame asks for: by its display matrix, which FFmpeg also makes of EXIF."""
    matrix = display_matrix(frame)
    if matrix is not None:
        return from_display_matrix(matrix)
    # Behind side data without a name: the turn, counterclockwise, is known all the same, a mirroring is not.
    return Orientation(round(-frame.rotation / 90) % 4)


def display_matrix(frame: VideoFrame) -> bytes | None:
    """A frame's display matrix; None for none, or for one behind side data that PyAV has no name for.

    ``frame.side_data`` raises ValueError as a whole where FFmpeg attached anything newer than the binding knows, such
    as the EXIF of Motion-JPEG and HEIF. Filled until that point it holds what came before, the matrix among it.
    """
    from av.sidedata.sidedata import SideDataContainer, Type

    class Named(SideDataContainer):
        def __init__(self) -> None:
            with suppress(ValueError):
                super().__init__(frame)  # type: ignore[call-arg]  # its stub lacks it

    named = Named()
    for data in map(named.__getitem__, range(len(named))):
        with suppress(ValueError):  # its type, the one without a name
            if data.type is Type.DISPLAYMATRIX:
                return bytes(data)
    return None


def from_exif(data: InMemory) -> Orientation:
    """The orientation written in an encoded still (JPEG, PNG, WebP, TIFF); upright when it says nothing sensible."""
    return from_header(data, read_header(data))


def from_header(data: InMemory, header: Header) -> Orientation:
    """The same of a still whose header was read."""
    if header.exif is None:
        return UPRIGHT
    reader = TiffReader(data, header.exif)
    return EXIF_ORIENTATIONS.get(reader.directory(reader.first).numbers.get(ORIENTATION, 1), UPRIGHT)
