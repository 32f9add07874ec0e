"""Pictures of other libraries as NumPy arrays: PIL, torch, and whatever gives itself to NumPy.

Nothing is imported to find out what something is: who holds an image of PIL has imported PIL.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from jaxtyping import Shaped

from mien.core.errors import SourceError
from mien.media.orientation import EXIF_ORIENTATIONS, UPRIGHT, Orientation

ORIENTATION_TAG = 0x0112
PLAIN_MODES = frozenset({"1", "L", "RGB", "RGBA", "F", "I", "I;16", "I;16L", "I;16B", "I;16N"})
"""Modes of PIL whose pixels are what NumPy is given; the others are converted."""
CLEAR_MODES = frozenset({"RGBA", "RGBa", "LA", "La", "PA"})


def is_picture(item: Any) -> bool:
    """True for an array, a tensor, an image of PIL, and what gives itself to NumPy as an array; False for a table."""
    return is_pil(item) or is_array_like(item)


def is_array_like(item: Any) -> bool:
    """True for what :func:`as_array` takes: arrays and tensors, on any device; False for numbers and tables."""
    if isinstance(item, np.ndarray) or is_tensor(item):
        return True
    gives = hasattr(item, "__array__") or hasattr(item, "__array_interface__")
    return gives and not (is_pil(item) or isinstance(item, np.generic | type) or hasattr(item, "columns"))


def is_tensor(item: Any) -> bool:
    """True for a tensor of torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(item, torch.Tensor)


def is_pil(item: Any) -> bool:
    """True for an image of PIL."""
    pil = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(item, pil.Image)


def as_array(item: Any, name: str) -> Shaped[np.ndarray, "*shape"]:
    """An array, a tensor (wherever it lies, with or without gradient), or what gives itself to NumPy.

    Args:
        item: what it is.
        name: what to call it in an error.

    Raises:
        SourceError: nothing of the kind, or an array with masked values.
    """
    if not is_array_like(item):
        got = f"a {type(item).__qualname__} for {name}"
        raise SourceError("pictures: arrays, tensors or images of PIL", got, "make an array of shape (h, w, 3) of it")
    if isinstance(item, np.ma.MaskedArray) and np.ma.is_masked(item):
        raise SourceError("a picture without holes", f"masked pixels in {name}", "fill them with .filled(value)")
    try:
        return np.asarray(_on_the_cpu(item) if is_tensor(item) else item)
    except Exception as error:  # other libraries raise what they like
        got = f"{name}, a {type(item).__qualname__} that it cannot: {error}"
        raise SourceError("pictures that NumPy can read", got, "copy it to the CPU as a dense array") from error


def _on_the_cpu(tensor: Any) -> Any:
    # NumPy has no bfloat16; float32 is fine enough for floats in [0, 1].
    plain = tensor.detach().cpu()
    return (plain.float() if plain.is_floating_point() else plain).numpy()


def as_shown(image: Any, name: str) -> tuple[Shaped[np.ndarray, "*shape"], Orientation]:
    """The pixels of an image of PIL, and how its EXIF says that they are to be turned.

    Colours of a palette are looked up, other colour spaces converted, transparency is a fourth plane.

    Args:
        image: a ``PIL.Image.Image``.
        name: what to call it in an error.

    Raises:
        SourceError: PIL cannot read or convert it.
    """
    try:
        turn = EXIF_ORIENTATIONS.get(image.getexif().get(ORIENTATION_TAG), UPRIGHT)
        if "transparency" in image.info or image.mode in CLEAR_MODES:
            image = image.convert("RGBA")
        return np.asarray(image if image.mode in PLAIN_MODES else image.convert("RGB")), turn
    except Exception as error:  # PIL raises many kinds: closed, cut off, a mode that it does not convert
        fix = "check that it opens, and convert it to RGB"
        raise SourceError("an image that PIL can read", f"{name}: {error}", fix) from error


def frame_count(image: Any) -> int:
    """Frames of an image of PIL, 1 where it does not say. The second view in a phone's MPO is not counted."""
    if image.format == "MPO":
        return 1
    try:
        return int(getattr(image, "n_frames", 1))
    except (OSError, EOFError, ValueError, SyntaxError):  # a damaged file: reading its pixels will say so
        return 1
