"""Arrays of every layout a picture comes in, to the one layout mien uses: upright RGB, uint8, (h, w, 3)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from jaxtyping import Shaped, UInt8

from mien.core.errors import SourceError
from mien.media.source import Shot, Source, SourceInfo

DEFAULT_FRAME_RATE = 25.0
"""Frames per second of pictures that carry no clock (a sequence, an array) when the caller does not say."""


def over_white(rgb: UInt8[np.ndarray, "h w 3"], alpha: UInt8[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """A transparent picture laid on white paper: what viewers and browsers show, and what cut-out portraits expect."""
    answer = np.empty(rgb.shape, np.uint8)
    # In strips of about a megabyte: the numbers in between would take ten times the room of a large picture.
    step = max(1, (1 << 18) // max(rgb.shape[1], 1))
    for top in range(0, rgb.shape[0], step):
        weight = alpha[top : top + step, :, None].astype(np.uint16)
        answer[top : top + step] = (rgb[top : top + step] * weight + 255 * (255 - weight) + 127) // 255
    return answer


def to_rgb(image: Shaped[np.ndarray, "*shape"], name: str) -> UInt8[np.ndarray, "h w 3"]:
    """One picture as RGB uint8 in memory of its own.

    Args:
        image: uint8 or uint16, (h, w) grey or (h, w, c) with c = 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
            Transparency is laid on white; 16 bits are scaled to 8.
        name: what to call it in an error.

    Raises:
        SourceError: another number type or layout, or no pixels.
    """
    if image.dtype not in (np.uint8, np.uint16):
        fix = "scale it to 0..255 and convert it with .astype(numpy.uint8)"
        raise SourceError("8 or 16 bit whole numbers for pixels", f"{image.dtype} in {name}", fix)
    planes = image[..., None] if image.ndim == 2 else image
    if planes.ndim != 3 or planes.shape[2] not in (1, 2, 3, 4) or 0 in planes.shape:
        fix = "put the colours last and use 1 to 4 of them"
        raise SourceError("a picture of shape (h, w) or (h, w, colours)", f"{image.shape} in {name}", fix)
    if planes.dtype == np.uint16:
        planes = np.round(planes / 257.0).astype(np.uint8)
    colours = 3 if planes.shape[2] > 2 else 1
    rgb = np.broadcast_to(planes[..., :colours], (*planes.shape[:2], 3))
    return rgb.copy() if planes.shape[2] in (1, 3) else over_white(rgb, planes[..., -1])


def open_array(array: Shaped[np.ndarray, "*shape"], frame_rate: float | None = None) -> Source:
    """Frames of a NumPy array.

    Args:
        array: (h, w) or (h, w, 3 or 4), one picture; (t, h, w) grey or (t, h, w, 1 to 4), t pictures; uint8 or uint16.
        frame_rate: pictures per second, :data:`DEFAULT_FRAME_RATE` by default.

    Raises:
        SourceError: another number type or layout, or no pixels.
    """
    single = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    pictures = array[None] if single else array
    if pictures.ndim not in (3, 4) or not len(pictures):
        fix = "pass (h, w, 3) for one picture or (t, h, w, 3) for many"
        raise SourceError("an array of one or more pictures", f"shape {array.shape}", fix)
    height, width = to_rgb(pictures[0], "the array").shape[:2]
    rate = frame_rate or DEFAULT_FRAME_RATE
    count = len(pictures)
    info = SourceInfo("array", "array", width, height, count / rate, rate, count)

    def shots() -> Iterator[Shot]:
        for number, picture in enumerate(pictures):
            yield Shot(number / rate, partial(to_rgb, picture, "the array"))

    return Source(info, shots())
