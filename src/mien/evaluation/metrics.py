"""Figures for predictions on labelled items, in the field's terms.

WAR, the weighted average recall, is the accuracy; UAR, the unweighted average recall, is the mean of the classes'
recalls, so that a rare class counts as much as a common one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

Labels = Int[np.ndarray, " n"]
Probabilities = Float[np.ndarray, "n c"]


def confusion(labels: Labels, predictions: Labels, classes: int) -> Int[np.ndarray, "c c"]:
    """Counts with the true class in the row and the predicted one in the column."""
    counts = np.bincount(labels * classes + predictions, minlength=classes * classes)
    return counts.reshape(classes, classes)


def recalls(matrix: Int[np.ndarray, "c c"]) -> Float[np.ndarray, " c"]:
    """Share of each true class that was found; NaN for a class without items."""
    totals = matrix.sum(1)
    found: Float[np.ndarray, " c"] = np.full(len(matrix), np.nan)
    np.divide(np.diag(matrix), totals, out=found, where=totals > 0)
    return found


def war(matrix: Int[np.ndarray, "c c"]) -> float:
    """Accuracy, in [0, 1]."""
    return float(np.trace(matrix) / matrix.sum())


def uar(matrix: Int[np.ndarray, "c c"]) -> float:
    """Mean recall over the classes that have items, in [0, 1]."""
    return float(np.nanmean(recalls(matrix)))


def expected_calibration_error(probabilities: Probabilities, labels: Labels, bins: int = 15) -> float:
    """Mean distance between confidence and accuracy over equally wide bins of confidence (Guo et al. 2017)."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = np.bincount(place, weights=confidence - right, minlength=bins)
    return float(np.abs(gap).sum() / len(labels))


def bootstrap(
    figure: Callable[[Int[np.ndarray, "c c"]], float],
    labels: Labels,
    predictions: Labels,
    classes: int,
    draws: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """The 95 % interval of a figure of the confusion matrix, by resampling items with replacement (percentile)."""
    # Resampling items is a multinomial draw of the matrix' cells: the same law, thousands of times cheaper.
    cells = confusion(labels, predictions, classes).ravel()
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(cells.sum(), cells / cells.sum(), size=draws)
    values = [figure(cell.reshape(classes, classes)) for cell in drawn]
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
