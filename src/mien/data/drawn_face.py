"""Faces drawn by formula: ellipses, strokes and light, no photograph and nobody's face.

A :class:`Person` is what stays in a clip, an :class:`Expression` what the face shows, a :class:`Pose` where the head
is. Coordinates are shares of the head's half width, from the middle of the face, x to the right and
y down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, UInt8

Values = Float64[np.ndarray, " t"]
Plane = Float32[np.ndarray, "t h w"]
Column = Float32[np.ndarray, "t 1 1"]
Colour = Float64[np.ndarray, " 3"]


@dataclass(frozen=True)
class Expression:
    """What a face shows in each of t frames; 0 is at rest.

    Attributes:
        smile: -1 (corners of the mouth down) to 1 (up).
        mouth: 0 (closed) to 1 (wide open).
        brows: -1 (lowered) to 1 (raised).
        frown: -1 (inner ends of the brows up) to 1 (down).
        lids: -1 (narrow) to 1 (wide open).
    """

    smile: Values
    mouth: Values
    brows: Values
    frown: Values
    lids: Values


@dataclass(frozen=True)
class Pose:
    """Where the head is in each of t frames.

    Attributes:
        x: of the middle of the face, as a share of the picture's side.
        y: likewise.
        turn: about the line of sight, radians.
        size: half the head's width, as a share of the side.
    """

    x: Values
    y: Values
    turn: Values
    size: Values


@dataclass(frozen=True)
class Person:
    """Colours, proportions and light of one drawn person. Colours are RGB in [0, 1], lengths as in the module's head.

    Attributes:
        skin: of the face in even light.
        hair: also of the brows.
        iris: of the eyes.
        lips: of the mouth.
        clothes: under the neck.
        wall: behind, at the top and at the bottom.
        light: x and y of where the light comes from, -1 to 1, and how strong shades are.
        head: height to width of the head.
        eyes: half the distance of the eyes, their half width.
        nose: length.
        mouth: half width, height in the face.
        brows: thickness, height over the eyes.
        hair_line: top of the forehead; :data:`BALD` for none.
        hair_length: how far down the hair hangs beside the face; under 0 it is short.
    """

    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    clothes: Colour
    wall: tuple[Colour, Colour]
    light: tuple[float, float, float]
    head: float
    eyes: tuple[float, float]
    nose: float
    mouth: tuple[float, float]
    brows: tuple[float, float]
    hair_line: float
    hair_length: float


SKINS = np.array([[0.96, 0.83, 0.74], [0.90, 0.72, 0.58], [0.78, 0.57, 0.42], [0.58, 0.39, 0.27], [0.38, 0.25, 0.18]])
HAIRS = np.array([[0.10, 0.08, 0.07], [0.27, 0.17, 0.10], [0.48, 0.30, 0.15], [0.76, 0.60, 0.35], [0.62, 0.61, 0.60]])
IRISES = np.array([[0.25, 0.15, 0.08], [0.40, 0.27, 0.12], [0.25, 0.42, 0.28], [0.26, 0.42, 0.60]])

BALD = -2.0


def draw_person(rng: np.random.Generator) -> Person:
    """Somebody who does not exist."""
    skin = np.clip(_between(SKINS, rng) + rng.normal(0, 0.015, 3), 0.1, 1)
    wall = rng.uniform(0.2, 0.85) + rng.uniform(-0.15, 0.15, 3)
    return Person(
        skin=skin,
        hair=np.minimum(_between(HAIRS, rng), skin * 0.6),
        iris=IRISES[rng.integers(len(IRISES))],
        lips=skin * np.array([0.88, 0.58, 0.58]),
        clothes=rng.uniform(0.05, 0.85, 3),
        wall=(wall, np.clip(wall + rng.uniform(-0.2, 0.2), 0, 1)),
        light=(rng.uniform(-1, 1), rng.uniform(-1, 0.2), rng.uniform(0.06, 0.24)),
        head=rng.uniform(1.22, 1.38),
        eyes=(rng.uniform(0.38, 0.45), rng.uniform(0.17, 0.21)),
        nose=rng.uniform(0.36, 0.46),
        mouth=(rng.uniform(0.30, 0.38), rng.uniform(0.66, 0.74)),
        brows=(rng.uniform(0.035, 0.065), rng.uniform(0.24, 0.29)),
        hair_line=rng.uniform(-1.0, -0.72) if rng.random() < 0.88 else BALD,
        hair_length=rng.uniform(0.4, 1.5) if rng.random() < 0.4 else -1.0,
    )


def _between(palette: Float64[np.ndarray, "n 3"], rng: np.random.Generator) -> Colour:
    """A colour of the palette or between two neighbours."""
    place = rng.uniform(0, len(palette) - 1)
    share = place - int(place)
    colour: Colour = palette[int(place)] * (1 - share) + palette[int(place) + 1] * share
    return colour


def draw_frames(person: Person, shown: Expression, pose: Pose, size: int) -> UInt8[np.ndarray, "t 3 s s"]:
    """Paint the person in t frames, RGB."""
    canvas = _Canvas(person, pose, size)
    _behind(canvas)
    _head(canvas)
    for side in (-1.0, 1.0):
        _eye(canvas, shown, side)
        _brow(canvas, shown, side)
    _nose(canvas)
    _mouth(canvas, shown)
    _hair(canvas)
    return np.round(canvas.picture * 255).clip(0, 255).astype(np.uint8).swapaxes(0, 1)


class _Canvas:
    """A picture painted from back to front, and where its pixels lie in the head's coordinates."""

    def __init__(self, person: Person, pose: Pose, size: int) -> None:
        self.person = person
        steps = (np.arange(size, dtype=np.float32) + 0.5) / size
        scale = _column(pose.size)
        across, down = (steps - _column(pose.x)) / scale, (steps[:, None] - _column(pose.y)) / scale
        cos, sin = np.cos(_column(pose.turn)), np.sin(_column(pose.turn))
        self.x: Plane = across * cos + down * sin
        self.y: Plane = down * cos - across * sin
        self.pixel = 1 / (size * scale)
        top, bottom = (colour.astype(np.float32)[:, None, None, None] for colour in person.wall)
        fade = np.broadcast_to(steps[:, None], self.x.shape)
        self.picture: Float32[np.ndarray, "3 t h w"] = top * (1 - fade) + bottom * fade

    def paint(self, cover: Plane, colour: Colour, shade: Plane | None = None) -> None:
        """Mix a colour, lighter or darker by ``shade``, in by how much of each pixel is covered (0 to 1)."""
        for plane, level in zip(self.picture, colour.astype(np.float32), strict=True):
            plane += cover * ((level if shade is None else level * shade) - plane)

    def inside(self, distance: Plane) -> Plane:
        """How much of each pixel is covered, from the signed distance to an outline (negative inside)."""
        return np.clip(0.5 - distance / self.pixel, 0, 1)

    def ellipse(self, x: float, y: float, wide: float, high: float | Column) -> Plane:
        """Cover of an ellipse by its middle and half axes."""
        u, v = (self.x - x) / wide, (self.y - y) / high
        slope = np.sqrt((u / wide) ** 2 + (v / high) ** 2) + 1e-6
        return self.inside((u * u + v * v - 1) / (2 * slope))


def _column(values: Values) -> Column:
    return np.asarray(values, np.float32)[:, None, None]


def _behind(canvas: _Canvas) -> None:
    person = canvas.person
    if person.hair_line > BALD and person.hair_length > 0:
        middle, half = (person.hair_length - person.head) / 2, (person.hair_length + person.head) / 2
        canvas.paint(canvas.ellipse(0, middle - 0.06, 1.2, half + 0.12), person.hair * 0.9)
    neck = canvas.inside(np.abs(canvas.x) - 0.5) * (canvas.y > 0.3)
    canvas.paint(neck, person.skin * 0.72)
    canvas.paint(canvas.ellipse(0, 2.5, 1.7, 1.0), person.clothes)


def _head(canvas: _Canvas) -> None:
    person = canvas.person
    for side in (-1.0, 1.0):
        canvas.paint(canvas.ellipse(side * 0.99, 0.02, 0.13, 0.24), person.skin * 0.85)
    # Narrower towards the chin.
    narrow = 1 - 0.16 * np.clip(canvas.y / person.head, 0, 1.2) ** 2
    u, v = canvas.x / narrow, canvas.y / person.head
    slope = np.sqrt((u / narrow) ** 2 + (v / person.head) ** 2) + 1e-6
    cover = canvas.inside((u * u + v * v - 1) / (2 * slope))
    x, y, strength = person.light
    bulge = np.sqrt(np.clip(1 - 0.8 * (u * u + v * v), 0, 1))
    shade = 1 + strength * (u * x + v * y) + 0.25 * (bulge - 0.75)
    canvas.paint(cover, person.skin, shade)
    for side in (-1.0, 1.0):
        rosy = np.exp(-(((canvas.x - side * 0.5) / 0.25) ** 2) - ((canvas.y - 0.35) / 0.2) ** 2)
        canvas.paint(0.18 * rosy, person.lips)


def _eye(canvas: _Canvas, shown: Expression, side: float) -> None:
    apart, wide = canvas.person.eyes
    x = side * apart
    high = wide * (0.52 + 0.26 * _column(shown.lids) - 0.12 * np.clip(_column(shown.smile), 0, 1))
    socket = np.exp(-(((canvas.x - x) / 0.27) ** 2) - ((canvas.y + 0.14) / 0.2) ** 2)
    canvas.paint(0.25 * socket, canvas.person.skin * 0.62)
    white = canvas.ellipse(x, -0.12, wide, high)
    canvas.paint(canvas.ellipse(x, -0.14, wide * 1.12, high + 0.035), canvas.person.skin * 0.38)
    canvas.paint(white, np.array([0.95, 0.94, 0.92]))
    canvas.paint(white * canvas.ellipse(x, -0.12, wide * 0.52, wide * 0.52), canvas.person.iris)
    canvas.paint(white * canvas.ellipse(x, -0.12, wide * 0.25, wide * 0.25), np.array([0.03, 0.03, 0.03]))
    canvas.paint(white * canvas.ellipse(x - 0.045, -0.165, 0.035, 0.035), np.ones(3))


def _brow(canvas: _Canvas, shown: Expression, side: float) -> None:
    thick, above = canvas.person.brows
    apart, wide = canvas.person.eyes
    # From -1 at the inner end to 1 at the outer one.
    along = (canvas.x * side - apart - 0.02) / (wide * 1.45)
    arch = -0.055 * (1 - along**2) + 0.015 * along
    lift = 0.17 * _column(shown.brows)
    tilt = 0.13 * _column(shown.frown) * np.clip(0.45 - along, -0.4, 1.5)
    middle = -0.12 - above - lift + arch + tilt
    half = thick * np.sqrt(np.clip(1.15 - 0.55 * (along + 0.25) ** 2, 0.05, 1))
    ends = canvas.inside((np.abs(along) - 1) * wide * 1.45)
    canvas.paint(0.9 * ends * canvas.inside(np.abs(canvas.y - middle) - half), canvas.person.hair * 0.8)


def _nose(canvas: _Canvas) -> None:
    length, skin = canvas.person.nose, canvas.person.skin
    lit = 1.0 if canvas.person.light[0] > 0 else -1.0
    ridge = np.exp(-(((canvas.x + lit * 0.1) / 0.06) ** 2) - ((canvas.y - length * 0.5) / 0.26) ** 2)
    canvas.paint(0.3 * ridge, skin * 0.6)
    shine = np.exp(-((canvas.x / 0.08) ** 2) - ((canvas.y - length + 0.04) / 0.1) ** 2)
    canvas.paint(0.25 * shine, np.minimum(skin * 1.25, 1))
    for side in (-1.0, 1.0):
        canvas.paint(0.75 * canvas.ellipse(side * 0.085, length + 0.04, 0.05, 0.028), skin * 0.42)


def _mouth(canvas: _Canvas, shown: Expression) -> None:
    wide, y = canvas.person.mouth
    smile, gap = _column(shown.smile), np.clip(_column(shown.mouth), 0, 1)
    half = wide * (1 + 0.22 * smile - 0.28 * gap * (1 - np.clip(smile, 0, 1)))
    along = canvas.x / half
    round_off = np.sqrt(np.clip(1 - along**2, 0, 1))
    # The corners lie smile * 0.2 above the middle; an open mouth drops its middle.
    middle = y + 0.05 * gap + smile * (0.07 - 0.2 * along**2)
    opening = 0.27 * gap * round_off
    lips = opening + (0.035 + 0.035 * round_off) * (along**2 < 1.0)
    off = np.abs(canvas.y - middle)
    ends = canvas.inside((np.abs(along) - 1) * half)
    canvas.paint(ends * canvas.inside(off - lips), canvas.person.lips)
    hole = ends * canvas.inside(off - np.maximum(opening, 0.012))
    canvas.paint(hole, np.array([0.20, 0.05, 0.06]))
    teeth = canvas.inside(canvas.y - (middle - opening * 0.35)) * (gap > 0.05)
    canvas.paint(hole * teeth * np.clip(opening / 0.06, 0, 1), np.array([0.93, 0.92, 0.88]))
    for side in (-1.0, 1.0):
        fold = np.exp(-(((canvas.x - side * (half + 0.1)) / 0.05) ** 2) - ((canvas.y - y + 0.12) / 0.17) ** 2)
        canvas.paint(0.35 * np.clip(smile, 0, 1) * fold, canvas.person.skin * 0.55)


def _hair(canvas: _Canvas) -> None:
    person = canvas.person
    if person.hair_line <= BALD:
        return
    scalp = canvas.ellipse(0, -0.06, 1.06, person.head + 0.06)
    fringe = person.hair_line + 0.42 * canvas.x**2
    canvas.paint(scalp * canvas.inside(canvas.y - fringe), person.hair)
