"""The signals of a face that the shipped weights have: action units, head pose, gaze, closed eyes.

Left and right are the person's own. Directions are those of the picture: across to its right, up, and roll clockwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mien.core.action_units import ACTION_UNITS as KNOWN
from mien.core.action_units import REGIONS
from mien.core.signals import Signal

UNITS = {f"AU{number}": unit.name for number, unit in KNOWN.items()}
"""Names of FACS (Ekman & Friesen 1978). What mien says of them is learnt from a model and from rendered faces; no FACS
coder has looked at it. Closed eyes (AU43, and AU45, a blink) are the signal :data:`EYES_CLOSED`."""
TWO_SIDED = ("AU2", "AU4", "AU5", "AU6", "AU7", "AU9", "AU10", "AU12", "AU14", "AU15", "AU20", "AU24")
"""Those whose sources know left from right."""
SIDES = ("left", "right")
LEARNT = "learnt from another model and from rendered faces"

ACTION_UNITS = Signal(
    "action_units",
    tuple(name for unit in UNITS for name in ([f"{unit}_{side}" for side in SIDES] if unit in TWO_SIDED else [unit])),
    "flags",
    note=f"strengths, {LEARNT}; not validated against FACS coders",
)
"""Strengths from 0 to 1: of the movement a head's coefficient stands for, not FACS' letters A to E."""
POSE = Signal("pose", ("yaw", "pitch", "roll"), "scale", -90.0, 90.0, note=f"degrees, {LEARNT}")
"""Degrees of the head: yaw where the nose points to the picture's right, pitch where it points up, roll clockwise."""
POINTS_POSE = replace(POSE, note="degrees, from 68 points and one head in space for all")
"""The same columns by another way (:mod:`mien.models.poses`), and called so."""
GAZE = Signal("gaze", ("across", "up"), "scale", -45.0, 45.0, note=f"degrees from where the head points, {LEARNT}")
"""Degrees of the eyes, the mean of both, from where the head points."""
EYES_CLOSED = Signal("eyes_closed", SIDES, "flags", note=f"how far each eye is shut, {LEARNT}")
"""How far each eye is shut."""
COVERED = Signal(
    "covered",
    ("face", *REGIONS),
    "scale",
    note="share of what lies there that few clean faces look like; finds part of what is covered",
)
"""How much of the face, and of every region, something covers, 0 to 1. Not of the weights that ship."""
FACIAL = (ACTION_UNITS, POSE, GAZE, EYES_CLOSED)


def says_pose(signals: Iterable[Signal]) -> bool:
    """Whether mien's yaw, pitch and roll are among the signals, in whichever of both ways they were found."""
    return any(one in (POSE, POINTS_POSE) for one in signals)
