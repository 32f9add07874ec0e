"""Seeded pictures of nobody, to compare engines on: face-like ovals of all kinds, and plain noise."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

NOISE = 12
"""Grey levels of grain on a face."""


def sample_clips(clips: int, frames: int, size: int, seed: int = 0) -> UInt8[np.ndarray, "b t 3 h w"]:
    """``clips`` clips of ``frames`` crops of ``size`` x ``size``; every third is noise, the others move a little."""
    rng = np.random.default_rng(seed)
    answer = np.empty((clips, frames, 3, size, size), np.uint8)
    for place in range(clips):
        if place % 3 == 2:
            answer[place] = rng.integers(0, 256, answer[place].shape, dtype=np.uint8)
        else:
            answer[place] = _moving_face(frames, size, rng)
    return answer


def _moving_face(frames: int, size: int, rng: np.random.Generator) -> UInt8[np.ndarray, "t 3 h w"]:
    skin, behind = rng.uniform(90, 230, (3, 1, 1)), rng.uniform(0, 255, (3, 1, 1))
    smile, lift = rng.uniform(-0.15, 0.15), rng.uniform(-0.05, 0.05)
    pictures = []
    for share in np.linspace(0, 1, frames):
        y, x = np.mgrid[0:size, 0:size] / (size - 1) * 2 - 1
        picture = np.where((x / 0.75) ** 2 + (y / 0.95) ** 2 < 1, skin, behind)
        for side in (-0.35, 0.35):
            picture = picture - 90 * _spot(x - side, y + 0.2 + lift * share, 0.10)
            picture = picture - 60 * _spot(x - side, (y + 0.45 + 2 * lift * share) * 3, 0.18)
        picture = picture - 80 * _spot(x * 0.4, y - 0.5 + smile * share * (x / 0.4) ** 2, 0.08)
        pictures.append(picture + rng.normal(0, NOISE, (3, size, size)))
    faces: UInt8[np.ndarray, "t 3 h w"] = np.clip(np.stack(pictures), 0, 255).astype(np.uint8)
    return faces


def _spot(x: Float[np.ndarray, "h w"], y: Float[np.ndarray, "h w"], width: float) -> Float[np.ndarray, "h w"]:
    spot: Float[np.ndarray, "h w"] = np.exp(-(x**2 + y**2) / (2 * width**2))
    return spot
