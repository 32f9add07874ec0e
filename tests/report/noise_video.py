"""A picture of smooth noise for every frame, two boxes in it, and tables of who was seen when."""

from __future__ import annotations

import numpy as np

from mien.core.labels import LabelSpace
from mien.core.table import FaceTable
from mien.core.types import Face, FaceRow, Quality

LABELS = LabelSpace("three", ("neutral", "happiness", "sadness"))
HEIGHT, WIDTH, FRAMES = 120, 200, 48
BOXES = {1: np.array([20, 30, 60, 80], np.float32), 2: np.array([130.25, 40, 170, 90], np.float32)}
TIMES = np.cumsum([0.0] + [0.04, 0.04, 0.1] * 16)[:FRAMES]
"""Of variable frame rate."""


def noise(index: int) -> np.ndarray:
    """A smooth random picture, so that coding it loses little."""
    small = np.random.default_rng(index).integers(40, 216, (HEIGHT // 10, WIDTH // 10, 3)).astype(np.uint8)
    return np.kron(small, np.ones((10, 10, 1), np.uint8))


def table_of(frames: dict[int, list[int]], unread: dict[tuple[int, int], str] | None = None) -> FaceTable:
    """A row for every track of ``frames``; those in ``unread`` have a reason and no probabilities."""
    table = FaceTable(len(LABELS))
    for index, tracks in frames.items():
        for track in tracks:
            box = BOXES[track]
            points = box[:2] + np.array([[10, 15], [30, 15], [20, 25], [12, 38], [28, 38]], np.float32)
            reason = (unread or {}).get((index, track))
            rows = None if reason else np.array([0.1, 0.8, 0.1] if track == 1 else [0.25, 0.15, 0.6])
            quality = Quality(39.75, 123.456, -3.21, reason)
            table.append(FaceRow(index, float(TIMES[index]), track, Face(box, 0.987, points), quality, rows))
    return table
