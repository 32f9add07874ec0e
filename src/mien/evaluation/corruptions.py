"""What spoils pictures of faces in use, in fixed strengths and repeatable: blur, noise, JPEG, dark, hidden parts.

Every change takes the aligned crops of one clip and the number that seeds its noise. Lengths are shares of the crop's
side, so a crop of 48 pixels and one of 224 are spoilt alike. Eyes and mouth lie where alignment puts them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from jaxtyping import UInt8

from mien.core.registry import Registry
from mien.data.covers import GREY, Clip, Corruption

__all__ = ["CORRUPTIONS", "EYES", "GREY", "MOUTH", "Clip", "Corruption"]

EYES, MOUTH = (0.22, 0.48), (0.62, 0.90)
"""Top and bottom of the bands that hide them, as shares of an aligned crop's height."""


def blur(clip: Clip, seed: int, *, sigma: float) -> Clip:
    """Gaussian blur; ``sigma`` is a share of the side."""
    side = clip.shape[-1]
    return _each(clip, lambda image: cv2.GaussianBlur(image, (0, 0), sigma * side))


def noise(clip: Clip, seed: int, *, spread: float) -> Clip:
    """Gaussian noise, new in every pixel and frame; ``spread`` is its standard deviation as a share of white."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(0, 255 * spread, clip.shape)
    return np.clip(clip + drawn, 0, 255).round().astype(np.uint8)


def jpeg(clip: Clip, seed: int, *, quality: int) -> Clip:
    """JPEG, written and read again; ``quality`` from 0 to 100."""
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]

    def through(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
        written = cv2.imencode(".jpg", image[:, :, ::-1], options)[1]
        return np.asarray(cv2.imdecode(written, cv2.IMREAD_COLOR), np.uint8)[:, :, ::-1]

    return _each(clip, through)


def dark(clip: Clip, seed: int, *, light: float) -> Clip:
    """Less ``light`` (a share), rounded to whole steps as a camera does, with the noise of a sensor in the dark."""
    rng = np.random.default_rng(seed)
    drawn = rng.normal(0, 255 * 0.015, clip.shape)
    return np.clip(clip * light + drawn, 0, 255).round().astype(np.uint8)


def hide(clip: Clip, seed: int, *, band: tuple[float, float]) -> Clip:
    """A grey band over the whole width, from and to these shares of the height."""
    hidden, height = clip.copy(), clip.shape[-2]
    hidden[:, :, round(band[0] * height) : round(band[1] * height)] = GREY
    return hidden


def turn(clip: Clip, seed: int, *, degrees: float) -> Clip:
    """Turned in the picture's plane, to a side that the seed chooses: what alignment gets wrong."""
    side = clip.shape[-1]
    way = 1 if seed % 2 else -1
    matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), way * degrees, 1)
    return _each(clip, lambda image: cv2.warpAffine(image, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE))


def shrink(clip: Clip, seed: int, *, side: int) -> Clip:
    """A face that was ``side`` pixels wide in the video, enlarged to the crop."""
    large = clip.shape[-1]

    def there_and_back(image: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
        small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, (large, large), interpolation=cv2.INTER_LINEAR), np.uint8)

    return _each(clip, there_and_back)


def _each(clip: Clip, change: Callable[[UInt8[np.ndarray, "h w 3"]], np.ndarray]) -> Clip:
    frames = [change(np.ascontiguousarray(image.transpose(1, 2, 0))) for image in clip]
    return np.ascontiguousarray(np.stack(frames).transpose(0, 3, 1, 2))


CORRUPTIONS: Registry[Corruption] = Registry(
    "corruption",
    {
        "blur 3 %": partial(blur, sigma=0.03),
        "blur 6 %": partial(blur, sigma=0.06),
        "noise 5 %": partial(noise, spread=0.05),
        "noise 15 %": partial(noise, spread=0.15),
        "JPEG 30": partial(jpeg, quality=30),
        "JPEG 10": partial(jpeg, quality=10),
        "light 40 %": partial(dark, light=0.4),
        "light 15 %": partial(dark, light=0.15),
        "eyes hidden": partial(hide, band=EYES),
        "mouth hidden": partial(hide, band=MOUTH),
        "turned 15 degrees": partial(turn, degrees=15),
        "turned 30 degrees": partial(turn, degrees=30),
        "24 px": partial(shrink, side=24),
        "16 px": partial(shrink, side=16),
    },
)
"""By the name that tables give them."""
