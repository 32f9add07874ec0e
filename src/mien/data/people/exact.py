"""What is known exactly of every item of a set, beside its manifest: movements, points, pose, gaze, blinks."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float16, Float32, Int64

from mien.core.errors import DataError
from mien.core.files import whole_file

if TYPE_CHECKING:
    from mien.data.people.studio import Item

EXACT = "exact.npz"
PER_ITEM = ("number", "person", "tone", "glasses", "speaks", "style", "course", "cover", "votes")
PER_FRAME = ("shares", "strength", "coefficients", "landmarks", "pose", "gaze", "blink")
HALF = ("shares", "coefficients", "landmarks", "pose", "gaze", "blink", "strength")
"""Kept as 16-bit numbers: within .001 of a share, .06 of a pixel at 112 and .02 of a degree."""


@dataclass(frozen=True, eq=False)
class Exact:
    """Labels of n items of t frames, as the manifest's rows; units as in :class:`mien.data.people.studio.Item`.

    Attributes:
        names: of the movements.
        number, person: of each item.
        tone: of the skin.
        glasses, speaks: as they say.
        style, course, cover: words.
        votes: shares of the clip.
        shares, strength, coefficients, landmarks, pose, gaze, blink: of each frame.
    """

    names: tuple[str, ...]
    number: Int64[np.ndarray, " n"]
    person: Int64[np.ndarray, " n"]
    tone: Float32[np.ndarray, " n"]
    glasses: Bool[np.ndarray, " n"]
    speaks: Bool[np.ndarray, " n"]
    style: np.ndarray
    course: np.ndarray
    cover: np.ndarray
    votes: Float32[np.ndarray, "n c"]
    shares: Float16[np.ndarray, "n t c"]
    strength: Float16[np.ndarray, "n t"]
    coefficients: Float16[np.ndarray, "n t m"]
    landmarks: Float16[np.ndarray, "n t 68 2"]
    pose: Float16[np.ndarray, "n t 3"]
    gaze: Float16[np.ndarray, "n t 2 2"]
    blink: Float16[np.ndarray, "n t 2"]

    def __len__(self) -> int:
        return len(self.number)

    def save(self, path: Path) -> None:
        """Write it, whole or not at all."""
        with whole_file(path) as draft:
            np.savez_compressed(draft, names=self.names, **{name: getattr(self, name) for name in PER_ITEM + PER_FRAME})


def exact_of(items: Sequence[Item], names: tuple[str, ...]) -> Exact:
    """Without the pictures."""
    columns = {name: np.stack([np.asarray(getattr(item, name)) for item in items]) for name in PER_ITEM + PER_FRAME}
    columns["tone"] = columns["tone"].astype(np.float32)
    return Exact(
        names, **{name: column.astype(np.float16) if name in HALF else column for name, column in columns.items()}
    )


def joined(parts: Sequence[Exact], count: int) -> Exact:
    """The first ``count`` items of consecutive parts."""
    columns = {name: np.concatenate([getattr(part, name) for part in parts])[:count] for name in PER_ITEM + PER_FRAME}
    return Exact(parts[0].names, **columns)


def load_exact(path: Path) -> Exact:
    """Read what :meth:`Exact.save` wrote; a set's folder stands for the file in it.

    Raises:
        DataError: missing, or not such a file.
    """
    path = path / EXACT if path.is_dir() else path
    expected, fix = f"{EXACT} of a set of rendered people", "make the set with `mien prepare people`"
    if not path.is_file():
        raise DataError(expected, f"no file at {path}", fix)
    try:
        with np.load(path) as archive:
            names = tuple(str(name) for name in archive["names"])
            return Exact(names, **{name: archive[name] for name in PER_ITEM + PER_FRAME})
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(expected, f"{path}: {error}", fix) from error
