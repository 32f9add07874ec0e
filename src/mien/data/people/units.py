"""Names of movements: those of trackers (ARKit, MediaPipe) and those of the model are the same words, spelt apart.

``mouthSmileLeft`` is ``mouthSmile_L``; ``browInnerUp`` and ``cheekPuff``, one number there, are two here. Left is the
person's own in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32

from mien.core.errors import DataError

Names = Sequence[str]

LEFT_OUT = ("_neutral", "tongueOut")
"""Of trackers, without a movement in the model: the first is none, the tongue stays in."""
SIDES = (("Left", "_L"), ("Right", "_R"))


def to_model(given: Names, model: Names) -> Float32[np.ndarray, "g m"]:
    """The matrix that takes a tracker's coefficients to the model's: ``coefficients @ matrix``.

    Raises:
        DataError: a name that stands for nothing in the model.
    """
    places = _places(tuple(model))
    matrix = np.zeros((len(given), len(model)), np.float32)
    strangers = []
    for row, name in zip(matrix, given, strict=True):
        meant = [spelling for spelling in _spellings(name) if spelling in places]
        row[[places[spelling] for spelling in meant]] = 1
        if not meant and name not in LEFT_OUT:
            strangers.append(name)
    if strangers:
        fix = "leave these columns out, or spell them as ARKit does"
        raise DataError("coefficients of movements that the model has", ", ".join(strangers), fix)
    return matrix


@lru_cache(maxsize=8)
def _places(names: tuple[str, ...]) -> dict[str, int]:
    return {name: number for number, name in enumerate(names)}


def _spellings(name: str) -> list[str]:
    for word, mark in SIDES:
        if name.endswith(word) and name.removesuffix(word) not in ("jaw", "mouth"):
            return [name.removesuffix(word) + mark]
    return [name, f"{name}_L", f"{name}_R"]


def sides(stem: str, model: Names) -> tuple[int | None, int | None, int | None]:
    """Places of a movement: without a side, on the person's left, on their right; None where there is no such."""
    places = _places(tuple(model))
    return places.get(stem), places.get(f"{stem}_L"), places.get(f"{stem}_R")


def mirrored(coefficients: Float[np.ndarray, "*b m"], model: Names) -> Float32[np.ndarray, "*b m"]:
    """Left and right exchanged."""
    places = _places(tuple(model))
    order = [places.get(_other_side(name), number) for number, name in enumerate(model)]
    return np.asarray(coefficients, np.float32)[..., order]


def _other_side(name: str) -> str:
    for one, other in (("_L", "_R"), ("_R", "_L"), ("Left", "Right"), ("Right", "Left")):
        if name.endswith(one):
            return name.removesuffix(one) + other
    return name


def possible(coefficients: Float[np.ndarray, "*b m"], model: Names) -> Float32[np.ndarray, "*b m"]:
    """Within [0, 1], and without what faces cannot do: lips closed further than the jaw is open, lids shut and wide."""
    out = np.clip(np.asarray(coefficients, np.float32), 0, 1)
    places = _places(tuple(model))
    if "mouthClose" in places and "jawOpen" in places:
        out[..., places["mouthClose"]] = np.minimum(out[..., places["mouthClose"]], out[..., places["jawOpen"]])
    for mark in ("_L", "_R"):
        if f"eyeWide{mark}" in places and f"eyeBlink{mark}" in places:
            wide, blink = places[f"eyeWide{mark}"], places[f"eyeBlink{mark}"]
            out[..., wide] *= np.clip(1 - 2 * out[..., blink], 0, 1)
    return out
