"""NumPy archives of others, read so that damage is said in words and nothing in them runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from mien.core.errors import DataError


def read_members(path: Path, keys: tuple[str, ...], expected: str, fix: str) -> list[Shaped[np.ndarray, ...]]:
    """The arrays of an ``.npz`` under ``keys``; one that is not there, or not whole, raises DataError."""
    try:
        with np.load(path) as archive:
            return [archive[key] for key in keys]
    except Exception as error:  # a damaged archive raises whatever ZIP, zlib and NumPy's headers do
        got = f"{path}: {type(error).__name__}: {str(error)[:200]}"
        raise DataError(expected, got, fix) from error
