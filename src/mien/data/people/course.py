"""What a face does over time: an expression comes, stays and goes, or turns into another; eyes move; lips speak."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import get_args

import numpy as np
from jaxtyping import Float32, Float64

from mien.data.people.apex import Apex, together
from mien.data.people.settings import ANY, Course, Kind
from mien.data.people.units import Names, possible, sides

Generator = np.random.Generator
Times = Float64[np.ndarray, " t"]
Curve = Float64[np.ndarray, "t ..."]
Coefficients = Float32[np.ndarray, "t m"]

KINDS: tuple[Kind, ...] = get_args(Kind)
CHANCES = (0.2, 0.25, 0.15, 0.25, 0.15)
ONSET, OFFSET, STAY = (0.15, 0.7), (0.3, 1.2), (0.3, 1.8)
"""Seconds that an expression takes to come and to go, and that it stays: a choice, quicker to come than to go."""
LAG = 0.05
"""Seconds (standard deviation) by which a movement comes before or after the others."""

VISEMES: tuple[dict[str, float], ...] = (
    {},
    {"mouthPress": 0.4, "mouthRollLower": 0.2},
    {"jawOpen": 0.22, "mouthLowerDown": 0.15},
    {"jawOpen": 0.12, "mouthStretch": 0.2, "mouthUpperUp": 0.1},
    {"jawOpen": 0.12, "mouthFunnel": 0.45},
    {"jawOpen": 0.05, "mouthPucker": 0.5},
    {"jawOpen": 0.06, "mouthRollLower": 0.35, "mouthUpperUp": 0.2},
)
"""Mouths of sounds: rest, m, a, e, o, u, f."""


@dataclass(frozen=True, eq=False)
class Play:
    """A face over a clip.

    Attributes:
        coefficients: of every movement, in [0, 1].
        shares: what raters would say of each frame; rows sum to 1.
        strength: of the expression, 0 to 1.
        kind: its course.
        label: of the strongest expression.
        speaks: whether the lips speak.
    """

    coefficients: Coefficients
    shares: Float32[np.ndarray, "t c"]
    strength: Float32[np.ndarray, " t"]
    kind: Kind
    label: str
    speaks: bool


def act(
    apex: Apex, other: Apex, times: Times, names: Names, speech: float, rng: Generator, wanted: Course = ANY
) -> Play:
    """Show ``apex`` over ``times`` (seconds from 0); a blend begins or ends with ``other``. A clip's course is drawn
    unless one is ``wanted``.

    A still is held. Only expressions other than neutral and surprise speak in stills: an open mouth that is called
    neutral unlearns surprise.
    """
    moving = len(times) > 1
    kind: Kind = KINDS[int(rng.choice(len(KINDS), p=CHANCES))] if moving else "held"
    if moving and wanted != ANY:
        kind = wanted
    begin, onset, stay, offset = _timing(kind, float(times[-1]), rng)
    envelope = course(times, begin, onset, stay, offset)
    lags = rng.normal(0, LAG, len(names)) if moving else np.zeros(len(names))
    coefficients = course(times[:, None] - lags, begin, onset, stay, offset) * apex.coefficients
    shares, strength = apex.shares(envelope), apex.strength * envelope
    label = apex.label
    if kind == "blend":
        rest = 1 - course(times, begin, onset, stay, offset)
        coefficients += rest[:, None] * other.coefficients
        shares = together(shares, other.shares(rest))
        strength = np.maximum(strength, other.strength * rest)
        label = apex.label if apex.strength >= other.strength else other.label
    speaks = bool(rng.random() < speech) and (moving or label not in ("neutral", "surprise"))
    if speaks:
        coefficients = coefficients + speaking(times, names, rng) * (1 - 0.5 * envelope[:, None])
    coefficients = coefficients + idling(times, names, rng)
    quiet = label not in ("surprise", "fear")
    coefficients = coefficients + gazing(times, names, rng) + blinking(times, names, quiet, rng)
    shown = possible(coefficients, names)
    return Play(shown, shares, strength.astype(np.float32), kind, label, speaks)


def course(times: Curve, begin: float, onset: float, stay: float, offset: float) -> Curve:
    """0 until ``begin``, up within ``onset`` seconds, 1 for ``stay``, down within ``offset``; softly."""
    up, down = _soft((times - begin) / onset), _soft((times - begin - onset - stay) / offset)
    return np.asarray(up * (1 - down), np.float64)


def _timing(kind: Kind, end: float, rng: Generator) -> tuple[float, float, float, float]:
    """Begin, onset, stay and offset in seconds for a clip that lasts until ``end``."""
    onset, offset, stay = rng.uniform(*ONSET), rng.uniform(*OFFSET), rng.uniform(*STAY)
    if kind == "held":
        return -60.0, onset, math.inf, offset
    if kind == "offset":
        return -60.0, onset, 60 - onset + rng.uniform(-0.3 * offset, 0.7 * end), offset
    if kind == "passing":
        whole = onset + stay + offset
        return rng.uniform(min(0, end - whole), max(0.5 * end, 0.05)), onset, stay, offset
    return rng.uniform(-0.3 * onset, 0.7 * end), onset, math.inf, offset


def speaking(times: Times, names: Names, rng: Generator) -> Coefficients:
    """Mouths of sounds one after the other, three to six a second, with pauses."""
    pace, end = rng.uniform(3, 6), float(times[-1])
    keys = np.arange(-1, end * pace + 3) / pace - rng.random() / pace
    loud = rng.uniform(0.5, 1.2)
    mouths = np.zeros((len(keys), len(names)), np.float32)
    for row in mouths:
        for stem, value in VISEMES[int(rng.integers(len(VISEMES)))].items():
            _both(row, stem, names, loud * value * rng.uniform(0.6, 1.3))
    after = np.clip(np.searchsorted(keys, times), 1, len(keys) - 1)
    share = _soft((times - keys[after - 1]) * pace)[:, None]
    return np.asarray(mouths[after - 1] * (1 - share) + mouths[after] * share, np.float32)


def gazing(times: Times, names: Names, rng: Generator) -> Coefficients:
    """Eyes rest on one place and jump to the next; half of the faces look into the camera most of the time."""
    out = np.zeros((len(times), len(names)), np.float32)
    spread = rng.choice([0.08, 0.35])
    stop = 0.0
    while stop <= times[-1]:
        across, up = rng.normal(0, spread), rng.normal(0, 0.7 * spread)
        now, stop = times >= stop, stop + rng.uniform(0.4, 3.0)
        out[now] = 0
        row = np.zeros(len(names), np.float32)
        for stem, left, right in (("eyeLookOut", across, -across), ("eyeLookIn", -across, across)):
            _, on_left, on_right = sides(stem, names)
            for place, value in ((on_left, left), (on_right, right)):
                if place is not None:
                    row[place] = max(value, 0)
        _both(row, "eyeLookUp", names, max(up, 0))
        _both(row, "eyeLookDown", names, max(-up, 0))
        out[now] = row
    return out


def blinking(times: Times, names: Names, droop: bool, rng: Generator) -> Coefficients:
    """Lids: how far they hang, and blinks of .3 s every three seconds or so; a still has one shut face in twenty."""
    hang = rng.choice([0.0, rng.uniform(0, 0.22)]) if droop else 0.0
    shut = np.full(len(times), hang)
    if len(times) == 1:
        shut[:] = rng.uniform(0.6, 1.0) if rng.random() < 0.05 and droop else hang
    else:
        at = rng.exponential(2.5)
        while at < times[-1] + 0.2:
            shut = np.maximum(shut, _soft((times - at + 0.1) / 0.1) * (1 - _soft((times - at) / 0.2)))
            at += 0.3 + rng.exponential(3.0)
    out = np.zeros((len(times), len(names)), np.float32)
    for row, value in zip(out, shut, strict=True):
        _both(row, "eyeBlink", names, float(value))
    return out


def idling(times: Times, names: Names, rng: Generator) -> Coefficients:
    """Small movements that mean nothing, up to a tenth, a quarter of them at a time."""
    amount = np.abs(rng.normal(0, 0.05, len(names))) * (rng.random(len(names)) < 0.25)
    still = ("eyeLook", "eyeBlink", "jaw", "Pupil", "mouthClose", "mouthLeft", "mouthRight", "cheekPuff")
    amount[[name.startswith(still) for name in names]] = 0
    phase, pace = rng.uniform(0, 2 * math.pi, len(names)), rng.uniform(0.05, 0.5, len(names))
    wave = 0.6 + 0.4 * np.sin(2 * math.pi * pace * times[:, None] + phase)
    return np.asarray(amount * wave, np.float32)


def _both(row: Float32[np.ndarray, " m"], stem: str, names: Names, value: float) -> None:
    for place in sides(stem, names):
        if place is not None:
            row[place] += value


def _soft(share: Curve) -> Curve:
    share = np.clip(share, 0, 1)
    return np.asarray(share * share * (3 - 2 * share))
