"""Still pictures: one file, or many in a row as a sequence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Shaped, UInt8

from mien.core.errors import SourceError
from mien.media import orientation
from mien.media.arrays import DEFAULT_FRAME_RATE, to_rgb
from mien.media.quiet import quiet_opencv
from mien.media.source import Shot, Source, SourceInfo

JPEG_START, JPEG_SCAN, JPEG_END = b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9"
SWAP_RED_AND_BLUE = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}


def read_image(path: Path) -> UInt8[np.ndarray, "h w 3"]:
    """A picture file as RGB: EXIF orientation applied, transparency on white, 16 bits scaled to 8, CMYK converted.

    Raises:
        SourceError: the file is missing, cut off, or no picture OpenCV can read.
    """
    stored, turn = _decode(path)
    return turn.upright(to_rgb(stored, path.name))


def _decode(path: Path) -> tuple[Shaped[np.ndarray, "h w c"], orientation.Orientation]:
    """The pixels as stored, RGB or RGBA or grey, and how they are to be turned."""
    data = _bytes(path)
    # UNCHANGED is OpenCV's only mode that keeps transparency; it leaves the orientation to us.
    pixels = _quiet_decode(data) if _is_whole(data) else None
    if pixels is None:
        fix = "check that it opens in an image viewer; save it again as JPEG or PNG"
        raise SourceError("a whole picture file", f"{path.name} ({len(data)} bytes), which cannot be decoded", fix)
    planes = pixels[..., None] if pixels.ndim == 2 else pixels
    return planes[..., SWAP_RED_AND_BLUE[planes.shape[2]]], orientation.from_exif(data)


def _bytes(path: Path) -> bytes:
    """The file's content; NumPy reads it because OpenCV's own reader fails on names outside ASCII on some systems."""
    try:
        return np.fromfile(path, np.uint8).tobytes()
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise SourceError("a picture file that can be read", f"{path}: {reason}", "check the path") from error


def _is_whole(data: bytes) -> bool:
    """False for a JPEG cut off in its last scan: some OpenCV versions fill it up with grey and call it sound."""
    return not data.startswith(JPEG_START) or data.find(JPEG_END, max(data.rfind(JPEG_SCAN), 0)) >= 0


def _quiet_decode(data: bytes) -> Shaped[np.ndarray, "*shape"] | None:
    """OpenCV's decoding, or None where it fails."""
    if not data:
        return None
    try:
        with quiet_opencv():
            return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None


def open_image(path: Path) -> Source:
    """One still picture as a source of one frame at 0.0 s. Raises SourceError as :func:`read_image` does."""
    stored, turn = _decode(path)
    image = turn.upright(to_rgb(stored, path.name))
    info = SourceInfo(
        path.name, "image", width=image.shape[1], height=image.shape[0], frame_count=1, rotation=90 * turn.turns
    )
    return Source(info, iter([Shot(0.0, lambda: image)]))


def open_sequence(paths: Sequence[Path], name: str, frame_rate: float | None = None) -> Source:
    """Pictures in the given order as the frames of one source.

    A picture that cannot be read is left out and noted in ``problems``; the others keep their index and time. Pictures
    may differ in size.

    Args:
        paths: picture files, at least one.
        name: what to call the source.
        frame_rate: pictures per second, :data:`~mien.media.arrays.DEFAULT_FRAME_RATE` by default.

    Raises:
        SourceError: no paths, or none of them can be read.
    """
    rate = frame_rate or DEFAULT_FRAME_RATE
    height, width = _first_readable(paths, name).shape[:2]
    info = SourceInfo(name, "sequence", width, height, len(paths) / rate, rate, len(paths))

    def shots() -> Iterator[Shot]:
        for number, path in enumerate(paths):
            yield Shot(number / rate, partial(read_image, path))

    return Source(info, shots())


def _first_readable(paths: Sequence[Path], name: str) -> UInt8[np.ndarray, "h w 3"]:
    """The first picture that can be read, for the size; raises the first failure when there is none."""
    failure = SourceError("at least one picture", f"none in {name}", "give a folder or a list of picture files")
    for number, path in enumerate(paths):
        try:
            return read_image(path)
        except SourceError as error:
            failure = error if number == 0 else failure
    raise failure
