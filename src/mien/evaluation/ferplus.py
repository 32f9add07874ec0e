"""The FERPlus ``.npz`` as a set: the majority images of its splits, through the path that every other set takes."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.core.errors import DataError
from mien.data.ferplus import LABELS, SplitName, majority
from mien.data.manifest import SPLITS, Manifest, Row
from mien.evaluation.report import Report, make_report

if TYPE_CHECKING:
    from mien.models.zoo import LoadedModel


def ferplus_rows(path: Path) -> Manifest:
    """The rows of every split that the archive has and that pass :func:`mien.data.ferplus.majority`.

    Raises:
        DataError: not such an archive.
    """
    try:
        with np.load(path) as archive:
            votes = {split: archive[f"{split}_votes"] for split in SPLITS if f"{split}_votes" in archive}
        rows = tuple(
            Row(
                f"{split}-{row}", f"{path.name}#{split}_images/{row}", "array", LABELS.labels[cast[row].argmax()], split
            )
            for split, cast in votes.items()
            for row in np.flatnonzero(majority(cast))
        )
    except (ValueError, IndexError, OSError, zipfile.BadZipFile) as error:
        expected = "an .npz file with {train,valid,test}_images (n, 48, 48) and _votes (n, 10), both uint8"
        raise DataError(expected, f"{path}: {error}", "see docs/train-ferplus.md for how it is made") from error
    return Manifest("ferplus", LABELS, rows, path.parent)


def evaluate_ferplus(model: LoadedModel, data: Path, split: SplitName = "test") -> Report:
    """All figures on the majority images of a split.

    Raises:
        ConfigError: the model's labels are not FERPlus' eight.
        DataError: see :func:`ferplus_rows`.
    """
    from mien.evaluation.views import predict_clips

    return make_report(predict_clips(model, ferplus_rows(data).select(split)))
