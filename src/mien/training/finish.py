"""What every run leaves beside its weights: how they were made, and their calibration from held-out items."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from mien.core import checks
from mien.core.files import whole_file
from mien.core.softmax import softmax
from mien.evaluation.calibration import bias_helps, fit_bias, temperature_alone, threshold_for
from mien.evaluation.metrics import confusion, expected_calibration_error, uar, war
from mien.models.net import Net

ABSTAIN_PRECISION = 0.95
"""Share of right answers, on the validation split, among those at or above the default threshold."""


@dataclass(frozen=True)
class Calibration:
    """What makes probabilities of logits, and what they are then worth on the items it was fitted on.

    Attributes:
        temperature: logits are divided by it.
        bias: of each class, added to the logits after the division; zeros where it does not help.
        threshold: the least confidence above which :data:`ABSTAIN_PRECISION` of the answers are right.
        figures: ``war``, ``uar`` and ``ece`` there, in [0, 1].
    """

    temperature: float
    bias: Float[np.ndarray, " c"]
    threshold: float
    figures: dict[str, float]

    def put_into(self, net: Net) -> None:
        """Add the bias to the head's, so that the network's logits need their temperature only."""
        with torch.no_grad():
            net.head.bias.add_(torch.from_numpy(self.bias * self.temperature).to(net.head.bias))


def calibrate(logits: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"]) -> Calibration:
    """Fit all three. Never on test items."""
    fit = fit_bias if bias_helps(logits, labels) else temperature_alone
    temperature, bias = fit(logits, labels)
    probabilities = softmax(logits / temperature + bias)
    threshold = threshold_for(ABSTAIN_PRECISION, probabilities, labels)
    return Calibration(temperature, bias, threshold, figures(probabilities, labels))


def uncalibrated(probabilities: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"]) -> Calibration:
    """Of items that must not calibrate what they then measure."""
    return Calibration(1.0, np.zeros(probabilities.shape[1]), 0.0, figures(probabilities, labels))


def figures(probabilities: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"]) -> dict[str, float]:
    """``war``, ``uar`` and ``ece``."""
    matrix = confusion(labels, probabilities.argmax(1), probabilities.shape[1])
    ece = expected_calibration_error(probabilities, labels)
    return {"war": war(matrix), "uar": uar(matrix), "ece": ece}


def write_facts(run: Any, dataset: str, fold: int = 0, protocol: str = "clean") -> None:
    """``run.json`` in the run's folder: every field of its dataclass, and what a later evaluation must know.

    Raises:
        ConfigError: a name that the weights cannot have; better said now than when they are written.
    """
    checks.file_name("--name", run.name)
    facts: dict[str, Any] = {"recipe": type(run).__name__, "dataset": dataset, "data": str(run.data.resolve())}
    facts |= {"fold": fold, "protocol": protocol, "fields": dataclasses.asdict(run)}
    with whole_file(run.out / "run.json") as draft:
        draft.write_text(json.dumps(facts, indent=2, default=str) + "\n")
