"""What a person looks like: drawn once, painted once, the same in all their pictures.

Everything is reflectance of red, green and blue in linear light, painted a vertex. Tones go from very light to very
dark evenly; features are drawn independently of each other and of the tone but for hair, which is never lighter than
the skin by much. No claim is made that any group of people looks like this.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from mien.data.people import kernels
from mien.data.people.hair import Hair, draw_hair, over, paint_beard, paint_cap
from mien.data.people.model import BALLS, MOUTH, TEETH, MorphableHead
from mien.data.people.regions import Mask, Regions, ramp, speckle

Generator = np.random.Generator
Colour = Float32[np.ndarray, "3"]
Colours = Float32[np.ndarray, "s 3"]

LIGHTEST = np.array([0.80, 0.56, 0.45], np.float32)
MELANIN = np.array([1.0, 1.22, 1.45], np.float32)
"""How much faster green and blue darken than red, chosen by eye."""
BLOOD = np.array([0.15, 1.0, 0.8], np.float32)
DARKEST = 1.9
GUMS, INSIDE = np.array([0.3, 0.09, 0.09], np.float32), np.array([0.12, 0.03, 0.03], np.float32)
ENAMEL, WHITE = np.array([0.66, 0.60, 0.50], np.float32), np.array([0.46, 0.41, 0.385], np.float32)
IRISES = np.array([[0.22, 0.38, 0.6], [0.25, 0.4, 0.22], [0.38, 0.42, 0.45]], np.float32)
BROWN = np.array([0.30, 0.15, 0.07], np.float32)
CUT = 2.2
"""Standard deviations at which a direction of identity is cut: beyond, heads began to look like nobody."""


@dataclass(frozen=True, eq=False)
class Iris:
    """Of both eyes.

    Attributes:
        colour, rim: as factors of the white's reflectance.
        radius: as an angle from the ball's centre, radians.
        pupil: its radius as a share of that.
    """

    colour: Colour
    rim: Colour
    radius: float
    pupil: float


@dataclass(frozen=True, eq=False)
class Person:
    """A person at rest.

    Attributes:
        shape: vertices.
        albedo: reflectance a vertex.
        gloss: share of light that is mirrored, a vertex.
        extra: hair and its strands, as :func:`mien.data.people.kernels.shade` takes them.
        lines: how deep folds go, 0 to 1.
        tone: of the skin, 0 light to 1 dark.
        hair, iris: theirs.
        lashes: how dark, 0 to 1.
        glasses: whether they are worn in all pictures.
    """

    shape: Float32[np.ndarray, "n 3"]
    albedo: Float32[np.ndarray, "n 3"]
    gloss: Float32[np.ndarray, " n"]
    extra: Float32[np.ndarray, "n 3"]
    lines: Float32[np.ndarray, " c"]
    tone: float
    hair: Hair
    iris: Iris
    lashes: float
    glasses: bool


class Painter:
    """Makes people of one model.

    Args:
        head: the model.
        regions: its.
    """

    def __init__(self, head: MorphableHead, regions: Regions) -> None:
        self.head, self.regions = head, regions
        self.inside = [head.vertices(part) for part in (MOUTH, TEETH)] + [head.vertices(*BALLS)]

    def person(self, rng: Generator) -> Person:
        """Someone whom ``rng`` picks."""
        head, regions = self.head, self.regions
        weights = rng.normal(0, rng.uniform(0.7, 1.0), len(head.identity))
        shape = kernels.blend(head.neutral, head.identity, np.clip(weights, -CUT, CUT).astype(np.float32))
        tone = float(rng.random())
        colours, shine = _skin(regions, tone, rng)
        hair = draw_hair(tone, rng)
        grain = _brows(colours, regions, hair, tone, rng)
        _lids(colours, regions, rng)
        mouth = float(head.neutral[head.landmarks[48:60], 1].mean())
        grain = np.maximum(grain, paint_beard(colours, mouth, regions, hair, rng))
        cap, lift = paint_cap(colours, regions, hair, rng)
        shape[: head.skin] += regions.normal * lift[:, None]
        over(colours, INSIDE, regions.inner)
        albedo, gloss = np.zeros_like(shape), np.full(len(shape), 0.05, np.float32)
        albedo[: head.skin] = np.clip(colours, 0.004, 0.95)
        gloss[: head.skin] = shine * (1 - 0.7 * cap)
        for part, colour in zip(self.inside, (GUMS, ENAMEL, WHITE), strict=True):
            albedo[part] = colour * np.float32(rng.uniform(0.7, 1.12))
        extra = np.zeros_like(shape)
        extra[: head.skin, 0] = np.maximum(grain, cap) * (1 - 0.6 * min(float(hair.colour.mean()) / 0.4, 1.0))
        extra[: head.skin, 1] = 400 + regions.around * 9
        extra[: head.skin, 2] = 40 + regions.crown * 1.1
        lines = rng.uniform(0.25, 1.0) * rng.uniform(0.6, 1.0, len(regions.creases))
        lashes, glasses = float(rng.uniform(0.15, 0.9)), bool(rng.random() < 0.16)
        return Person(shape, albedo, gloss, extra, lines.astype(np.float32), tone, hair, _iris(rng), lashes, glasses)


def skin_colour(tone: float, blood: float = 0.0) -> Colour:
    """Reflectance of skin of a tone from 0 (light) to 1 (dark) with more or less blood under it."""
    return np.asarray(LIGHTEST * np.exp(-DARKEST * tone * MELANIN - blood * BLOOD), np.float32)


def _skin(regions: Regions, tone: float, rng: Generator) -> tuple[Colours, Mask]:
    """Skin with blood in cheeks, nose and lips, darker rings, freckles; and how much it shines."""
    x, y = regions.rest[:, 0], regions.rest[:, 1]
    cheeks = np.exp(-(((np.abs(x) - 4) / 2) ** 2) - ((y + 4) / 2) ** 2) * regions.front
    nose = np.exp(-((x / 1.3) ** 2) - ((y + 3.3) / 1.5) ** 2) * regions.front
    flush = rng.uniform(0, 0.35) * (1 - 0.6 * tone)
    blood = rng.uniform(0.0, 0.12) + np.float32(0.04) * speckle(regions, 3.0, rng)
    blood += np.float32(flush) * cheeks + np.float32(flush * rng.random()) * nose
    painted = rng.random() < 0.2
    lips = rng.uniform(0.5, 1.1) if painted else rng.uniform(0.1, 0.5)
    shadow = rng.uniform(0.3, 0.9) if painted and rng.random() < 0.4 else rng.uniform(0.0, 0.25)
    blood += np.float32(lips) * regions.lips
    dark = np.float32(0.06) * speckle(regions, 3.0, rng) + np.float32(0.03) * speckle(regions, 0.8, rng)
    dark += np.float32(shadow) * regions.lips
    dark += np.float32(rng.uniform(0, 0.3)) * np.exp(-np.square(regions.lid_distance / np.float32(1.1)))
    if rng.random() < 0.15:
        dark += np.float32(rng.uniform(0.1, 0.4)) * np.clip(speckle(regions, 0.3, rng) - 1.2, 0, 1) * (cheeks + nose)
    dark += np.float32(rng.uniform(0, 0.06)) * rng.standard_normal(len(x), np.float32)
    colour = skin_colour(tone) * np.exp(-np.clip(blood, -0.1, 2)[:, None] * BLOOD - dark[:, None])
    gloss = (rng.uniform(0.02, 0.12) * (0.5 + 0.5 * nose + 0.5 * (y > 2.5))).astype(np.float32)
    if painted:
        gloss += np.float32(0.06) * regions.lips
    return np.asarray(colour, np.float32), np.asarray(gloss, np.float32)


def _brows(colours: Colours, regions: Regions, hair: Hair, tone: float, rng: Generator) -> Mask:
    """Paint the brows; answers how much hair is there."""
    thick, strength = rng.uniform(0.3, 0.62), rng.uniform(0.45, 1.0)
    width = np.float32(thick) * (0.45 + 0.55 * ramp(regions.brow_place, 0, 0.5))
    cover = np.float32(strength) * (1 - ramp(regions.brow_distance / width, 0.45, 1.25))
    cover *= 1 - 0.3 * ramp(regions.brow_place, 0.85, 1.0)
    over(colours, np.minimum(hair.brow, 0.55 * skin_colour(tone)), cover)
    return np.asarray(0.5 * cover, np.float32)


def _lids(colours: Colours, regions: Regions, rng: Generator) -> None:
    """Lash lines, and shadow on the lids of some."""
    liner, black = np.float32(rng.uniform(0.2, 0.85)), np.full(3, 0.03, np.float32)
    over(colours, black, liner * np.exp(-np.square(regions.upper_distance / np.float32(0.15))))
    over(colours, black, np.float32(0.45) * liner * np.exp(-np.square(regions.lid_distance / np.float32(0.1))))
    if rng.random() < 0.12:
        shade, share = rng.uniform(0.02, 0.3, 3).astype(np.float32), np.float32(rng.uniform(0.1, 0.5))
        over(colours, shade, share * np.exp(-np.square(regions.upper_distance / np.float32(0.6))))


def _iris(rng: Generator) -> Iris:
    """Brown in all depths, and blue, green and grey."""
    if rng.random() < 0.65:
        colour = BROWN * np.float32(rng.uniform(0.15, 1.1))
    else:
        colour = IRISES[rng.integers(len(IRISES))] * np.float32(rng.uniform(0.3, 0.75))
    rim = colour * np.float32(rng.uniform(0.2, 0.6))
    return Iris(colour, rim, float(rng.uniform(0.44, 0.52)), float(rng.uniform(0.3, 0.55)))
