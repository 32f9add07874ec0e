"""What stands behind a head: a room out of focus, and long hair and shoulders."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32

Generator = np.random.Generator
Linear = Float32[np.ndarray, "h w 3"]

GREY_ROOM = 0.4
"""Share of backgrounds without much colour."""


def draw_background(side: int, rng: Generator) -> Linear:
    """A picture of no place: large soft patches, some lines and discs, blurred more or less."""
    cells = tuple(int(n) for n in rng.integers(1, 7, 2))
    patches = rng.uniform(0, 1, (*cells, 3)).astype(np.float32)
    grey = patches.mean(-1, keepdims=True)
    patches = grey + (patches - grey) * (0.15 if rng.random() < GREY_ROOM else rng.uniform(0.2, 1.0))
    patches = patches * rng.uniform(0.05, 0.8) + rng.choice([-0.3, 0.0, 0.25, 0.8])
    smooth = cv2.INTER_CUBIC if rng.random() < 0.7 else cv2.INTER_NEAREST
    full, side = side, side // 3  # nothing in it is sharp
    room = cv2.resize(patches, (side, side), interpolation=smooth)
    for _ in range(rng.integers(0, 6)):
        colour = tuple(float(v) for v in np.clip(rng.uniform(0, 1) + rng.normal(0, 0.15, 3), 0, 1))
        x0, y0, x1, y1 = (int(v) for v in rng.integers(-side // 2, side + side // 2, 4))
        if rng.random() < 0.5:
            cv2.line(room, (x0, y0), (x1, y1), colour, int(rng.integers(1, max(2, side // 6))))
        else:
            cv2.ellipse(room, (x0, y0), (abs(x1) // 3 + 2, abs(y1) // 3 + 2), 0, 0, 360, colour, -1)
    blur = float(rng.uniform(0.004, 0.05)) * side
    small = max(8, int(side / max(blur, 1)))
    room = cv2.resize(room, (small, small), interpolation=cv2.INTER_AREA)
    return np.asarray(np.clip(cv2.resize(room, (full, full), interpolation=cv2.INTER_LINEAR), 0, 1), np.float32)


def hang_hair(
    image: Linear, middle: Float32[np.ndarray, 2], unit: float, colour: Float32[np.ndarray, 3], rng: Generator
) -> None:
    """Long hair behind a head.

    Args:
        image: is painted over.
        middle: of the head, pixels.
        unit: pixels a centimetre.
        colour: of the hair in this light.
        rng: draws its outline, and is to be in the same state for every frame of a clip.
    """
    side = len(image)
    wide, high = unit * rng.uniform(8.5, 12), unit * rng.uniform(11, 22)
    mask = np.zeros((side, side), np.uint8)
    centre = (int(middle[0]), int(middle[1] + 0.35 * high))
    cv2.ellipse(mask, centre, (int(wide), int(high)), 0, 0, 360, 1, -1)
    strands = rng.uniform(0.75, 1.15, (6, max(8, side // 3))).astype(np.float32)
    factor = cv2.resize(strands, (side, side), interpolation=cv2.INTER_LINEAR)
    cv2.copyTo(factor[..., None] * np.asarray(colour, np.float32), mask, image)
