"""Five points -> one square crop. The same code in training and use, so the two cannot drift apart.

The similarity (turn, one scale, shift; no reflection) that brings the points nearest to :data:`TEMPLATE` by least
squares (S. Umeyama, "Least-squares estimation of transformation parameters between two point patterns", 1991), which in
the plane is one complex division. Whole numbers are pixel centres, so the unit square covers -0.5 .. size - 0.5.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from jaxtyping import Complex128, Float, Float32, Float64, UInt8

from mien.core.errors import InputError

TEMPLATE: Float32[np.ndarray, "5 2"] = np.array(
    [[0.314, 0.412], [0.686, 0.412], [0.500, 0.631], [0.345, 0.808], [0.655, 0.808]], dtype=np.float32
)
"""Where the five points lie in an aligned crop, x and y as shares of its side (order as :attr:`Face.points`).

The median of what MTCNN finds in the FERPlus crops the shipped model was trained on (tools/measure_template.py)."""
TEMPLATE.flags.writeable = False

BOX_POINTS: Float32[np.ndarray, "5 2"] = np.array(
    [[0.26, 0.39], [0.74, 0.39], [0.50, 0.57], [0.29, 0.73], [0.71, 0.73]], dtype=np.float32
)
"""Where the five points lie in a detector's box, as shares of its sides: the mean of MTCNN's and YuNet's boxes on 280
frames of two people, made symmetric. A detector's box is tighter than an aligned crop, so TEMPLATE would not do."""
BOX_POINTS.flags.writeable = False

LEAST_SPREAD = 1e-3
"""Pixels (root mean square from the mean) below which five points are one point and give no direction."""

FINE = 2
"""Powers of two of a shrinking that are left to means over exact areas, which cost ten times what halving does: at 2 a
crop differs from exact means by 0.4 grey levels on average and takes half the time, at 1 by 0.9."""

Motion = Float64[np.ndarray, "2 3"]
"""An affine map of the plane: x' = M[:, :2] x + M[:, 2]."""


def similarity(
    source: Float[np.ndarray, "n 2"], target: Float[np.ndarray, "n 2"], weights: Float[np.ndarray, " n"] | None = None
) -> Motion:
    """The least-squares similarity from ``source`` to ``target``, without reflection.

    Args:
        source: places before.
        target: the same places after.
        weights: how much each place counts, >= 0; None counts all alike.

    Raises:
        InputError: the points are not finite, or coincide, or fit no direction.
    """
    source, target = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if not (np.isfinite(source).all() and np.isfinite(target).all()):
        raise InputError("finite points", "NaN or infinity", "leave this face out, or give its box without points")
    share = np.full(len(source), 1 / max(len(source), 1)) if weights is None else weights / weights.sum()
    p, q = (points[:, 0] + 1j * points[:, 1] for points in (source, target))
    return motion_of(*turn_and_shift(p, q, share))


def motion_of(turn: complex, shift: complex) -> Motion:
    """p' = turn p + shift, of places x + iy, as a matrix."""
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def turn_and_shift(
    p: Complex128[np.ndarray, " n"], q: Complex128[np.ndarray, " n"], share: Float[np.ndarray, " n"]
) -> tuple[complex, complex]:
    """:func:`similarity` of finite places x + iy as p' = turn p + shift; the shares sum to 1."""
    p_mean, q_mean = share @ p, share @ q
    p, q = p - p_mean, q - q_mean
    spread = float(share @ (p.real**2 + p.imag**2))
    turn = share @ (np.conj(p) * q) / max(spread, LEAST_SPREAD**2)
    if spread < LEAST_SPREAD**2 or abs(turn) < 1e-9:
        raise InputError("points that span a face", "points that coincide or mirror it", "give this face's box only")
    return turn, q_mean - turn * p_mean


def moved(points: Float[np.ndarray, "n 2"], motion: Motion) -> Float32[np.ndarray, "n 2"]:
    """``points`` after ``motion``."""
    there = np.asarray(points, np.float64) @ motion[:, :2].T + motion[:, 2]
    return np.asarray(there, np.float32)


def frame_to_crop(points: Float[np.ndarray, "5 2"], size: int) -> Motion:
    """The map from pixels of the frame to pixels of the aligned crop of side ``size``. Raises as :func:`similarity`."""
    return similarity(points, TEMPLATE * size - 0.5)


def crop_turns(points: Float[np.ndarray, "n 5 2"]) -> Float64[np.ndarray, " n"]:
    """Degrees clockwise by which faces lean in the frame, as far as their crops are turned back by.

    Args:
        points: of each face; points that fit no direction give 0.
    """
    p = np.asarray(points, np.float64)
    p = p[..., 0] + 1j * p[..., 1]
    q = TEMPLATE[:, 0].astype(np.float64) + 1j * TEMPLATE[:, 1]
    turn = (np.conj(p - p.mean(1, keepdims=True)) * (q - q.mean())).sum(1)
    return np.asarray(-np.degrees(np.angle(np.nan_to_num(turn))))


def landmarks_to_frame(
    landmarks: Float[np.ndarray, "n 2"], points: Float[np.ndarray, "5 2"], size: int
) -> Float32[np.ndarray, "n 2"]:
    """Where places found in an aligned crop lie in the frame it came from.

    Args:
        landmarks: x, y in pixels of the crop.
        points: the five points that the crop was aligned by, in pixels of the frame.
        size: the crop's side in pixels.
    """
    return moved(landmarks, cv2.invertAffineTransform(frame_to_crop(points, size)))


def align(image: UInt8[np.ndarray, "h w 3"], points: Float[np.ndarray, "5 2"], size: int) -> UInt8[np.ndarray, "3 s s"]:
    """The face upright in a square crop, its five points nearest to :data:`TEMPLATE`.

    A face larger than the crop is first shrunk by area means, so fine texture does not alias; a smaller one is enlarged
    bilinearly. Where the crop reaches over the frame's edge the edge pixels go on (replicated): a hard black border
    would be the strongest line in the crop.

    Args:
        image: RGB frame.
        points: as :attr:`Face.points`, in pixels of ``image``.
        size: side of the crop in pixels, at least 1.

    Raises:
        InputError: points that are not finite or coincide (:func:`points_in_box` makes points from a box).
    """
    motion = frame_to_crop(points, size)
    region, to_region = _shrunk_region(image, motion, size)
    whole = np.vstack([motion, (0, 0, 1)]) @ np.linalg.inv(to_region)
    crop = cv2.warpAffine(region, whole[:2], (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(crop.transpose(2, 0, 1))


def points_in_box(box: Float[np.ndarray, " 4"]) -> Float32[np.ndarray, "5 2"]:
    """Where the five points of an upright frontal face lie in a box that ends at brow, chin and cheeks."""
    return np.asarray(box[:2] + BOX_POINTS * (box[2:] - box[:2]), np.float32)


def _shrunk_region(
    image: UInt8[np.ndarray, "h w 3"], motion: Motion, size: int
) -> tuple[UInt8[np.ndarray, "a b 3"], Float64[np.ndarray, "3 3"]]:
    """The part of the frame under the crop, at the crop's scale if that is smaller, and the map from frame to part."""
    sides = np.array(image.shape[1::-1])
    corners = np.array([[-1.0, -1.0], [size, -1.0], [-1.0, size], [size, size]])
    under = moved(corners, cv2.invertAffineTransform(motion))
    low = np.clip(np.floor(under.min(axis=0)) - 1, 0, sides - 1).astype(int)
    high = np.maximum(np.clip(np.ceil(under.max(axis=0)) + 2, 1, sides).astype(int), low + 1)
    scale = float(np.hypot(motion[0, 0], motion[1, 0]))
    halvings = max(0, math.floor(-math.log2(scale)) - FINE)
    high = np.minimum(high + (low - high) % 2**halvings, sides)
    region = image[low[1] : high[1], low[0] : high[0]]
    factors = np.ones(2)
    if scale < 1:
        shrunk = np.maximum(1, np.rint((high - low) * scale)).astype(int)
        factors = shrunk / (high - low)
        for _ in range(halvings):
            height, width = region.shape[:2]
            region = cv2.resize(region, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA)
        region = cv2.resize(region, (int(shrunk[0]), int(shrunk[1])), interpolation=cv2.INTER_AREA)
    # Pixel centres: a place x of the frame lies at (x - low + 0.5) * factor - 0.5 of the shrunk part.
    shift = (0.5 - low) * factors - 0.5
    return region, np.array([[factors[0], 0, shift[0]], [0, factors[1], shift[1]], [0, 0, 1]])
