"""A model's report on a FERPlus split: the published crops through the path use takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mien.core.errors import ConfigError
from mien.data.ferplus import LABELS, SplitName, read_ferplus
from mien.evaluation.predictions import Predictions
from mien.evaluation.report import Report, make_report
from mien.models.zoo import LoadedModel


def evaluate_ferplus(model: LoadedModel, data: Path, split: SplitName = "test", batch: int = 128) -> Report:
    """All figures on the majority images of a split.

    Raises:
        ConfigError: the model's labels are not FERPlus' eight.
        DataError: see :func:`mien.data.ferplus.read_ferplus`.
    """
    if model.record.labels.labels != LABELS.labels:
        raise ConfigError("a model with the labels of ferplus", model.record.labels.name, "choose another model")
    faces = read_ferplus(data, split)
    chunks = [faces.images[i : i + batch] for i in range(0, len(faces), batch)]
    probabilities = [model.probabilities(np.repeat(chunk[:, None, None], 3, axis=2)) for chunk in chunks]
    ids = tuple(f"{split}-{row}" for row in range(len(faces)))
    return make_report(
        Predictions(
            *(ids, LABELS, np.concatenate(probabilities), faces.labels, "ferplus", split),
            model=model.record.name,
            threshold=model.record.threshold,
        )
    )
