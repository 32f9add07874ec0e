"""The report of a model on one labelled split: every figure with its interval, per class, calibrated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from mien.core.labels import LabelSpace
from mien.evaluation.calibration import coverage
from mien.evaluation.metrics import bootstrap, confusion, expected_calibration_error, recalls, uar, war


@dataclass(frozen=True, eq=False)
class Report:
    """What a model does on labelled items.

    Attributes:
        items: how many.
        war: accuracy and its 95 % interval.
        uar: mean recall and its 95 % interval.
        recall: per label.
        ece: expected calibration error (15 bins).
        answered: share of items at or above the model's threshold.
        precision_answered: accuracy on those.
        confusion: true class in the row, predicted in the column.
        labels: names of rows and columns.
    """

    items: int
    war: tuple[float, float, float]
    uar: tuple[float, float, float]
    recall: dict[str, float]
    ece: float
    answered: float
    precision_answered: float
    confusion: Int[np.ndarray, "c c"]
    labels: LabelSpace

    def scores(self, prefix: str) -> dict[str, float]:
        """The figures a weights record keeps, rounded to four places, their names beginning with ``prefix``."""
        plain = {"war": self.war[0], "uar": self.uar[0], "ece": self.ece, "answered": self.answered}
        return {f"{prefix}_{name}": round(value, 4) for name, value in plain.items()}

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        plain = {name: getattr(self, name) for name in ("items", "recall", "ece", "answered", "precision_answered")}
        for name in ("war", "uar"):
            value, low, high = getattr(self, name)
            plain[name] = {"value": value, "low": low, "high": high}
        return plain | {"confusion": self.confusion.tolist(), "labels": list(self.labels.labels)}

    def to_markdown(self) -> str:
        """A small table for people."""
        rows = ["| figure | value | 95 % interval |", "|---|---|---|"]
        for name in ("war", "uar"):
            value, low, high = getattr(self, name)
            rows.append(f"| {name.upper()} | {100 * value:.2f} % | {100 * low:.2f} to {100 * high:.2f} |")
        rows.append(f"| ECE | {self.ece:.4f} | |")
        rows.append(f"| answered at the threshold | {100 * self.answered:.1f} % | |")
        rows.append(f"| right when answered | {100 * self.precision_answered:.2f} % | |")
        rows += [f"| recall, {label} | {100 * value:.1f} % | |" for label, value in self.recall.items()]
        return "\n".join(rows)


def evaluate_predictions(
    probabilities: Float[np.ndarray, "n c"], labels: Int[np.ndarray, " n"], space: LabelSpace, threshold: float
) -> Report:
    """All figures of calibrated probabilities against labels."""
    predictions, classes = probabilities.argmax(1), len(space)
    matrix = confusion(labels, predictions, classes)
    answered, precision = coverage(threshold, probabilities, labels)
    return Report(
        items=len(labels),
        war=(war(matrix), *bootstrap(war, labels, predictions, classes)),
        uar=(uar(matrix), *bootstrap(uar, labels, predictions, classes)),
        recall=dict(zip(space.labels, recalls(matrix).tolist(), strict=True)),
        ece=expected_calibration_error(probabilities, labels),
        answered=answered,
        precision_answered=precision,
        confusion=matrix,
        labels=space,
    )
