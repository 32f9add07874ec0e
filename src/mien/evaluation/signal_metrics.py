"""Figures of what is said beside the expression, in the field's terms; NaN where one is not defined."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float64, Int64

Numbers = Float64[np.ndarray, " n"]
THRESHOLDS = np.arange(1, 100) / 100
"""Of a flag, that are tried."""


def ccc(ours: Numbers, theirs: Numbers) -> float:
    """Lin's concordance correlation (1989), in [-1, 1]: 2 cov / (var + var + (mean - mean)^2).

    Moments are the population's throughout, as in the scripts of EmotiEffLib (``CCC_score``) and AVCER. Where the
    covariance is over n - 1 and the variances over n, as in two others, a perfect answer to ten items has 1.11.
    NaN for two constants.
    """
    shift = ours.mean() - theirs.mean()
    under = ours.var() + theirs.var() + shift**2
    return float(2 * ((ours - ours.mean()) * (theirs - theirs.mean())).mean() / under) if under else math.nan


def pcc(ours: Numbers, theirs: Numbers) -> float:
    """Pearson's correlation; NaN where either is constant."""
    under = ours.std() * theirs.std()
    return float(((ours - ours.mean()) * (theirs - theirs.mean())).mean() / under) if under else math.nan


def rmse(ours: Numbers, theirs: Numbers) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(np.square(ours - theirs).mean()))


def sagr(ours: Numbers, theirs: Numbers) -> float:
    """Share of items whose sign is right (sign agreement, Nicolaou et al. 2011)."""
    return float((np.sign(ours) == np.sign(theirs)).mean())


def f1(scores: Numbers, there: Bool[np.ndarray, " n"], threshold: float = 0.5) -> float:
    """Harmonic mean of precision and recall of scores of at least ``threshold``; NaN where no item is either."""
    found = scores >= threshold
    either = found.sum() + there.sum()
    return float(2 * (found & there).sum() / either) if either else math.nan


def best_threshold(scores: Numbers, there: Bool[np.ndarray, " n"]) -> float:
    """The one of :data:`THRESHOLDS` with the highest F1, the middle one of equals; .5 where there is nothing to find.
    On validation items, never on those that are then measured."""
    if not there.any():
        return 0.5
    values = np.array([f1(scores, there, threshold) for threshold in THRESHOLDS])
    best = np.flatnonzero(values == values.max())
    return float(THRESHOLDS[best[len(best) // 2]])


def auc(scores: Numbers, there: Bool[np.ndarray, " n"]) -> float:
    """Probability that an item that has it scores above one that has not, equals counting half; NaN without both."""
    have, lack = int(there.sum()), int((~there).sum())
    if not have or not lack:
        return math.nan
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (counts.cumsum() - (counts - 1) / 2)[place]
    return float((ranks[there].sum() - have * (have + 1) / 2) / (have * lack))


def average_precision(scores: Numbers, there: Bool[np.ndarray, " n"]) -> float:
    """Sum over thresholds of the recall gained times the precision there; NaN where no item has it."""
    if not there.any():
        return math.nan
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # equal scores come in together
    found = there[order].cumsum()[last]
    precision, recall = found / (last + 1), found / there.sum()
    return float((np.diff(recall, prepend=0) * precision).sum())


def quadratic_kappa(ours: Int64[np.ndarray, " n"], theirs: Int64[np.ndarray, " n"], levels: int) -> float:
    """Cohen's kappa with squared distances of levels as weights (Cohen 1968); NaN where chance cannot err."""
    seen = np.zeros((levels, levels))
    np.add.at(seen, (theirs, ours), 1 / len(ours))
    apart = np.square(np.subtract.outer(np.arange(levels), np.arange(levels)))
    by_chance = float((apart * np.outer(seen.sum(1), seen.sum(0))).sum())
    return 1 - float((apart * seen).sum()) / by_chance if by_chance else math.nan
