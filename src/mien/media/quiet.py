"""Keeping OpenCV's own lines off stderr where our error says the same in the user's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import cv2

LEVEL_SILENT = 0


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Silence OpenCV's log inside the block, then restore its level."""
    log = cv2.utils.logging
    level = log.getLogLevel()
    log.setLogLevel(LEVEL_SILENT)
    try:
        yield
    finally:
        log.setLogLevel(level)
