"""RandAugment on clips (Cubuk et al., arXiv 1909.13719): the fifteen changes, as Pillow makes them, on uint8 tensors.

The recipe of S2D's second stage is known by the string ``rand-m7-n4-mstd0.5-inc1``: four layers; each draws one of the
changes, makes it with probability one half, at a strength around 7 of 10, and stronger is always further from the
picture as it was. One draw holds for all frames, so nothing flickers.

Equal to Pillow's answers bit for bit, except where pixels fall between pixels: there within one level (tests).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from torch import Tensor

Clip = UInt8[Tensor, "t 3 h w"]
Tables = UInt8[np.ndarray, "p 256"]

FULL = 10.0
"""The strength at which a change is as far as it goes."""
GREY = 128
"""What comes into the picture from outside it."""
CUBIC, LINEAR = 4, 2
"""Pixels along each axis that an interpolated one is made of."""


def draw(
    layers: int, magnitude: float, std: float, rng: torch.Generator, probability: float = 0.5
) -> tuple[tuple[str, float], ...]:
    """What is to be done to a clip: names of :data:`OPERATIONS`, each with its argument, in order.

    Args:
        layers: how many are drawn, with replacement.
        magnitude: mean strength, 0 to 10.
        std: of the strength, which stays in 0 to 10.
        rng: what draws.
        probability: that one that was drawn is made.
    """
    names = list(OPERATIONS)
    chosen = []
    for name in (names[i] for i in torch.randint(len(names), (layers,), generator=rng).tolist()):
        made, sign = torch.rand(2, generator=rng).tolist()
        strength = magnitude + std * torch.randn((), generator=rng).item()
        if made < probability:
            share = min(max(strength, 0.0), FULL) / FULL
            chosen.append((name, argument(name, share, 1.0 if sign < 0.5 else -1.0)))
    return tuple(chosen)


def argument(name: str, share: float, sign: float) -> float:
    """How far a change goes at ``share`` of the full strength: degrees, bits, levels, factors, or shares of the side.

    ``sign`` is the direction, 1 or -1, of changes that have two.
    """
    if name in ("colour", "contrast", "brightness", "sharpness"):
        return max(0.1, 1 + sign * 0.9 * share)
    if name == "posterize":
        return max(1, 4 - int(4 * share))  # Without a bit left the picture is black.
    if name == "solarize":
        return 256 - int(256 * share)
    if name == "solarize_add":
        return int(110 * share)
    return sign * share * _FURTHEST.get(name, 0.0)


def apply(clip: Clip, changes: tuple[tuple[str, float], ...]) -> Clip:
    """Make the changes :func:`draw` drew, one after the other."""
    for name, amount in changes:
        clip = OPERATIONS[name](clip, amount)
    return clip


# Changes of each level by itself.


def look_up(clip: Clip, tables: Tables) -> Clip:
    """Replace every level by the table's: one table for all (1, 256), or one a frame and channel (t * 3, 256)."""
    planes = clip.contiguous().numpy().reshape(-1, clip.shape[-2] * clip.shape[-1])
    out = np.empty_like(planes)
    for plane, table, place in zip(planes, np.broadcast_to(tables, (len(planes), 256)), out, strict=True):
        np.take(table, plane, out=place, mode="clip")
    return torch.from_numpy(out.reshape(clip.shape))


def _levels() -> UInt8[np.ndarray, "1 256"]:
    return np.arange(256, dtype=np.uint8)[None]


def invert(clip: Clip, _: float = 0.0) -> Clip:
    """The negative."""
    return look_up(clip, 255 - _levels())


def posterize(clip: Clip, bits: float) -> Clip:
    """Keep the ``bits`` highest bits of every level, 1 to 8."""
    return look_up(clip, _levels() & np.uint8(256 - (1 << (8 - int(bits)))))


def solarize(clip: Clip, threshold: float) -> Clip:
    """The negative of levels at or above ``threshold``."""
    levels = _levels()
    return look_up(clip, np.where(levels < threshold, levels, 255 - levels))


def solarize_add(clip: Clip, amount: float) -> Clip:
    """Levels under 128 become ``amount`` lighter."""
    levels = _levels().astype(np.int64)
    return look_up(clip, np.where(levels < 128, np.minimum(levels + int(amount), 255), levels).astype(np.uint8))


def _histograms(clip: Clip) -> Int[np.ndarray, "p 256"]:
    planes = clip.contiguous().numpy().reshape(-1, clip.shape[-2] * clip.shape[-1])
    return np.stack([np.bincount(plane, minlength=256) for plane in planes])


def autocontrast(clip: Clip, _: float = 0.0) -> Clip:
    """Stretch each channel of each frame to the full range."""
    there = _histograms(clip) > 0
    low, high = there.argmax(1)[:, None], 255 - there[:, ::-1].argmax(1)[:, None]
    levels = np.arange(256)[None]
    scale = 255.0 / np.maximum(high - low, 1)
    stretched = np.clip(np.trunc(levels * scale + -low * scale), 0, 255)
    return look_up(clip, np.where(high > low, stretched, levels).astype(np.uint8))


def equalize(clip: Clip, _: float = 0.0) -> Clip:
    """Make the levels of each channel of each frame equally frequent."""
    counts = _histograms(clip)
    highest = 255 - (counts[:, ::-1] > 0).argmax(1)
    last = np.take_along_axis(counts, highest[:, None], 1)
    step = (counts.sum(1, keepdims=True) - last) // 255
    below = np.cumsum(counts, 1) - counts
    spread = np.clip((step // 2 + below) // np.maximum(step, 1), 0, 255)
    return look_up(clip, np.where(step > 0, spread, np.arange(256)[None]).astype(np.uint8))


# Changes towards, or away from, a duller picture.


def blend(dull: Tensor, clip: Clip, factor: float) -> Clip:
    """``dull`` at 0, the clip at 1, and further on beyond 1; fractions of a level are dropped as in Pillow."""
    base = dull.float()
    # Two roundings, not a fused one: whole levels stay whole, as in Pillow.
    return (clip.float() - base).mul_(factor).add_(base).clamp_(0, 255).to(torch.uint8)


def luma(clip: Clip) -> Int[Tensor, "t 1 h w"]:
    """Lightness, 0 to 255, in Pillow's whole numbers (ITU-R BT.601)."""
    red, green, blue = clip.to(torch.int32).unbind(1)
    return (red * 19595 + green * 38470 + blue * 7471 + 0x8000 >> 16)[:, None]


def colour(clip: Clip, factor: float) -> Clip:
    """Saturation: 0 is grey, 1 no change, 2 twice the colour."""
    return blend(luma(clip), clip, factor)


def contrast(clip: Clip, factor: float) -> Clip:
    """Distance from the frame's mean lightness: 0 is flat, 1 no change."""
    mean = (luma(clip).double().mean((1, 2, 3), keepdim=True) + 0.5).floor()
    return blend(mean, clip, factor)


def brightness(clip: Clip, factor: float) -> Clip:
    """0 is black, 1 no change."""
    return blend(torch.zeros(1), clip, factor)


def sharpness(clip: Clip, factor: float) -> Clip:
    """0 is blurred over 3x3 pixels, 1 no change, 2 as much sharper; the outermost pixels stay."""
    whole = clip.float()
    across = whole[..., :-2] + whole[..., 1:-1] + whole[..., 2:]
    total = across[..., :-2, :] + across[..., 1:-1, :] + across[..., 2:, :] + 4 * whole[..., 1:-1, 1:-1]
    soft = whole.clone()
    soft[..., 1:-1, 1:-1] = (total / 13).round_()
    return blend(soft, clip, factor)


# Changes of place.


def warp(clip: Clip, matrix: tuple[float, ...], fill: int = GREY, taps: int = CUBIC) -> Clip:
    """Take every pixel from elsewhere: ``Image.transform(size, AFFINE, matrix)``.

    Args:
        clip: the pictures.
        matrix: (a, b, c, d, e, f): output (x, y) comes from (a x + b y + c, d x + e y + f), in pixels whose centres
            are halves.
        fill: level of what comes from outside.
        taps: ``CUBIC``, with Pillow's coefficient of -1, or ``LINEAR``.
    """
    h, w = clip.shape[-2:]
    a, b, c, d, e, f = matrix
    y, x = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
    source_x, source_y = (a * x + b * y + c).flatten(), (d * x + e * y + f).flatten()
    columns, by_column = _neighbours(source_x, w, taps)
    rows, by_row = _neighbours(source_y, h, taps)
    places = (rows[:, :, None] * w + columns[:, None, :]).flatten(1)
    weights = (by_row[:, :, None] * by_column[:, None, :]).flatten(1)
    # One row a pixel, with that pixel of all frames and channels: the same weights hold for all of them.
    table = clip.flatten(2).flatten(0, 1).t().contiguous().float()
    found = F.embedding_bag(places, table, mode="sum", per_sample_weights=weights)
    inside = (source_x >= 0) & (source_x < w) & (source_y >= 0) & (source_y < h)
    # Pillow drops the fraction; sums that are whole but for rounding must not lose a level by it.
    found.add_(1e-3).clamp_(0, 255)[~inside] = fill
    return found.to(torch.uint8).t().contiguous().view(clip.shape)


def _neighbours(source: Float[Tensor, " n"], side: int, taps: int) -> tuple[Int[Tensor, "n k"], Float[Tensor, "n k"]]:
    place = source - 0.5
    first = place.floor()
    d = place - first
    if taps == LINEAR:
        weights = torch.stack([1 - d, d], 1)
    else:
        weights = torch.stack(
            [-d + 2 * d**2 - d**3, 1 - 2 * d**2 + d**3, d + d**2 - d**3, -(d**2) + d**3],
            1,
        )
    offsets = torch.arange(taps, dtype=torch.int32) - (taps // 2 - 1)
    return (first.int()[:, None] + offsets).clamp_(0, side - 1), weights


def rotate(clip: Clip, degrees: float) -> Clip:
    """Turn about the centre, counter-clockwise."""
    h, w = clip.shape[-2:]
    cos, sin = math.cos(math.radians(degrees)), -math.sin(math.radians(degrees))
    x, y = w / 2, h / 2
    return warp(clip, (cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y))


def shear_x(clip: Clip, factor: float) -> Clip:
    """Shift each row by ``factor`` times its y."""
    return warp(clip, (1, factor, 0, 0, 1, 0))


def shear_y(clip: Clip, factor: float) -> Clip:
    """Shift each column by ``factor`` times its x."""
    return warp(clip, (1, 0, 0, factor, 1, 0))


def translate_x(clip: Clip, share: float) -> Clip:
    """Shift to the left by a share of the width."""
    return warp(clip, (1, 0, share * clip.shape[-1], 0, 1, 0))


def translate_y(clip: Clip, share: float) -> Clip:
    """Shift upwards by a share of the height."""
    return warp(clip, (1, 0, 0, 0, 1, share * clip.shape[-2]))


_FURTHEST = {"rotate": 30.0, "shear_x": 0.3, "shear_y": 0.3, "translate_x": 0.45, "translate_y": 0.45}

OPERATIONS: dict[str, Callable[[Clip, float], Clip]] = {
    "autocontrast": autocontrast,
    "equalize": equalize,
    "invert": invert,
    "rotate": rotate,
    "posterize": posterize,
    "solarize": solarize,
    "solarize_add": solarize_add,
    "colour": colour,
    "contrast": contrast,
    "brightness": brightness,
    "sharpness": sharpness,
    "shear_x": shear_x,
    "shear_y": shear_y,
    "translate_x": translate_x,
    "translate_y": translate_y,
}
"""The changes, each drawn equally often."""
