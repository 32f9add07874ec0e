"""OpenCV's habit of talking on stderr while a network is loaded."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

_change = threading.Lock()
_inside = 0
_level = 0


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Hide OpenCV's warnings, not its errors, inside the block.

    OpenCV 5 warns "Targets are not supported by the new graph engine" at every network it loads on the CPU, which says
    nothing a user could act on and would break the progress line. The level, one for all threads, is put back when the
    last of them leaves.
    """
    global _inside, _level
    with _change:
        if not _inside:
            _level = cv2.utils.logging.getLogLevel()
            cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        _inside += 1
    try:
        yield
    finally:
        with _change:
            _inside -= 1
            if not _inside:
                cv2.utils.logging.setLogLevel(_level)
