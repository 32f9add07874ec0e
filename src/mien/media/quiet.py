"""Keeping OpenCV's own lines off stderr: they break the progress line, and what matters comes as an exception too."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

SILENT = 0

_change = threading.Lock()
_inside = 0
_level = 0


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Silence OpenCV's log inside the block.

    The level is one for all threads: it is put back when the last of them leaves.
    """
    global _inside, _level
    with _change:
        if not _inside:
            _level = cv2.utils.logging.getLogLevel()
            cv2.utils.logging.setLogLevel(SILENT)
        _inside += 1
    try:
        yield
    finally:
        with _change:
            _inside -= 1
            if not _inside:
                cv2.utils.logging.setLogLevel(_level)
