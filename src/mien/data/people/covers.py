"""Things before a face: glasses, a surgical mask, a hand, a microphone, strands of hair. Painted over the drawn head.

Each is drawn once a clip as a frozen value and painted a frame, so that it moves with the face and does not flicker.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np
from jaxtyping import Float32, Float64

from mien.data.people.model import EYE_DISTANCE
from mien.faces.align import TEMPLATE

Generator = np.random.Generator
Reflectance = Float32[np.ndarray, "3"]
Linear = Float32[np.ndarray, "h w 3"]
Colour = tuple[float, float, float]
Points = Float64[np.ndarray, "n 2"]
Point = Float64[np.ndarray, "2"]

COVERS = ("none", "mask", "hand", "microphone", "strands")
CLOTHS = np.array([[0.35, 0.55, 0.7], [0.75, 0.75, 0.75], [0.03, 0.03, 0.03]])
TOUCHED = (8, 4, 12, 54, 48, 57, 46, 37, 2, 14)
"""Landmarks that hands rest on."""
CENTIMETRE = float(TEMPLATE[1, 0] - TEMPLATE[0, 0]) / EYE_DISTANCE
"""As a share of the crop's side, of a face that is turned to the camera."""
SHARES = (0.80, 0.04, 0.06, 0.04, 0.06)
"""How often each is drawn where covers are wanted."""


@dataclass(frozen=True, eq=False)
class Canvas:
    """A drawn frame and what covers need to know of it.

    Attributes:
        image: linear light; painted over.
        marks: the 68 landmarks in its pixels.
        unit: pixels a centimetre.
        white: what white would be here.
        frame: number of the frame.
    """

    image: Linear
    marks: Points
    unit: float
    white: float
    frame: int

    def tint(self, colour: Colour) -> Colour:
        """A reflectance as it looks in this light."""
        red, green, blue = (float(channel) * self.white for channel in colour)
        return red, green, blue

    def pen(self, wide: float) -> int:
        """Pixels of a line ``wide`` centimetres, as an aligned face has them: the same in every frame of a clip."""
        return max(1, round(wide * len(self.image) * CENTIMETRE))

    def line(self, start: Point, end: Point, colour: Colour, pen: float) -> None:
        """A line of ``pen`` pixels, round at its ends."""
        one, other = ((int(point[0]), int(point[1])) for point in (start, end))
        cv2.line(self.image, one, other, colour, max(1, int(pen)), cv2.LINE_AA)

    def blend(self, layer: Linear, share: float) -> None:
        """Let ``layer`` shine through everything."""
        self.image[:] += np.float32(share) * (layer - self.image)


class Cover(Protocol):
    """Something that is painted before a face."""

    def paint(self, canvas: Canvas) -> None:
        """Paint it over ``canvas.image``."""


@dataclass(frozen=True)
class Glasses:
    """Rims, bridge and temples; lenses clear, tinted or mirroring a window.

    Attributes:
        wide, high: half axes of a lens, centimetres.
        round: exponent of its outline: 2 an ellipse, 4 nearly a rectangle.
        thick: of the rim, centimetres.
        colour: of the rim.
        tint: how dark the lenses are, 0 to 1.
        glare: brightness of what they mirror.
    """

    wide: float
    high: float
    round: float
    thick: float
    colour: Colour
    tint: float
    glare: float

    def paint(self, canvas: Canvas) -> None:
        """Paint it."""
        marks, unit = canvas.marks, canvas.unit
        centres = [marks[36:42].mean(0), marks[42:48].mean(0)]
        axis = centres[1] - centres[0]
        distance = max(float(np.linalg.norm(axis)), 1.0)
        squeeze = min(distance / (6.3 * unit), 1.0)
        along = axis / distance
        down = np.array([-along[1], along[0]])
        angle = np.linspace(0, 2 * math.pi, 28, endpoint=False)
        x = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** (2 / self.round) * self.wide * squeeze
        y = np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** (2 / self.round) * self.high
        outlines = [centre + unit * (x[:, None] * along + (y[:, None] + 0.35) * down) for centre in centres]
        if self.tint or self.glare:
            layer = canvas.image.copy()
            for outline in outlines:
                cv2.fillPoly(layer, [_whole(outline)], canvas.tint((0.01, 0.01, 0.012)), cv2.LINE_AA)
            canvas.blend(layer, self.tint)
            layer = canvas.image.copy()
            for outline in outlines:
                cv2.fillPoly(layer, [_whole(outline[3:12])], canvas.tint((1.0, 1.0, 1.0)), cv2.LINE_AA)
            canvas.blend(layer, self.glare)
        pen, colour = canvas.pen(self.thick), canvas.tint(self.colour)
        bridge = [outlines[0][0], (centres[0] + centres[1]) / 2 - 0.1 * unit * down, outlines[1][14]]
        for line, closed in ((outlines[0], True), (outlines[1], True), (np.array(bridge), False)):
            cv2.polylines(canvas.image, [_whole(line)], closed, colour, pen, cv2.LINE_AA)
        for outline, start, end in ((outlines[0], 14, marks[0]), (outlines[1], 0, marks[16])):
            if (end - outline[start]) @ along * (1 if start == 0 else -1) > 0:
                canvas.line(outline[start], end, colour, pen)


@dataclass(frozen=True)
class FaceMask:
    """A mask over nose and mouth, with its folds and bands.

    Attributes:
        colour: of the cloth.
        high: how far up the nose it reaches, 0 the tip to 1 the root.
        folds: how many.
    """

    colour: Colour
    high: float
    folds: int

    def paint(self, canvas: Canvas) -> None:
        """Paint it."""
        marks, unit = canvas.marks, canvas.unit
        top = marks[30] + self.high * (marks[27] - marks[30])
        outline = np.array([marks[2] * 0.88 + marks[31] * 0.12, top, marks[14] * 0.88 + marks[35] * 0.12])
        outline = np.vstack([outline, marks[13:3:-1] + 0.25 * (marks[13:3:-1] - marks[33]) * [[0.15, 0.3]]])
        mask = np.zeros(canvas.image.shape[:2], np.uint8)
        cv2.fillPoly(mask, [_whole(outline)], 255, cv2.LINE_AA)
        left, right = float(outline[:, 0].min()), float(outline[:, 0].max())
        place = (np.arange(len(mask), dtype=np.float32) - left) / max(right - left, 1)
        round_ = np.clip(1.1 - 1.5 * (place - 0.5) ** 2, 0.3, 1.2).astype(np.float32)
        cloth = np.asarray(canvas.tint(self.colour), np.float32) * round_[None, :, None]
        cloth = np.broadcast_to(cloth, canvas.image.shape).copy()
        dark = canvas.tint(_times(self.colour, 0.7))
        for fold in range(self.folds):
            share = (fold + 1) / (self.folds + 1)
            middle = top + share * (marks[8] - top)
            ends = [outline[0] + share * (marks[4] - outline[0]), outline[2] + share * (marks[12] - outline[2])]
            line = np.array([ends[0], middle + np.array([0, 0.4 * unit]), ends[1]])
            cv2.polylines(cloth, [_curve(line)], False, dark, canvas.pen(0.12), cv2.LINE_AA)
        weight = mask[..., None].astype(np.float32) / 255
        canvas.image[:] += weight * (cloth - canvas.image)
        for start, end in ((outline[0], marks[0]), (outline[2], marks[16])):
            canvas.line(start, end, canvas.tint((0.8, 0.8, 0.8)), canvas.pen(0.15))


@dataclass(frozen=True)
class Hand:
    """A hand that touches the face: a palm and four fingers, lit from above.

    Attributes:
        at: which landmark it rests on.
        shift: from there, centimetres.
        angle: of the fingers, radians; 0 to the right, positive downwards.
        colour: of its skin.
        drift: centimetres a frame.
    """

    at: int
    shift: tuple[float, float]
    angle: float
    colour: Colour
    drift: tuple[float, float]

    def paint(self, canvas: Canvas) -> None:
        """Paint it."""
        unit = canvas.unit
        way = np.array([math.cos(self.angle), math.sin(self.angle)])
        beside = np.array([-way[1], way[0]])
        base = canvas.marks[self.at] + unit * (np.array(self.shift) + canvas.frame * np.array(self.drift))
        shapes = [(base - 9.0 * unit * way, base - 3.5 * unit * way, 3.6)]
        for finger, (length, side) in enumerate(((2.6, -2.4), (3.6, -0.8), (3.4, 0.8), (2.4, 2.4))):
            root = base - 3.5 * unit * way + side * unit * beside
            shapes.append((root, root + (length + 2 + 0.1 * finger) * unit * way, 0.85))
        for brightness, smaller in ((0.55, 0.0), (0.85, 0.18), (1.0, 0.4)):
            red, green, blue = canvas.tint(self.colour)
            colour = (red * brightness, green * brightness**1.3, blue * brightness**1.4)
            for start, end, radius in shapes:
                lifted = smaller * 0.5 * unit
                canvas.line(start - lifted, end - lifted, colour, 2 * (radius - smaller) * unit)


@dataclass(frozen=True)
class Microphone:
    """A microphone before the mouth or the chin.

    Attributes:
        shift: from the mouth's middle, centimetres.
        radius: of its head, centimetres.
        colour: of foam or grille.
        lean: of the handle, centimetres to the side over its length.
    """

    shift: tuple[float, float]
    radius: float
    colour: Colour
    lean: float

    def paint(self, canvas: Canvas) -> None:
        """Paint it."""
        unit = canvas.unit
        centre = canvas.marks[57] + unit * np.array(self.shift)
        end = centre + unit * np.array([self.lean, 20.0])
        canvas.line(centre, end, canvas.tint(_times(self.colour, 0.6)), 1.4 * self.radius * unit)
        for size, brightness in ((1.0, 0.7), (0.75, 1.0), (0.4, 1.5)):
            place = centre - 0.3 * (1 - size) * self.radius * unit
            middle, colour = (int(place[0]), int(place[1])), canvas.tint(_times(self.colour, brightness))
            cv2.circle(canvas.image, middle, max(1, int(size * self.radius * unit)), colour, -1, cv2.LINE_AA)


@dataclass(frozen=True)
class Strands:
    """Hair that falls over the face.

    Attributes:
        curves: control points (x, y) as shares of the side, and width in centimetres.
        colour: of the hair.
    """

    curves: tuple[tuple[tuple[float, float, float, float, float, float], float], ...] = field(default=())
    colour: Colour = (0.1, 0.1, 0.1)

    def paint(self, canvas: Canvas) -> None:
        """Paint it."""
        side = len(canvas.image)
        for number, (curve, width) in enumerate(self.curves):
            line = _curve(np.array(curve).reshape(3, 2) * side)
            colour = canvas.tint(_times(self.colour, 0.7 + 0.15 * (number % 5)))
            cv2.polylines(canvas.image, [line], False, colour, canvas.pen(width), cv2.LINE_AA)


def draw_glasses(rng: Generator) -> Glasses:
    """A pair of glasses; one in twelve with dark lenses."""
    dark = rng.random() < 0.8
    tone = rng.uniform(0.01, 0.12) if dark else rng.uniform(0.2, 0.6)
    colour = np.clip(tone * (1 + rng.normal(0, 0.25, 3)), 0.005, 0.8)
    return Glasses(
        wide=float(rng.uniform(2.2, 2.9)),
        high=float(rng.uniform(1.5, 2.3)),
        round=float(rng.uniform(1.9, 4.5)),
        thick=float(rng.uniform(0.06, 0.35)),
        colour=(float(colour[0]), float(colour[1]), float(colour[2])),
        tint=float(rng.uniform(0.6, 0.97)) if rng.random() < 0.08 else float(rng.choice([0.0, rng.uniform(0, 0.2)])),
        glare=float(rng.uniform(0.1, 0.6)) if rng.random() < 0.2 else 0.0,
    )


def draw_cover(skin: Reflectance, hair: Reflectance, rng: Generator) -> tuple[str, Cover | None]:
    """What covers a face in a clip, by its name in :data:`COVERS`; mostly nothing."""
    name = COVERS[int(rng.choice(len(COVERS), p=SHARES))]
    if name == "mask":
        cloth = CLOTHS[rng.integers(len(CLOTHS))] * rng.uniform(0.7, 1.1)
        return name, FaceMask(_colour(cloth), float(rng.uniform(0.1, 0.75)), int(rng.integers(0, 4)))
    if name == "hand":
        across, down, *drift = (float(value) for value in rng.normal(0, [1.2, 1.2, 0.1, 0.1]))
        angle = -math.pi / 2 + float(rng.normal(0, 0.7))
        return name, Hand(int(rng.choice(TOUCHED)), (across, down + 1), angle, _colour(skin), (drift[0], drift[1]))
    if name == "microphone":
        shift = (float(rng.normal(0, 1.5)), float(rng.uniform(0.8, 3.5)))
        foam = rng.choice([0.02, 0.1, 0.3]) * (1 + rng.normal(0, 0.15, 3))
        return name, Microphone(shift, float(rng.uniform(1.0, 2.3)), _colour(foam), float(rng.normal(0, 5)))
    return name, _strands(hair, rng) if name == "strands" else None


def _strands(hair: Reflectance, rng: Generator) -> Strands:
    curves = []
    x, bend = rng.uniform(0.1, 0.9), rng.normal(0, 0.12)
    for _ in range(rng.integers(4, 22)):
        root, middle, tip = x + rng.normal(0, [0.08, 0.05, 0.1]) + [0, bend, 2 * bend]
        curve = (float(root), -0.05, float(middle), rng.uniform(0.1, 0.4), float(tip), rng.uniform(0.3, 0.85))
        curves.append((curve, float(rng.uniform(0.05, 0.3))))
    return Strands(tuple(curves), _colour(hair))


def _colour(values: np.ndarray) -> Colour:
    red, green, blue = (float(min(max(value, 0.004), 0.95)) for value in values)
    return red, green, blue


def _times(colour: Colour, factor: float) -> Colour:
    return _colour(factor * np.array(colour))


def _whole(points: Points) -> np.ndarray:
    return np.asarray(np.rint(points), np.int32)


def _curve(points: Points) -> np.ndarray:
    """A quadratic curve through its first and last point, drawn towards the second."""
    share = np.linspace(0, 1, 12)[:, None]
    return _whole((1 - share) ** 2 * points[0] + 2 * share * (1 - share) * points[1] + share**2 * points[2])
