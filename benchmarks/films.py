"""Clips made of a real one, for the benchmarks: longer, larger, at another pace, with more faces."""

from collections.abc import Iterator
from itertools import chain, islice, repeat
from pathlib import Path

import cv2
import numpy as np

from mien import media

Picture = np.ndarray
TILES, TILE = (5, 2), (256, 144)
"""Columns and rows of the crowd, and the pixels of one place in it."""


def pictures(clip: Path, most: int | None = None) -> Iterator[Picture]:
    """The frames of ``clip``, or its first ``most``."""
    with media.open(clip) as frames:
        for frame in islice(frames, most):
            yield frame.image


def write(out: Path, images: Iterator[Picture], size: tuple[int, int], rate: float) -> Path:
    """A film of ``images`` at a steady rate."""
    with media.VideoWriter(out, *size, rate) as video:
        for number, image in enumerate(images):
            video.write(image, number / rate)
    return out


def longer(clip: Path, times: int, out: Path) -> Path:
    """``clip`` ``times`` times in a row."""
    info = media.probe(clip)
    images = chain.from_iterable(pictures(path) for path in repeat(clip, times))
    return write(out, images, (info.width, info.height), info.frame_rate or 25.0)


def scaled(clip: Path, height: int, most: int, out: Path, rate: float | None = None) -> Path:
    """The first ``most`` frames of ``clip`` at another height, and at another rate where one is given."""
    info = media.probe(clip)
    size = round(info.width * height / info.height), height
    images = (cv2.resize(image, size, interpolation=cv2.INTER_CUBIC) for image in pictures(clip, most))
    return write(out, images, size, rate or info.frame_rate or 25.0)


def crowd(clip: Path, faces: int, out: Path, times: int = 1) -> Path:
    """``clip`` on ``faces`` of ten places of one picture (the rest is grey), ``times`` times in a row."""
    columns, rows = TILES
    size = TILE[0] * columns, TILE[1] * rows

    def tiled(image: Picture) -> Picture:
        small = cv2.resize(image, TILE, interpolation=cv2.INTER_AREA)
        canvas = np.full((size[1], size[0], 3), 110, np.uint8)
        for place in range(faces):
            x, y = place % columns * TILE[0], place // columns * TILE[1]
            canvas[y : y + TILE[1], x : x + TILE[0]] = small
        return canvas

    images = (tiled(image) for path in repeat(clip, times) for image in pictures(path))
    return write(out, images, size, media.probe(clip).frame_rate or 25.0)
