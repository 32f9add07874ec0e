"""Clips cut from clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mien import media

Images = list[tuple[float, np.ndarray]]


def frames_of(path: Path, until: float = np.inf) -> Images:
    with media.open(path) as source:
        return [(frame.time, frame.image) for frame in source if frame.time < until]


def write_video(path: Path, images: Images) -> Path:
    height, width = images[0][1].shape[:2]
    with media.VideoWriter(path, width, height, 30) as writer:
        for time, image in images:
            writer.write(image, time)
    return path
