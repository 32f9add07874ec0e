"""Where on a head things are: lips, brows, lids, folds, hair, what light cannot reach. Found once a model.

Places follow the 68 landmarks where there are some, and else are centimetres from the middle between the eyes (x the
person's left, y up, z forward), as :mod:`mien.data.people.model` scales every head.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Float, Float32

from mien.data.people import kernels, photons
from mien.data.people.model import BACK, BALLS, EYES, MOUTH, SKIN, TEETH, MorphableHead

Mask = Float32[np.ndarray, " s"]
Line = Float[np.ndarray, "m 2"]

AMBIENT_LIGHTS, AMBIENT_SIDE = 48, 96
WAVES, WAVE_COUNT = (3.0, 0.8, 0.3), 8
CREASE_WIDTH = 0.22
"""Centimetres at which a fold has 1/e of its depth."""


@dataclass(frozen=True, eq=False)
class Regions:
    """Masks over the skin's vertices, 0 to 1, and measures of them.

    Attributes:
        rest, normal: the skin itself at rest, and its normals.
        lips: inside the outline of the mouth.
        inner: skin that is hidden at rest: the mouth's inside, behind the lids.
        ears: what stands off at the sides.
        brow_distance, brow_place: centimetres from the nearer brow's line, and where along it (0 outer, 1 inner end).
        lid_distance, upper_distance: centimetres from the eyes' rims, and from their upper halves.
        front: what faces forward, where landmarks lie.
        reached: share of the surroundings that is seen from there (ambient occlusion).
        crown: centimetres along the head from its top, for strands of hair.
        around: centimetres around the vertical axis, 0 in front.
        creases: folds that deepen with movements, a row each.
        crease_weights: how much each movement deepens them.
        noise: see :func:`speckle`.
    """

    rest: Float32[np.ndarray, "s 3"]
    normal: Float32[np.ndarray, "s 3"]
    lips: Mask
    inner: Mask
    ears: Mask
    brow_distance: Mask
    brow_place: Mask
    lid_distance: Mask
    upper_distance: Mask
    front: Mask
    reached: Mask
    crown: Mask
    around: Mask
    creases: Float32[np.ndarray, "c s"]
    crease_weights: Float32[np.ndarray, "c m"]
    noise: Float32[np.ndarray, "g w s"]


def find_regions(head: MorphableHead) -> Regions:
    """The regions of a model at rest."""
    points = head.neutral[: head.skin]
    marks = head.neutral[head.landmarks]
    flat = points[:, :2]
    on_face = np.zeros(head.skin, bool)
    on_face[head.vertices(SKIN)] = True
    front = (on_face & (points[:, 2] > marks[0, 2] - 1)).astype(np.float32)
    lips = _inside(flat, marks[48:60, :2], 0.12) * front * (points[:, 2] > marks[[48, 54], 2].mean() - 1.7)
    solid = head.triangles(SKIN, BACK, MOUTH, TEETH, *BALLS)
    normal = kernels.normals(head.neutral, solid)[: head.skin]
    reached = _reached(head, normal)
    right, left = marks[17:22, :2] - [0, 0.35], marks[26:21:-1, :2] - [0, 0.35]
    (right_far, right_place), (left_far, left_place) = along(flat, right), along(flat, left)
    nearer = right_far < left_far
    rims = [np.vstack([marks[eye, :2], marks[eye.start : eye.start + 1, :2]]) for eye in EYES]
    uppers = [marks[eye.start : eye.start + 4, :2] for eye in EYES]
    x, y, z = (points - points.mean(0)).T
    creases, weights = _creases(head, flat, front)
    away = np.float32(9) * (1 - front)
    jaw = float(np.abs(marks[[0, 16], 0]).mean())
    return Regions(
        rest=np.ascontiguousarray(points),
        normal=np.ascontiguousarray(normal),
        lips=np.asarray(lips, np.float32),
        inner=np.asarray((reached < 0.03) & ~on_face, np.float32),
        ears=ramp(np.abs(points[:, 0]) - jaw, 0.1, 0.6) * (points[:, 1] < 2.6) * (points[:, 1] > -6.5),
        brow_distance=np.where(nearer, right_far, left_far) + away,
        brow_place=np.where(nearer, right_place, left_place),
        lid_distance=np.minimum(*(along(flat, rim)[0] for rim in rims)) + away,
        upper_distance=np.minimum(*(along(flat, upper)[0] for upper in uppers)) + away,
        front=front,
        reached=reached,
        crown=(np.arctan2(np.hypot(x, z), y) * 9).astype(np.float32),
        around=(np.arctan2(x, z) * 9).astype(np.float32),
        creases=creases,
        crease_weights=weights,
        noise=_noise(points),
    )


def ramp(x: Float[np.ndarray, ...], low: float, high: float) -> Float32[np.ndarray, ...]:
    """0 below ``low``, 1 above ``high``, smooth between; ``low`` may be the greater one."""
    share = np.clip((np.asarray(x, np.float32) - np.float32(low)) * np.float32(1 / (high - low)), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def along(points: Float[np.ndarray, "n 2"], line: Line) -> tuple[Mask, Mask]:
    """Distance of points to a line of straight pieces, and the nearest place along it from 0 to 1."""
    best, place = np.full(len(points), 1e9, np.float32), np.zeros(len(points), np.float32)
    for number, (a, b) in enumerate(pairwise(line)):
        step = b - a
        share = np.clip((points - a) @ step / max(float(step @ step), 1e-9), 0, 1)
        distance = np.linalg.norm(points - a - share[:, None] * step, axis=1)
        nearer = distance < best
        best[nearer], place[nearer] = distance[nearer], ((number + share) / (len(line) - 1))[nearer]
    return best, place


def _inside(points: Float[np.ndarray, "n 2"], outline: Line, soft: float) -> Mask:
    ring = np.ascontiguousarray(outline, np.float32).reshape(-1, 1, 2)
    depth = [cv2.pointPolygonTest(ring, (float(x), float(y)), True) for x, y in points]
    return ramp(np.array(depth), -soft, soft)


def _reached(head: MorphableHead, normal: Float32[np.ndarray, "s 3"]) -> Mask:
    """Shadow maps of lights spread evenly over the sphere (a spiral), weighted by the cosine."""
    casters = head.triangles(SKIN, BACK, *BALLS)
    points = head.neutral
    total, most = np.zeros(head.skin, np.float32), np.zeros(head.skin, np.float32)
    for k in range(AMBIENT_LIGHTS):
        up, turn = 1 - (2 * k + 1) / AMBIENT_LIGHTS, k * np.pi * (3 - np.sqrt(5))
        ring = np.sqrt(1 - up * up)
        way = np.array([ring * np.sin(turn), up, ring * np.cos(turn)], np.float32)
        share = photons.lit(points, casters, map_of(way, AMBIENT_SIDE), AMBIENT_SIDE, 0.3, 0.3)[: head.skin]
        cosine = np.clip(normal @ way, 0, None)
        total += share * cosine
        most += cosine
    return np.asarray(total / np.maximum(most, 1e-6), np.float32)


def map_of(way: Float32[np.ndarray, 3], side: int) -> Float32[np.ndarray, "3 4"]:
    """From points to x, y in pixels and depth of the shadow map, 28 cm across, of a light from direction ``way``."""
    x, y, z = (float(axis) for axis in way)
    length = math.hypot(x, z)
    a, c = (z / length, -x / length) if length > 1e-3 else (1.0, 0.0)  # across: the vertical axis x way
    scale = side / 28
    axes = ((a * scale, 0.0, c * scale), (-scale * y * c, scale * (x * c - z * a), scale * y * a), (x, y, z))
    middle = (side / 2, side / 2, 0.0)  # where (0, -3, -5) falls: the middle of a head
    rows = [(*axis, at + 3 * axis[1] + 5 * axis[2]) for axis, at in zip(axes, middle, strict=True)]
    return np.array(rows, np.float32)


def _noise(points: Float32[np.ndarray, "s 3"]) -> Float32[np.ndarray, "g w s"]:
    """Waves over the skin by their length in :data:`WAVES`: mixed anew for everybody by :func:`speckle`."""
    rng = np.random.default_rng(20260116)
    bank = []
    for length in WAVES:
        ways = rng.normal(0, 1, (3, WAVE_COUNT)) * rng.uniform(0.5, 1.5, WAVE_COUNT) / length
        phases = points @ ways
        bank.append(np.concatenate([np.sin(phases), np.cos(phases)], 1).T)
    return np.ascontiguousarray(bank, np.float32)


def speckle(regions: Regions, length: float, rng: np.random.Generator) -> Mask:
    """Smooth noise over the skin of standard deviation 1, of one of the lengths in :data:`WAVES` (centimetres)."""
    bank = regions.noise[WAVES.index(length)]
    weights = rng.standard_normal(len(bank)).astype(np.float32) * np.float32((2 / len(bank)) ** 0.5)
    return np.asarray(np.einsum("w,wn->n", weights, bank), np.float32)


def _creases(
    head: MorphableHead, flat: Float32[np.ndarray, "n 2"], front: Mask
) -> tuple[Float32[np.ndarray, "c n"], Float32[np.ndarray, "c m"]]:
    masks, weights = [], []
    for lines, deepened in _folds(head.neutral[head.landmarks, :2]):
        distance = np.min([along(flat, np.asarray(line, np.float64))[0] for line in lines], axis=0)
        row = np.zeros(len(head.names), np.float32)
        for name, weight in deepened.items():
            place = head.index(name)
            if place is not None:
                row[place] = weight
        masks.append(np.exp(-((distance / CREASE_WIDTH) ** 2)) * front)
        weights.append(row)
    return np.asarray(masks, np.float32), np.asarray(weights, np.float32)


Fold = tuple[list[np.ndarray], dict[str, float]]


def _folds(marks: Line) -> list[Fold]:
    """Lines of the skin and the movements that deepen them (Ekman & Friesen's FACS: which unit folds what)."""
    folds: list[Fold] = []
    for side, wing, corner, eye, brow in (("R", 31, 48, slice(36, 42), 21), ("L", 35, 54, slice(42, 48), 22)):
        out = np.array([1 if side == "L" else -1, 1])
        nose, mouth, lid = marks[wing], marks[corner], marks[eye]
        outer, low = lid[np.abs(lid[:, 0]).argmax()], lid[:, 1].min()
        centre = lid.mean(0)

        def named(weights: dict[str, float], tag: str = side) -> dict[str, float]:
            return {f"{name}_{tag}": weight for name, weight in weights.items()}

        cheek = [nose + out * [0.3, 1.2], nose + out * [1.0, 0.0], mouth + out * [0.6, 1.0], mouth + out * [1.0, -0.4]]
        smile = {"mouthSmile": 0.7, "noseSneer": 1.0, "mouthUpperUp": 0.8, "mouthDimple": 0.5, "mouthStretch": 0.3}
        folds.append(([np.array(cheek)], named(smile)))
        inner = marks[brow] * [0.5, 1]
        frown = [inner + out * [0, -1.5], inner + out * [-0.05, -0.8], inner + out * [0.05, 0.2]]
        folds.append(([np.array(frown)], named({"browDown": 1.0, "browInnerUp": 0.25, "noseSneer": 0.4})))
        crow = [np.array([outer + out * [0.5, up], outer + out * [1.8, 2.2 * up]]) for up in (0.25, -0.1, -0.4)]
        folds.append((crow, named({"cheekSquint": 0.8, "cheekRaiser": 0.6, "mouthSmile": 0.3})))
        under = [[centre[0] - out[0] * 1.3, low - 0.5], [centre[0], low - 0.9], [centre[0] + out[0] * 1.3, low - 0.5]]
        squint = {"eyeSquint": 0.6, "cheekSquint": 0.7, "cheekRaiser": 0.7, "noseSneer": 0.3}
        folds.append(([np.array(under)], named(squint)))
        wrinkle = [[nose[0] * 0.25, nose[1] + 4.3], [nose[0] * 0.9, nose[1] + 3.5], [nose[0], nose[1] + 2.7]]
        folds.append(([np.array(wrinkle)], named({"noseSneer": 1.0})))
        down = [mouth + out * [0.2, -0.2], mouth + out * [0.45, -1.3], mouth + out * [0.3, -2.1]]
        folds.append(([np.array(down)], named({"mouthFrown": 0.7, "mouthStretch": 0.5})))
    top = float(marks[19:25, 1].max())
    for high in (1.2, 2.1, 3.0):
        middle = np.array([[-2.6, top + high], [0, top + high - 0.15], [2.6, top + high]])
        folds.append(([middle], {"browInnerUp_L": 0.45, "browInnerUp_R": 0.45}))
        wide = np.array([[-4.8, top + high - 0.5], [-2.4, top + high], [2.4, top + high], [4.8, top + high - 0.5]])
        folds.append(([wide], {"browOuterUp_L": 0.35, "browOuterUp_R": 0.35}))
    below = float(marks[57, 1])
    folds.append(([np.array([[-1.2, below - 0.8], [0, below - 0.55], [1.2, below - 0.8]])], {"mouthShrugLower": 0.8}))
    bridge = float(marks[27, 1])
    root = np.array([[-0.9, bridge + 0.25], [0, bridge + 0.05], [0.9, bridge + 0.25]])
    folds.append(([root], {"noseSneer_L": 0.5, "noseSneer_R": 0.5}))
    return folds
