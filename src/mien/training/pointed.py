"""Grey faces with their 68 points: real ones that a teacher looked at, and rendered ones whose points are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from mien.core.errors import DataError
from mien.data.archives import read_members
from mien.data.ferplus import SplitName, read_faces
from mien.data.manifest import Split, load_manifest
from mien.data.people.exact import Exact, load_exact
from mien.data.pixels import read_clip
from mien.models.landmarks import POINTS
from mien.models.preprocess import to_unit
from mien.models.record import Preprocessing

SIDE = 48
"""Pixels of a face, as in FERPlus and in the crops of the shipped weights."""


@dataclass(frozen=True, eq=False)
class PointedFaces:
    """Faces and where their points lie.

    Attributes:
        images: grey.
        points: shares of the picture's sides, in iBUG's order.
    """

    images: UInt8[Tensor, "n 1 48 48"]
    points: Float32[Tensor, "n 68 2"]

    def __len__(self) -> int:
        return len(self.images)


def real_faces(data: Path, points: Path, split: SplitName) -> PointedFaces:
    """The faces of a FERPlus split in which the teacher found one.

    Args:
        data: the FERPlus ``.npz``.
        points: ``.npz`` with ``{split}_points`` (n, 68, 2) of its faces, NaN where there are none.
        split: which.

    Raises:
        DataError: a file that is missing or torn, or points of other faces.
    """
    images = read_faces(data, split)
    expected, fix = f"an .npz file with {split}_points ({len(images)}, 68, 2)", "make it with tools/face_points.py"
    if not points.is_file():
        raise DataError(expected, f"no file at {points}", fix)
    (places,) = read_members(points, (f"{split}_points",), expected, fix)
    if places.shape != (len(images), POINTS, 2) or places.dtype.kind != "f":
        raise DataError(expected, f"{points}: {places.shape} {places.dtype}", fix)
    found = np.isfinite(places).all((1, 2))
    if not found.any():
        raise DataError("points of at least one face", f"{points}: none of {split}", fix)
    return PointedFaces(
        torch.from_numpy(images[found])[:, None], torch.from_numpy(places[found].astype(np.float32, copy=False))
    )


def grey_faces(crops: UInt8[Tensor, "n 3 h w"]) -> UInt8[Tensor, "n 1 48 48"]:
    """Crops made grey and small as a crop in use is."""
    grey = to_unit(crops, Preprocessing(SIDE, SIDE, "grey"))[:, :1]
    return (grey * 255).round().to(torch.uint8)


def rendered_crops(
    folders: Sequence[Path], split: Split
) -> Iterator[tuple[UInt8[Tensor, "n 3 h w"], Exact, list[int]]]:
    """The frames of a split of sets of rendered people, some hundred items at a time.

    Args:
        folders: of ``mien prepare people``.
        split: which persons.

    Yields:
        All frames of some items, what is known of the whole set, and the items' places in it.

    Raises:
        DataError: no such set, or a picture of it cannot be read.
    """
    for folder in folders:
        manifest, exact = load_manifest(folder), load_exact(folder)
        if len(manifest) != len(exact.landmarks):
            got = f"{folder}: {len(manifest)} rows, points of {len(exact.landmarks)}"
            raise DataError("points of every row", got, "make the set with `mien prepare people`")
        wanted = [place for place, row in enumerate(manifest.rows) if row.split == split]
        for first in range(0, len(wanted), 256):
            some = wanted[first : first + 256]
            clips = [torch.from_numpy(read_clip(manifest, manifest.rows[place])) for place in some]
            yield torch.cat(clips), exact, some


def rendered_faces(folders: Sequence[Path], split: Split) -> PointedFaces:
    """The frames of a split of sets of rendered people, made grey and small as a crop in use is.

    Args:
        folders: of ``mien prepare people``.
        split: which persons.

    Raises:
        DataError: no such set, or a picture of it cannot be read.
    """
    images = [torch.empty(0, 1, SIDE, SIDE, dtype=torch.uint8)]
    points = [torch.empty(0, POINTS, 2)]
    for crops, exact, some in rendered_crops(folders, split):
        images.append(grey_faces(crops))
        places = np.concatenate(exact.landmarks[some])
        # Known in pixels, whole numbers in their middles.
        points.append((torch.from_numpy(places.astype(np.float32)) + 0.5) / crops.shape[-1])
    return PointedFaces(torch.cat(images), torch.cat(points))
