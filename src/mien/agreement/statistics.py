"""Agreement of raters who give one label each to the same moments, as counts that add up over people.

Cohen's kappa (Educ. Psychol. Meas. 20, 1960), Fleiss' kappa (Psychol. Bull. 76, 1971) and Krippendorff's alpha for
nominal data ("Computing Krippendorff's Alpha-Reliability", 2011). Each is a function of counts, and counts of several
people add up: an interval draws people with replacement, not moments, since the moments of one face are alike.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float64, Int
from scipy.stats import norm, t

from mien.evaluation.metrics import Interval

Ratings = Int[np.ndarray, "r n"]
"""Class index that every rater gives every moment; -1 where there is none."""
Counts = Float64[np.ndarray, "*shape"]
DRAWS = 2000


def confusion_counts(first: Int[np.ndarray, " n"], second: Int[np.ndarray, " n"], classes: int) -> Counts:
    """Moments by label of the first rater (row) and of the second (column); those with both labels only."""
    both = (first >= 0) & (second >= 0)
    cells = np.bincount(first[both] * classes + second[both], minlength=classes * classes)
    return cells.reshape(classes, classes).astype(np.float64)


def cohen_kappa(matrix: Counts) -> float:
    """Agreement of two raters beyond chance, from their confusion; NaN where chance alone agrees wholly."""
    total = matrix.sum()
    if not total:
        return float("nan")
    observed, expected = np.trace(matrix) / total, matrix.sum(0) @ matrix.sum(1) / total**2
    return float((observed - expected) / (1 - expected)) if expected < 1 else float("nan")


def agreement(matrix: Counts) -> float:
    """Share of the moments at which two raters say the same; NaN without moments."""
    return float(np.trace(matrix) / matrix.sum()) if matrix.sum() else float("nan")


def votes(ratings: Ratings, classes: int) -> Int[np.ndarray, "n c"]:
    """How many raters give each label to every moment."""
    return np.stack([(ratings == label).sum(0) for label in range(classes)], axis=1)


def fleiss_counts(ratings: Ratings, classes: int) -> Counts:
    """What Fleiss' kappa is made of, of the moments that all raters labelled: per class, their ratings; then, of all,
    the sum of the moments' agreements, and how many moments there are.
    """
    raters = len(ratings)
    table = votes(ratings[:, (ratings >= 0).all(0)], classes)
    alike = ((table * (table - 1)).sum(1) / (raters * (raters - 1))).sum()
    return np.array([*table.sum(0), alike, len(table)], np.float64)


def fleiss_kappa(counts: Counts) -> float:
    """From :func:`fleiss_counts`; NaN where chance alone agrees wholly."""
    *ratings, alike, moments = counts
    if not moments:
        return float("nan")
    expected = ((np.array(ratings) / np.sum(ratings)) ** 2).sum()
    return float((alike / moments - expected) / (1 - expected)) if expected < 1 else float("nan")


def coincidences(ratings: Ratings, classes: int) -> Counts:
    """Krippendorff's matrix: pairs of labels within moments, each moment of m labels by 1 / (m - 1)."""
    table = votes(ratings, classes).astype(np.float64)
    given = table.sum(1)
    table, given = table[given > 1], given[given > 1]
    weighted = table / (given - 1)[:, None]
    matrix: Counts = weighted.T @ table - np.diag(weighted.sum(0))
    return matrix


def krippendorff_alpha(matrix: Counts) -> float:
    """From :func:`coincidences`, nominal; NaN where only one label was given, or nothing twice."""
    given = matrix.sum(1)
    total = given.sum()
    expected = total**2 - (given**2).sum()
    if total < 2 or not expected:
        return float("nan")
    return float(1 - (total - 1) * (total - np.trace(matrix)) / expected)


def interval(figure: Callable[[Counts], float], people: Counts, draws: int = DRAWS, seed: int = 0) -> Interval:
    """A figure of the counts of all people together, and its 95 % interval by drawing people.

    Percentiles of few people are too narrow: they are taken further out, as a t distribution is wider than a normal one
    (Hesterberg, Am. Stat. 69, 2015, "expanded percentile interval").

    Args:
        figure: of counts.
        people: counts of each, along the first axis.
        draws: how often; draws for which the figure is not defined are left out.
        seed: of the draws.

    Returns:
        Value, low, high; low and high are NaN of fewer than two people, and where most draws have no figure.
    """
    value = figure(people.sum(0))
    if len(people) < 2 or not np.isfinite(value):
        return Interval(value, float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(people), np.full(len(people), 1 / len(people)), size=draws)
    drawn = np.array([figure(np.tensordot(row, people, 1)) for row in weights])
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) < draws / 2:
        return Interval(value, float("nan"), float("nan"))
    tail = float(norm.cdf(-np.sqrt(len(people) / (len(people) - 1)) * t.ppf(0.975, len(people) - 1)))
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Interval(value, float(low), float(high))


def f1(counts: Counts) -> float:
    """From the numbers of what two have in common, of what the first has, of what the second has; NaN of nothing."""
    common, first, second = counts
    return float(2 * common / (first + second)) if first + second else float("nan")


def common_events(first: Float64[np.ndarray, " n"], second: Float64[np.ndarray, " m"], tolerance: float) -> int:
    """How many onsets (seconds, in order) can be paired one to one, at most ``tolerance`` apart."""
    pairs = i = j = 0
    while i < len(first) and j < len(second):
        apart = first[i] - second[j]
        if abs(apart) <= tolerance:
            pairs, i, j = pairs + 1, i + 1, j + 1
        elif apart < 0:
            i += 1
        else:
            j += 1
    return pairs
