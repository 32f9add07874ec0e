"""From light to the pixels of a crop: tone curve, white balance, lens, resolution, noise, sharpening, JPEG."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from mien.data.people import photons

Generator = np.random.Generator
Linear = Float32[np.ndarray, "h w 3"]
SHOULDER, BRIGHTEST, CURVE_STEPS = 0.6, 2.5, 8192
WARM, MAGENTA = np.array([1.0, 0.0, -1.0]), np.array([0.5, -1.0, 0.5])
"""Directions in which white balance errs, in logarithms of red, green and blue."""


@dataclass(frozen=True, eq=False)
class Sensor:
    """A camera and what its pictures went through.

    Attributes:
        balance: factors of red, green and blue.
        gamma: of the tone curve; 2.2 is plain.
        contrast, offset: after it.
        colour: 0 for grey pictures, 1 for plain colour.
        side: pixels of the face in the frame it was cut from, as a share of the crop's side.
        blur: of the lens, standard deviation as a share of the side.
        noise: standard deviation, as a share of white.
        sharpen: how much of the difference to a blurred copy is added.
        quality: of a JPEG in between; 0: none.
        edge: share of the crop that lies beyond the frame on one side, and which side (0 to 3); the last pixels go on.
    """

    balance: Float32[np.ndarray, 3]
    gamma: float
    contrast: float
    offset: float
    colour: float
    side: float
    blur: float
    noise: float
    sharpen: float
    quality: int
    edge: tuple[float, int]


def draw_sensor(grey: float, rng: Generator) -> Sensor:
    """Some camera; a share ``grey`` of them without colour."""
    return Sensor(
        balance=np.exp(rng.normal(0, 0.06) * WARM + rng.normal(0, 0.02) * MAGENTA).astype(np.float32),
        gamma=float(rng.uniform(1.7, 2.5)),
        contrast=math.exp(rng.normal(0.08, 0.15)),
        offset=float(rng.normal(0, 0.04)),
        colour=0.0 if rng.random() < grey else float(rng.uniform(0.5, 1.25)),
        side=math.exp(rng.uniform(math.log(0.38), math.log(1.6))),
        blur=float(rng.uniform(0.002, 0.016)) if rng.random() < 0.25 else 0.0,
        noise=float(rng.choice([0.004, rng.uniform(0, 0.022)])),
        sharpen=float(rng.uniform(0.2, 1.2)) if rng.random() < 0.45 else 0.0,
        quality=int(rng.integers(45, 96)) if rng.random() < 0.7 else 0,
        edge=(float(rng.uniform(0.03, 0.14)), int(rng.integers(4))) if rng.random() < 0.05 else (0.0, 0),
    )


def expose(image: Linear, sensor: Sensor, size: int, rng: Generator) -> UInt8[np.ndarray, "3 s s"]:
    """A picture in linear light as a crop of ``size`` pixels, RGB; ``rng`` draws the noise."""
    side = max(12, min(round(size * sensor.side), len(image)))
    if sensor.blur > 0:
        image = cv2.GaussianBlur(image, (0, 0), sensor.blur * len(image))
    image = np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), np.float32)
    noise = sensor.noise * rng.standard_normal((side, side, 3 if sensor.colour else 1), np.float32)
    look = np.array([sensor.colour, sensor.contrast, sensor.offset], np.float32)
    photons.develop(image, sensor.balance, tone_curve(sensor.gamma), BRIGHTEST, look, noise)
    if sensor.sharpen:
        image = cv2.addWeighted(image, 1 + sensor.sharpen, cv2.GaussianBlur(image, (0, 0), 1.0), -sensor.sharpen, 0)
    pixels = cv2.convertScaleAbs(np.maximum(image, 0), alpha=255)
    if sensor.quality:
        _, code = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, sensor.quality])
        pixels = np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR), np.uint8)
    if side != size:
        how = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
        pixels = np.asarray(cv2.resize(pixels, (size, size), interpolation=how), np.uint8)
    _go_on(pixels, sensor.edge)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


@lru_cache(maxsize=4)
def tone_curve(gamma: float) -> Float32[np.ndarray, " k"]:
    """Values of a picture for light from 0 to :data:`BRIGHTEST`: highlights above .6 roll off, then the power."""
    light = np.linspace(0, BRIGHTEST, CURVE_STEPS)
    light = np.where(light < SHOULDER, light, 1 - (1 - SHOULDER) * np.exp((SHOULDER - light) / (1 - SHOULDER)))
    return np.asarray(light ** (1 / gamma), np.float32)


def _go_on(pixels: UInt8[np.ndarray, "s s 3"], edge: tuple[float, int]) -> None:
    """Repeat the last pixels where the crop reaches over the frame's edge, as alignment does."""
    width = round(edge[0] * len(pixels))
    if width:
        turned = np.rot90(pixels, edge[1])
        turned[:width] = turned[width : width + 1].copy()
