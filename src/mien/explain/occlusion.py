"""Occlusion sensitivity (Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", arXiv 1311.2901).

A square of the clip's mean colour slides over the face; a place is worth what the label's probability loses while the
square is centred there (bilinear between the centres tried). The square hides the same place in all frames at once: the
crops are aligned, so it is the same part of the face, and a part that is hidden in one frame only would be made up for
by the others. So the map is the same for every frame. It depends on the label, as Grad-CAM does. A gain in
probability counts as 0.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8

from mien.core.errors import ConfigError
from mien.explain.base import Method

if TYPE_CHECKING:
    from mien.models.zoo import LoadedModel

FRAMES_A_CALL = 64


class Occlusion(Method):
    """What the label loses while a place is hidden.

    Args:
        patch: side of the square, as a share of the crop's; in (0, 1).
        step: from one square to the next, as a share of the crop's side; in (0, patch].

    Raises:
        ConfigError: one of them out of range.
    """

    name = "occlusion"
    title = "occlusion\nsensitivity"
    unit = "probability lost"

    def __init__(self, patch: float = 0.2, step: float = 0.1) -> None:
        if not 0 < step <= patch < 1:
            raise ConfigError("0 < step <= patch < 1", f"step {step}, patch {patch}", "take 0.1 and 0.2")
        self.patch, self.step = patch, step

    def places(
        self, model: LoadedModel, images: UInt8[np.ndarray, "t 3 s s"], label: int
    ) -> Float[np.ndarray, "t s s"]:
        """What is lost, and 0 where the answer gains."""
        frames, side = len(images), images.shape[-1]
        whole = float(model.probabilities(images[None])[0, label])
        corners, size = self.corners(side), side_of(self.patch, side)
        squares, batch = list(product(corners, corners)), max(1, FRAMES_A_CALL // frames)
        kept: list[float] = []
        for begin in range(0, len(squares), batch):
            hidden = np.stack([hide(images, *square, size) for square in squares[begin : begin + batch]])
            kept += model.probabilities(hidden)[:, label].tolist()
        lost = np.maximum(whole - np.array(kept).reshape(len(corners), len(corners)), 0)
        spread = between(np.array(corners) + (size - 1) / 2, side)
        return np.broadcast_to(spread @ lost @ spread.T, (frames, side, side))

    def corners(self, side: int) -> list[int]:
        """Where the squares begin along a side, in pixels; the last one ends with the crop."""
        last = side - side_of(self.patch, side)
        count = max(1, -(-last // side_of(self.step, side)))
        return sorted({round(place) for place in np.linspace(0, last, count + 1)})


def between(centres: Float[np.ndarray, " g"], side: int) -> Float[np.ndarray, "s g"]:
    """How much of every centre's value a pixel takes: linear between two of them, the nearest one's outside."""
    return np.stack([np.interp(np.arange(side), centres, one) for one in np.eye(len(centres))], axis=1)


def side_of(share: float, side: int) -> int:
    """A share of ``side`` in whole pixels, at least 1."""
    return max(1, round(share * side))


def hide(images: UInt8[np.ndarray, "t 3 s s"], top: int, left: int, size: int) -> UInt8[np.ndarray, "t 3 s s"]:
    """The clip with a square of its mean colour in every frame."""
    hidden = images.copy()
    colour = images.mean(axis=(0, 2, 3)).round().astype(np.uint8)
    hidden[:, :, top : top + size, left : left + size] = colour[:, None, None]
    return hidden
