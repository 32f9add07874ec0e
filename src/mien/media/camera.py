"""A camera by its number: frames timed when they arrive, by a clock that never jumps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import cv2
import numpy as np
from jaxtyping import UInt8

from mien.core.errors import SourceError
from mien.media.quiet import quiet_opencv
from mien.media.source import Shot, Source, SourceInfo

CAMERAS = range(100)
"""OpenCV takes the hundreds of a number for the name of a driver, and is not safe with negative ones."""


def open_camera(number: int) -> Source:
    """Frames of camera ``number`` until it is closed; a camera that stops answering ends the pass with a problem noted.

    The driver is asked to hold one frame only: when the consumer is slow, old frames are dropped instead of queued.
    Time runs from the first frame's arrival.

    Args:
        number: the system's number of the camera, from 0.

    Raises:
        SourceError: there is no such camera, or it gives no picture.
    """
    capture = _capture(number)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    good, first = capture.read()
    if not good:
        capture.release()
        fix = "close other programs that use it, or try another number"
        raise SourceError("a camera that gives pictures", f"camera {number}, which gave none", fix)
    rate = float(capture.get(cv2.CAP_PROP_FPS))
    info = SourceInfo(
        f"camera {number}", "camera", width=first.shape[1], height=first.shape[0], frame_rate=rate if rate > 0 else None
    )
    problems: list[str] = []

    def shots() -> Iterator[Shot]:
        start = time.monotonic()
        good, picture, now = True, first, start
        while good:
            yield Shot(now - start, partial(_rgb, picture))
            good, picture = capture.read()
            now = time.monotonic()
        problems.append(f"camera {number} stopped giving pictures after {now - start:.1f} s")

    return Source(info, shots(), capture.release, problems)


def _capture(number: int) -> cv2.VideoCapture:
    if number not in CAMERAS:
        expected = f"a camera's number from {CAMERAS.start} to {CAMERAS.stop - 1}"
        raise SourceError(expected, str(number), "give 0 for the first camera")
    with quiet_opencv():  # it lists every backend it tried
        capture = cv2.VideoCapture(number)
    if not capture.isOpened():
        capture.release()
        fix = "plug one in, allow its use, or try another number"
        raise SourceError("a camera of that number", f"no camera {number}", fix)
    return capture


def _rgb(bgr: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    return np.ascontiguousarray(bgr[..., ::-1])
