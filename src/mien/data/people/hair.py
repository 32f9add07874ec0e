"""Hair on the head, beards and brows: colour, cut, and how they cover the skin."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from mien.data.people.regions import Mask, Regions, ramp

Generator = np.random.Generator
Colour = Float32[np.ndarray, "3"]
Colours = Float32[np.ndarray, "s 3"]

BLACK, BROWN, BLOND, RED, GREY = (
    np.array(colour, np.float32)
    for colour in ((0.012, 0.01, 0.009), (0.09, 0.05, 0.03), (0.42, 0.28, 0.14), (0.25, 0.08, 0.03), (0.4, 0.4, 0.4))
)
BARE = 0.1
"""Share of people with little or no hair on the top."""


@dataclass(frozen=True, eq=False)
class Hair:
    """Hair of a person.

    Attributes:
        colour: reflectance.
        brow: reflectance of the brows, mostly darker.
        line: centimetres from the eyes up to where it begins.
        side: how far it comes forward at the temples, centimetres behind the eyes.
        low: how far down it reaches on the sides, centimetres from the eyes.
        bare: share of the top that it leaves free.
        thick: how far it stands off, centimetres.
        long: falls beside and behind the head.
        fringe: centimetres that strands reach down over the forehead; 0: none.
    """

    colour: Colour
    brow: Colour
    line: float
    side: float
    low: float
    bare: float
    thick: float
    long: bool
    fringe: float


def draw_hair(tone: float, rng: Generator) -> Hair:
    """Some hair; dark on dark skin unless it is grey or dyed."""
    pick = rng.random()
    if pick < 0.14:
        colour = BLACK + (GREY - BLACK) * rng.uniform(0.3, 1.2)
    elif pick < 0.17:
        colour = rng.uniform(0.02, 0.3, 3).astype(np.float32)
    else:
        light = rng.random() ** 1.3 * max(0.0, 1 - 1.5 * tone)
        end = RED if rng.random() < 0.12 else BLOND
        colour = BLACK + (BROWN - BLACK) * min(2 * light, 1.0) + (end - BROWN) * max(2 * light - 1, 0.0)
    colour = np.asarray(colour * math.exp(rng.normal(0, 0.2)), np.float32)
    long = bool(rng.random() < 0.45)
    return Hair(
        colour=colour,
        brow=np.asarray(colour * rng.uniform(0.4, 1.0), np.float32),
        line=float(rng.uniform(5.4, 8.0)),
        side=float(rng.uniform(5.0, 8.6)),
        low=float(rng.uniform(-9, -4) if long else rng.uniform(-4, 0.5)),
        bare=float(rng.uniform(0.6, 1.0)) if rng.random() < BARE else 0.0,
        thick=float(rng.uniform(0.1, 1.3)),
        long=long,
        fringe=float(rng.uniform(1.0, 4.2)) if rng.random() < 0.2 else 0.0,
    )


def over(colours: Colours, colour: Colour, cover: Mask) -> None:
    """Paint ``colour`` over a share ``cover`` of each vertex."""
    touched = np.flatnonzero(cover > 0.004)
    part = colours[touched]
    colours[touched] = part + cover[touched, None] * (colour - part)


def paint_cap(colours: Colours, regions: Regions, hair: Hair, rng: Generator) -> tuple[Mask, Mask]:
    """Paint the hair of the head; answers how much hair is where, and how far it stands off the skin."""
    x, y, z = regions.rest.T
    around = regions.around
    ragged = np.float32(0.35 * rng.random()) * np.sin(
        around * np.float32(rng.uniform(1.5, 4)) + np.float32(rng.uniform(0, 6))
    )
    ragged += np.float32(0.25 * rng.random()) * np.sin(around * np.float32(rng.uniform(5, 12)))
    line = np.float32(hair.line) - np.float32(0.045 * rng.uniform(0.2, 1.3)) * x * x + ragged
    line += np.float32(rng.normal(0, 0.2)) * x  # combed to one side
    if hair.fringe:
        line -= np.float32(hair.fringe) * np.exp(-((x / np.float32(rng.uniform(3.5, 7))) ** 4))
    top = ramp(y - line, -0.15, 0.45) * (y > 2.5)
    back = -z - np.float32(hair.side) + np.float32(0.25) * np.clip(-y, 0, 3) + np.float32(0.5) * ragged
    behind = ramp(back, -0.3, 0.5) * ramp(y, hair.low - 0.6, hair.low)
    if not (hair.long and hair.side < 6.5):
        behind *= 1 - regions.ears
    cover = np.maximum(top, behind) * (1 - np.float32(hair.bare) * ramp(y, 2.0, 5.0))
    cover *= 1 - ramp(-y, 11.0, 13.0)
    over(colours, hair.colour, cover)
    wavy = 1 + np.float32(0.25) * np.sin(around * np.float32(0.8) + np.float32(rng.uniform(0, 6)))
    inner = np.maximum(ramp(y - line, 0.0, 2.5) * (y > 2.5), behind)
    lift = cover * inner * np.float32(hair.thick) * (1 - 0.6 * ramp(-y, -2.0, 6.0)) * wavy * (1 - regions.ears)
    return np.asarray(cover, np.float32), np.asarray(np.clip(lift, 0, 3), np.float32)


def paint_beard(colours: Colours, mouth: float, regions: Regions, hair: Hair, rng: Generator) -> Mask:
    """Paint a beard, a moustache, stubble, or nothing; answers how much hair is there.

    Args:
        colours: of the skin; painted over.
        mouth: its height.
        regions: where what is.
        hair: whose colour it has.
        rng: draws it.
    """
    if rng.random() > 0.28:
        return np.zeros(len(colours), np.float32)
    x, y = np.abs(regions.rest[:, 0]), regions.rest[:, 1] - np.float32(mouth)
    kind = rng.integers(3)
    beard = np.zeros(len(colours), np.float32)
    if kind:
        beard = ramp(-y - 0.06 * np.clip(7.5 - x, 0, None) ** 2 + 1.6, -0.5, 2.2) * (y < 3.2)
    if kind == 2:
        beard = beard * (1 - ramp(x, 2.2, 3.8))
    if rng.random() < 0.8:
        beard = np.maximum(beard, np.exp(-((x / 2.6) ** 4) - ((y - 1.35 + 0.09 * x * x) / 0.5) ** 2))
    beard = beard * (regions.rest[:, 2] > -10.3) * (y > -7) * (1 - regions.ears) * (1 - regions.lips)
    dense = rng.uniform(0.15, 0.45) if rng.random() < 0.5 else rng.uniform(0.6, 0.97)
    cover = np.float32(dense) * beard * rng.uniform(0.6, 1.0, len(beard)).astype(np.float32)
    over(colours, np.minimum(hair.colour, 0.6 * np.median(colours, 0)), cover)
    return np.asarray(0.7 * cover, np.float32)
