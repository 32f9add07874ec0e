"""Where a head is turned and where its points fall in the picture; five of them, found roughly, align the crop."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64

from mien.data.people import kernels
from mien.data.people.model import EYES
from mien.faces.align import frame_to_crop, moved

Generator = np.random.Generator
Points = Float32[np.ndarray, "n 3"]

UNMOVED = np.array([[1.0, 0, 0], [0, 1, 0]])
PIXELS = 20.0
"""Of the frame a centimetre: only numbers, as nothing is drawn in the frame itself."""
YAW, PITCH, ROLL = (14.0, 40.0), (8.0, 24.0), (5.0, 16.0)
"""Standard deviation and bound in degrees. mien abstains beyond 50 degrees of yaw, as it estimates it."""
FURTHEST = 1.5
"""By how much bounds may be stretched."""
BIAS, UNSTEADY = 0.16, 0.04
"""Centimetres by which a detector's points are wrong in a whole clip, and from frame to frame."""


@dataclass(frozen=True, eq=False)
class Views:
    """The camera's frames of one clip.

    Attributes:
        pose: degrees a frame: yaw (nose to the picture's right), pitch (nose up), roll (clockwise).
        distance: centimetres from the eyes to the camera.
        errors: of the five points a frame, centimetres.
    """

    pose: Float32[np.ndarray, "t 3"]
    distance: float
    errors: Float64[np.ndarray, "t 5 2"]


@dataclass(frozen=True, eq=False)
class Placed:
    """A head in the crop.

    Attributes:
        turn: the rotation from the head to the camera.
        screen: x, y in pixels of the screen, which is ``over`` times the crop, and depth in centimetres.
        landmarks: the 68 in pixels of the crop.
        roll: degrees clockwise by which the head leans in the crop.
        unit: pixels of the screen a centimetre.
    """

    turn: Float32[np.ndarray, "3 3"]
    screen: Points
    landmarks: Float32[np.ndarray, "68 2"]
    roll: float
    unit: float


def draw_views(times: Float64[np.ndarray, " t"], rng: Generator, turn: float = 1.0) -> Views:
    """A pose, and how it sways over some seconds; ``turn`` stretches spread and bounds, these by half at most."""
    ranges = np.array([YAW, PITCH, ROLL]) * [turn, min(max(turn, 1.0), FURTHEST)]
    start = rng.normal(0, ranges[:, 0])
    sway = np.zeros((len(times), 3))
    for _ in range(2):
        pace, phase = rng.uniform(0.1, 0.7, 3), rng.uniform(0, 2 * math.pi, 3)
        sway += np.sin(2 * math.pi * pace * times[:, None] + phase) * rng.gamma(1.2, 1.6, 3) * [1.0, 0.8, 0.5]
    if len(times) == 1:
        sway[:] = 0
    pose = np.clip(start + sway, -ranges[:, 1], ranges[:, 1]).astype(np.float32)
    distance = math.exp(rng.uniform(math.log(40), math.log(250)))
    errors = rng.normal(0, BIAS, (5, 2)) + rng.normal(0, UNSTEADY, (len(times), 5, 2))
    return Views(pose, distance, errors)


def rotation(yaw: float, pitch: float, roll: float) -> Float32[np.ndarray, "3 3"]:
    """From the head to the camera, degrees as in :class:`Views`."""
    a, b, c = math.radians(yaw), math.radians(-pitch), math.radians(-roll)
    around_y = np.array([[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]])
    around_x = np.array([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])
    around_z = np.array([[math.cos(c), -math.sin(c), 0], [math.sin(c), math.cos(c), 0], [0, 0, 1]])
    return np.asarray(around_z @ around_y @ around_x, np.float32)


def place(points: Points, landmarks: Points, views: Views, frame: int, size: int, over: int) -> Placed:
    """Project a head and align it, as mien aligns what its detector found.

    Args:
        points: vertices of the head, turned already (``points @ turn.T``).
        landmarks: its 68 landmarks, likewise.
        views: the camera's.
        frame: which of its frames.
        size: side of the crop in pixels.
        over: pixels of the screen along a pixel of the crop.
    """
    yaw, pitch, roll = (float(angle) for angle in views.pose[frame])
    turn = rotation(yaw, pitch, roll)
    marks = kernels.projected(landmarks, views.distance, PIXELS, UNMOVED)[:, :2]
    five = five_points(marks) + views.errors[frame] * PIXELS
    motion = frame_to_crop(five, size)
    to_screen = motion * over
    to_screen[:, 2] += (over - 1) / 2  # the middle of a pixel of the crop is that of its block on the screen
    screen = kernels.projected(points, views.distance, PIXELS, to_screen)
    turned = math.degrees(math.atan2(motion[1, 0], motion[0, 0]))
    unit = float(math.hypot(to_screen[0, 0], to_screen[1, 0]) * PIXELS)
    return Placed(turn, screen, moved(marks, motion), roll + turned, unit)


def five_points(marks: Float[np.ndarray, "68 2"]) -> Float64[np.ndarray, "5 2"]:
    """What a detector of five points would find: the nose's lies between its tip and its base."""
    return np.array([marks[EYES[0]].mean(0), marks[EYES[1]].mean(0), (marks[30] + marks[33]) / 2, marks[48], marks[54]])
