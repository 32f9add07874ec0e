"""How a head is turned, from its 68 points: the turn under which an ordinary head in space looks most like them (PnP).

The stand-in for systems that regress a head in three dimensions (SynergyNet) or the pose itself (MOS). The head is our
own: places across and down are those of :data:`mien.faces.mean_face.MEAN_FACE`, the mean of 6,000 aligned faces, at 63
mm between the pupils (adults' mean), depths are rounded anthropometry, see below. One head for all: a longer nose or a
shorter chin turns it by some degrees too much, and an open mouth moves no point that is used but the chin.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from jaxtyping import Float, Float64

from mien.faces.mean_face import MEAN_FACE

PUPILS = 63.0
"""Millimetres from one to the other."""
DEPTHS: dict[int, float] = {
    36: 0.0,
    45: 0.0,
    39: 6.0,
    42: 6.0,
    27: 16.0,
    28: 23.0,
    29: 31.0,
    30: 38.0,
    31: 16.0,
    35: 16.0,
    33: 22.0,
    48: 9.0,
    54: 9.0,
    8: 6.0,
}
"""Millimetres by which points stand before the outer corners of the eyes, on the adult head that rounded tables of
facial measurements give.

Eyes: the inner corners lie some 6 before the outer ones. Nose: its tip .45 eye distances (28) before the middle between
the pupils, as :data:`mien.faces.quality.NOSE_DEPTH` has it, and these some 10 before the outer corners; its root 16,
and straight from one to the other; base 16 behind the tip, wings 22. Mouth: its corners 9, for lips are round. Chin:
its lower edge recedes from 15 at its foremost to 6. Jaw and brows are left out: the outline that a camera sees of a jaw
is another place at every turn, and brows move with expressions.
"""
USED = tuple(DEPTHS)
LOOKS = -5.0
"""Degrees of pitch of the mean face: the median over the 26,853 training faces of FERPlus with a pose of
``tools/face_points.py`` is -5.5, their mean -5.2."""
AWAY = 1000.0
"""Millimetres of the head from the camera, which nobody knows: an arm and a half."""
LEAST_SPREAD = 1e-3
"""Of the points, in shares of the side, under which they are one point."""


def _head() -> Float64[np.ndarray, "k 3"]:
    """The used points of a head that looks ahead, in millimetres: x to the picture's right, y up, z out of the face;
    middle at the origin."""
    pupils = np.stack([MEAN_FACE[36:42].mean(0), MEAN_FACE[42:48].mean(0)])
    flat = (MEAN_FACE[list(USED)] - pupils.mean(0)) * (PUPILS / np.ptp(pupils[:, 0]))
    points = np.column_stack([flat[:, 0], -flat[:, 1], [DEPTHS[one] for one in USED]])
    tilt = math.radians(-LOOKS)
    seen = np.array([[1, 0, 0], [0, math.cos(tilt), -math.sin(tilt)], [0, math.sin(tilt), math.cos(tilt)]])
    return np.asarray((points - points.mean(0)) @ seen)  # back by the transposed turn


HEAD = _head()
HEAD.flags.writeable = False
_DOWN = np.array([1.0, -1.0, -1.0])
"""From y up and z to the camera to OpenCV's y down and z away from it."""


def pose_of_points(points: Float[np.ndarray, "n 68 2"]) -> Float64[np.ndarray, "n 3"]:
    """Yaw, pitch and roll in degrees, each in [-90, 90]: nose to the picture's right, nose up, head clockwise.

    The angles of :func:`mien.data.people.camera.rotation`. NaN of points that span nothing.

    Args:
        points: of iBUG 300-W, as shares of the crop's side; roll is that in the crop.
    """
    return np.array([_pose(np.asarray(one, np.float64)[list(USED)]) for one in points]).reshape(-1, 3)


def _pose(places: Float64[np.ndarray, "k 2"]) -> Float64[np.ndarray, " 3"]:
    spread = float(np.sqrt(places.var(0).sum()))
    if not np.isfinite(places).all() or spread < LEAST_SPREAD:
        return np.full(3, np.nan)
    # The picture is enlarged until these points span one; an ordinary head that far away does so too. Where it lies is
    # not known: its middle.
    focal = AWAY / float(np.sqrt(HEAD[:, :2].var(0).sum()))
    camera = np.array([[focal, 0.0, 0.0], [0.0, focal, 0.0], [0.0, 0.0, 1.0]])
    centred = (places - places.mean(0)) / spread
    ahead, away = np.zeros((3, 1)), np.array([[0.0], [0.0], [AWAY]])
    found, turn, _ = cv2.solvePnP(
        HEAD * _DOWN, centred, camera, None, ahead, away, useExtrinsicGuess=True, flags=cv2.SOLVEPNP_ITERATIVE
    )
    if not found or not np.isfinite(turn).all():
        return np.full(3, np.nan)
    matrix = cv2.Rodrigues(turn)[0] * np.outer(_DOWN, _DOWN)
    return angles_of(matrix).clip(-90, 90)


def angles_of(matrix: Float[np.ndarray, "3 3"]) -> Float64[np.ndarray, " 3"]:
    """Yaw, pitch and roll in degrees of a turn from the head (y up, z out of the face) to the camera."""
    yaw = np.arcsin(np.clip(-matrix[2, 0], -1, 1))
    pitch = -np.arctan2(matrix[2, 1], matrix[2, 2])
    return np.degrees([yaw, pitch, -np.arctan2(matrix[1, 0], matrix[0, 0])])
