"""Boxes as arrays: x0, y0, x1, y1 in pixels, one row a box."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float, Int


def areas(boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, " n"]:
    """Square pixels of each box; 0 for a box turned inside out."""
    return np.asarray(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1))


def intersections(a: Float[np.ndarray, "n 4"], b: Float[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
    """Square pixels that each box of ``a`` shares with each box of ``b``."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    return np.asarray(np.clip(high - low, 0, None).prod(axis=2))


def iou(a: Float[np.ndarray, "n 4"], b: Float[np.ndarray, "m 4"]) -> Float[np.ndarray, "n m"]:
    """Intersection over union of every pair, in [0, 1]; 0 for empty boxes."""
    shared = intersections(a, b)
    union = areas(a)[:, None] + areas(b)[None, :] - shared
    return np.asarray(shared / np.maximum(union, 1e-9))


def suppress(
    boxes: Float[np.ndarray, "n 4"], scores: Float[np.ndarray, " n"], limit: float, over: Literal["union", "smaller"]
) -> Int[np.ndarray, " k"]:
    """Greedy non-maximum suppression.

    Args:
        boxes: candidates.
        scores: their confidence; ties go to the earlier box, so the answer does not depend on the sort.
        limit: a box that overlaps a better one by more than this is dropped, in [0, 1].
        over: overlap is the intersection over the union, or over the smaller of the two boxes.

    Returns:
        Indices of the boxes kept, best first.
    """
    order = np.argsort(-scores, kind="stable")
    area = areas(boxes)
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(best)
        shared = intersections(boxes[best : best + 1], boxes[rest])[0]
        base = area[best] + area[rest] - shared if over == "union" else np.minimum(area[best], area[rest])
        order = rest[shared <= limit * np.maximum(base, 1e-9)]
    return np.array(kept, dtype=np.int64)


def squared(boxes: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
    """The smallest squares around each box's centre that hold it."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    return np.hstack([centre - half, centre + half])
