"""OpenCV's habit of talking on stderr while a network is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Hide OpenCV's warnings, not its errors, inside the block.

    OpenCV 5 warns "Targets are not supported by the new graph engine" at every network it loads on the CPU, which says
    nothing a user could act on and would break the progress line. The level is put back afterwards.
    """
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
