"""FERPlus: FER2013's 48x48 grey faces with ten crowd votes each (Barsoum et al., arXiv 1608.01041).

Read from one ``.npz`` with ``{train,valid,test}_images`` uint8 (n, 48, 48) and ``_votes`` uint8 (n, 10); vote columns
are the eight expressions of the ``ferplus`` label space, then "unknown" and "not a face".
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

from mien.core.errors import DataError
from mien.core.labels import LABEL_SPACES
from mien.data.archives import read_members

SPLITS = ("train", "valid", "test")
LABELS = LABEL_SPACES["ferplus"]
SplitName = Literal["train", "valid", "test"]


@dataclass(frozen=True, eq=False)
class FerPlusSplit:
    """One official split, with or without the rows the majority rule drops.

    Attributes:
        images: grey faces.
        targets: share of the votes per expression, after labels with a single vote are dropped; rows sum to 1.
        labels: the expression with the most votes (the first of equals).
    """

    images: UInt8[np.ndarray, "n 48 48"]
    targets: Float32[np.ndarray, "n c"]
    labels: Int64[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.labels)


def majority(votes: UInt8[np.ndarray, "n 10"]) -> Bool[np.ndarray, " n"]:
    """The rule papers report on: single votes dropped, the top label holds more than half of what is left and is one
    of the eight expressions (25,045 / 3,191 / 3,137 images).
    """
    kept = np.where(votes > 1, votes, 0).astype(np.int64)
    top = kept.argmax(1)
    keep: Bool[np.ndarray, " n"] = (kept.max(1) > 0.5 * kept.sum(1)) & (top < len(LABELS))
    return keep


def vote_shares(votes: UInt8[np.ndarray, "n 10"]) -> Float32[np.ndarray, "n c"]:
    """Share of each expression in what is left of the votes once single ones are dropped; rows sum to 1, or are 0."""
    kept = np.where(votes > 1, votes, 0)[:, : len(LABELS)].astype(np.float32)
    shares: Float32[np.ndarray, "n c"] = kept / np.maximum(kept.sum(1, keepdims=True), 1)
    return shares


def read_ferplus(path: Path, split: SplitName, majority_only: bool = True) -> FerPlusSplit:
    """Read one split.

    Args:
        path: the ``.npz`` file.
        split: which official split (FER2013 Training, PublicTest, PrivateTest).
        majority_only: keep only rows that pass :func:`majority`; else every row with a vote for an expression.

    Raises:
        DataError: the file is missing or is not such an archive.
    """
    votes, images = _arrays(path, split)
    shares = vote_shares(votes)
    keep = majority(votes) if majority_only else shares.any(1)
    targets = shares[keep]
    return FerPlusSplit(images[keep], targets, targets.argmax(1).astype(np.int64))


def read_faces(path: Path, split: SplitName) -> UInt8[np.ndarray, "n 48 48"]:
    """Every face of a split, voted on or not. Raises DataError as :func:`read_ferplus`."""
    return _arrays(path, split)[1]


def _arrays(path: Path, split: str) -> tuple[UInt8[np.ndarray, "n 10"], UInt8[np.ndarray, "n 48 48"]]:
    expected = f"an .npz file with {split}_images (n, 48, 48) and {split}_votes (n, 10), both uint8"
    fix = "see docs/train-ferplus.md for how it is made"
    if not path.is_file():
        raise DataError(expected, f"no file at {path}", fix)
    votes, images = read_members(path, (f"{split}_votes", f"{split}_images"), expected, fix)
    alike = images.ndim == 3 and images.shape[1:] == (48, 48) and votes.shape == (len(images), 10)
    if not alike or images.dtype != np.uint8 or votes.dtype.kind not in "ui":
        raise DataError(expected, f"{path}: {images.shape} {images.dtype} and {votes.shape} {votes.dtype}", fix)
    return votes, images
