"""Figures for predictions on labelled items, in the field's terms.

WAR, the weighted average recall, is the accuracy; UAR, the unweighted average recall, is the mean of the classes'
recalls, so that a rare class counts as much as a common one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

Labels = Int[np.ndarray, " n"]
Probabilities = Float[np.ndarray, "n c"]
BINS = 15
"""Of confidence, equally wide, as in Guo et al."""


class Interval(NamedTuple):
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float


class Bins(NamedTuple):
    """Items by confidence, in equally wide bins over [0, 1].

    Attributes:
        items: how many lie in a bin.
        confidence: their mean; NaN for an empty bin.
        accuracy: share of right answers among them; NaN for an empty bin.
    """

    items: Int[np.ndarray, " bins"]
    confidence: Float[np.ndarray, " bins"]
    accuracy: Float[np.ndarray, " bins"]


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


def f1_scores(matrix: Int[np.ndarray, "c c"]) -> Float[np.ndarray, " c"]:
    """Harmonic mean of each class' precision and recall; NaN for a class neither there nor predicted."""
    totals = matrix.sum(0) + matrix.sum(1)
    scores: Float[np.ndarray, " c"] = np.full(len(matrix), np.nan)
    np.divide(2 * np.diag(matrix), totals, out=scores, where=totals > 0)
    return scores


def macro_f1(matrix: Int[np.ndarray, "c c"]) -> float:
    """Mean F1 over the classes that are there or were predicted, in [0, 1]."""
    return float(np.nanmean(f1_scores(matrix)))


def reliability(probabilities: Probabilities, labels: Labels, bins: int = BINS) -> Bins:
    """Mean confidence and accuracy of every bin of confidence: equal where probabilities mean what they say."""
    place, confidence, right = _binned(probabilities, labels, bins)
    items = np.bincount(place, minlength=bins)
    sums = (np.bincount(place, weights=values, minlength=bins) for values in (confidence, right))
    means = [np.divide(total, items, out=np.full(bins, np.nan), where=items > 0) for total in sums]
    return Bins(items, *means)


def expected_calibration_error(probabilities: Probabilities, labels: Labels, bins: int = BINS) -> float:
    """Mean distance between confidence and accuracy over equally wide bins of confidence (Guo et al. 2017)."""
    place, confidence, right = _binned(probabilities, labels, bins)
    gap = np.bincount(place, weights=confidence - right, minlength=bins)
    return float(np.abs(gap).sum() / len(labels))


def calibration_interval(
    probabilities: Probabilities, labels: Labels, bins: int = BINS, draws: int = 2000, seed: int = 0
) -> Interval:
    """The expected calibration error and its 95 % interval, by resampling items with replacement.

    A finite sample overstates this error, and a resample overstates it once more. The interval is therefore the
    reversed ("basic") one, cut off at 0, which takes that excess off; the value measured may lie above it. On simulated
    items with a true error of 0.02 it holds the truth in 87 % (300 items) and 88 % (3,000) of the samples, the
    percentile interval in 0 % and 77 %.
    """
    value = expected_calibration_error(probabilities, labels, bins)
    place, confidence, right = _binned(probabilities, labels, bins)
    gaps = np.zeros((len(labels), bins))
    gaps[np.arange(len(labels)), place] = confidence - right
    rng = np.random.default_rng(seed)
    drawn = [
        np.abs(np.bincount(rng.integers(len(labels), size=len(labels)), minlength=len(labels)) @ gaps).sum()
        for _ in range(draws)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975]) / len(labels)
    return Interval(value, float(max(2 * value - high, 0)), float(max(2 * value - low, 0)))


def _binned(
    probabilities: Probabilities, labels: Labels, bins: int
) -> tuple[Labels, Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    return np.minimum((confidence * bins).astype(int), bins - 1), confidence, right.astype(float)


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
