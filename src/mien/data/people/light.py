"""Light on a head: the surroundings from above and below, and one to three lamps of which two cast shadows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from mien.data.people import photons
from mien.data.people.regions import Mask, map_of

Generator = np.random.Generator
Vector = Float32[np.ndarray, "3"]
Points = Float32[np.ndarray, "n 3"]

SHADOW_SIDE = 80
WARM, COLD = np.array([1.25, 1.0, 0.7], np.float32), np.array([0.85, 1.0, 1.2], np.float32)


@dataclass(frozen=True, eq=False)
class Lamp:
    """A far lamp.

    Attributes:
        way: unit vector towards it, in the camera's axes.
        colour: power of red, green and blue.
        wrap: 0 for a point, up to 0.5 for a wide, soft one.
        shadows: whether it casts them.
    """

    way: Vector
    colour: Vector
    wrap: float
    shadows: bool


@dataclass(frozen=True, eq=False)
class Lighting:
    """All light of a clip.

    Attributes:
        above, below: of the surroundings.
        lamps: strongest first.
        level: exposure: the brightness of white skin in this light, 0 to 1.
    """

    above: Vector
    below: Vector
    lamps: tuple[Lamp, ...]
    level: float


def draw_lighting(rng: Generator) -> Lighting:
    """From soft daylight to a single lamp at the side."""
    hue = WARM + (COLD - WARM) * np.float32(rng.uniform(0.2, 0.9))
    ambient = float(rng.uniform(0.12, 0.8))
    above = ambient * hue * (1 + 0.04 * rng.standard_normal(3))
    below = above * rng.uniform(0.25, 0.9) * (1 + 0.06 * rng.standard_normal(3))
    lamps = []
    for number in range(rng.integers(1, 4)):
        way = np.array([rng.normal(0, 0.75), rng.normal(0.55, 0.45), rng.uniform(0.3, 1.2)])
        power = rng.uniform(0.45, 1.0) if number == 0 else rng.uniform(0.1, 0.6)
        tint = WARM + (COLD - WARM) * np.float32(rng.uniform(0.1, 1.0))
        if rng.random() < 0.04:
            tint = rng.uniform(0.2, 1.4, 3)
        colour = (power * tint).astype(np.float32)
        unit = (way / np.linalg.norm(way)).astype(np.float32)
        lamps.append(Lamp(unit, colour, float(rng.uniform(0.0, 0.5)), number < 2))
    lamps.sort(key=lambda lamp: -float(lamp.colour.sum()))
    level = math.exp(rng.uniform(math.log(0.32), math.log(0.85)))
    return Lighting(above.astype(np.float32), below.astype(np.float32), tuple(lamps), level)


def light(
    points: Points,
    normal: Points,
    albedo: Points,
    gloss: Mask,
    reached: Mask,
    casting: int,
    lighting: Lighting,
) -> Points:
    """What leaves every vertex towards the camera; points and normals in the camera's axes.

    The first ``casting`` points cast shadows.
    """
    shares = np.ones((len(lighting.lamps), len(points)), np.float32)
    table = np.empty((len(lighting.lamps), 7), np.float32)
    for share, row, lamp in zip(shares, table, lighting.lamps, strict=True):
        row[:] = [*lamp.way, *lamp.colour, lamp.wrap]
        if lamp.shadows:
            frame, facing = map_of(lamp.way, SHADOW_SIDE), normal @ lamp.way + np.float32(lamp.wrap)
            share[:] = photons.shadowed(points, casting, facing, frame, SHADOW_SIDE, 0.5, 0.5 + 2.5 * lamp.wrap)
    return photons.leaving(normal, albedo, gloss, reached, lighting.above, lighting.below, table, shares)


def exposure(lighting: Lighting, tone_reflectance: float) -> float:
    """The factor that brings light to the sensor's range: for the scene, and in part for the face's own tone."""
    arriving = float(lighting.above.mean() + lighting.below.mean()) / 2
    for lamp in lighting.lamps:
        arriving += float(lamp.colour.sum()) / 3 * max(0.2, float(lamp.way[2]) * 0.85)
    return float(lighting.level / max(arriving, 0.05) * (0.45 / max(tone_reflectance, 0.02)) ** 0.65)


def brightness(lighting: Lighting) -> float:
    """Light that arrives at a thing in front of the face, before exposure."""
    return 0.6 * sum(float(lamp.colour.mean()) for lamp in lighting.lamps) + 0.7 * float(lighting.above.mean())
