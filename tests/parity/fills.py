"""Numbers by name, as the figures beside this file were made (NumPy's PCG64 is stable), and the figures."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np


def uniform(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """In [0, 1)."""
    return np.random.Generator(np.random.PCG64(zlib.crc32(name.encode()))).random(shape)


def weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Of a network that is filled to stay in range: matrices of variance 1 / inputs, norms about 1, small biases."""
    centred = uniform(name, shape) - 0.5
    if name.endswith("bias"):
        return (0.1 * centred).astype(np.float32)
    scaled = 1 + 0.2 * centred if len(shape) == 1 else centred * np.sqrt(12 / np.prod(shape[1:]))
    return scaled.astype(np.float32)


def official(name: str) -> Any:
    """Figures of the authors' own code, ``official_<name>.json``."""
    return json.loads((Path(__file__).parent / f"official_{name}.json").read_text())
