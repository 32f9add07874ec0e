"""A face seen through a display, by a camera under it: blurred, streaked, tinted, hazy, noisy.

What LRDif ("LRDif: Diffusion Models for Under-Display Camera Emotion Recognition", arXiv 2402.00250) reads expressions
under. Its code and its display model are not public; this is a model of our own of what such a display does:

    y = clip(g_c ((x * K_c) light exposure + haze) + n),   n = (read + shot y) N(0, 1)

for every colour c, * a convolution. K_c is a narrow bell, of another width for each colour, and a cross of four arms
that fade, as the wires of a display bend light; it sums to 1. Restoring the picture first is not done here: what a
network paints in was not seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from jaxtyping import Float64

from mien.data.covers import Clip, Corruption

WIDTHS, GAINS = (1.0, 0.9, 1.1), (0.95, 0.9, 0.8)
"""Of red, green and blue: the bell against its usual width, and how much light comes through."""
LIGHT, EXPOSURE, FADES = 0.5, 1.8, 0.1
"""Share of the light that passes, what the camera multiplies it with, and where an arm has fallen to 1/e, a share of
the side."""
ARM = 3.0
"""How far arms reach, in that length."""


@dataclass(frozen=True)
class Display:
    """How bad one is.

    Attributes:
        bell: standard deviation of the bell, a share of the side.
        streaks: share of the light in the cross.
        haze: light that comes from nowhere, a share of white.
        read: noise in the dark, a share of white.
        shot: more of it in white.
        tint: how much of each colour is lost, times what :data:`GAINS` say.
    """

    bell: float
    streaks: float
    haze: float
    read: float
    shot: float
    tint: float = 1.0


STRENGTHS = {
    "weak": Display(0.005, 0.2, 0.03, 0.01, 0.01, 0.5),
    "middle": Display(0.008, 0.35, 0.05, 0.02, 0.015, 1.0),
    "strong": Display(0.012, 0.5, 0.08, 0.03, 0.02, 2.0),
}


def kernel(display: Display, colour: int, side: int) -> Float64[np.ndarray, "k k"]:
    """K of a colour (0 red, 1 green, 2 blue) for crops of ``side`` pixels; sums to 1, k is odd."""
    reach = max(1, round(ARM * FADES * side))
    away = np.arange(-reach, reach + 1)
    sigma = max(display.bell * WIDTHS[colour] * side, 1e-3)
    bell = np.exp(-(away**2) / (2 * sigma**2))
    arm = np.exp(-np.abs(away) / (FADES * side))
    cross = np.zeros((len(away), len(away)))
    cross[reach] += arm
    cross[:, reach] += arm
    bells = np.outer(bell, bell)
    bells, cross = bells / bells.sum(), cross / cross.sum()
    mixed: Float64[np.ndarray, "k k"] = (1 - display.streaks) * bells + display.streaks * cross
    return mixed


def through_display(clip: Clip, seed: int, *, display: Display) -> Clip:
    """The crops as a camera under the display sees them.

    Args:
        clip: aligned crops.
        seed: of the noise.
        display: how bad it is.
    """
    side, rng = clip.shape[-1], np.random.default_rng(seed)
    kernels = [kernel(display, colour, side) for colour in range(3)]
    seen = np.empty(clip.shape)
    for frame, image in zip(seen, clip / 255, strict=True):
        for colour, plane in enumerate(image):
            lit = cv2.filter2D(plane, cv2.CV_64F, kernels[colour], borderType=cv2.BORDER_REPLICATE)
            gain = 1 - display.tint * (1 - GAINS[colour])
            frame[colour] = gain * (lit * LIGHT * EXPOSURE + display.haze)
    noisy = seen + (display.read + display.shot * seen) * rng.normal(size=seen.shape)
    found: Clip = (noisy * 255).round().clip(0, 255).astype(np.uint8)
    return found


def displays() -> Mapping[str, Corruption]:
    """Every strength, by the name that tables give it."""
    return {
        f"under a display, {name}": partial(through_display, display=display) for name, display in STRENGTHS.items()
    }
