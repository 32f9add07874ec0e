"""Figures against scikit-learn, statsmodels and examples that others have published."""

from __future__ import annotations

import numpy as np
import pytest

from mien.agreement.statistics import (
    agreement,
    cohen_kappa,
    coincidences,
    common_events,
    confusion_counts,
    f1,
    fleiss_counts,
    fleiss_kappa,
    interval,
    krippendorff_alpha,
)


def letters(*rows: str) -> np.ndarray:
    """``"1 2 . 3"`` a rater, ``.`` where nothing was said."""
    signs = sorted({sign for row in rows for sign in row.split()} - {"."})
    return np.array([[-1 if sign == "." else signs.index(sign) for sign in row.split()] for row in rows])


def random_ratings(raters: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    truth = rng.integers(4, size=500)
    return np.stack([np.where(rng.random(500) < 0.6, truth, rng.integers(4, size=500)) for _ in range(raters)])


def test_cohens_kappa_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import accuracy_score, cohen_kappa_score
    from sklearn.metrics import f1_score as sklearn_f1

    first, second = random_ratings(2)
    matrix = confusion_counts(first, second, 4)
    assert cohen_kappa(matrix) == pytest.approx(cohen_kappa_score(first, second))
    assert agreement(matrix) == pytest.approx(accuracy_score(first, second))
    each = [f1(np.array([matrix[k, k], matrix[k].sum(), matrix[:, k].sum()])) for k in range(4)]
    assert each == pytest.approx(sklearn_f1(first, second, average=None))


def test_fleiss_kappa_of_the_paper() -> None:
    """Fleiss 1971 as it is commonly retold: 14 raters, 10 subjects, 5 categories; kappa 0.210."""
    table = np.array(
        [
            *([0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1]),
            *([7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]),
        ]
    )
    ratings = np.stack([np.repeat(np.arange(5), row) for row in table], axis=1)
    assert fleiss_kappa(fleiss_counts(ratings, 5)) == pytest.approx(0.210, abs=5e-4)


def test_fleiss_kappa_is_that_of_statsmodels() -> None:
    inter_rater = pytest.importorskip("statsmodels.stats.inter_rater")
    ratings = random_ratings(3)
    table, _ = inter_rater.aggregate_raters(ratings.T)
    assert fleiss_kappa(fleiss_counts(ratings, 4)) == pytest.approx(inter_rater.fleiss_kappa(table))


def test_alpha_of_krippendorffs_own_examples() -> None:
    """Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), examples B (0.692) and C (0.743)."""
    two = letters("a a b b d c c c e d d a", "b a b b b c c c e d d d")
    assert krippendorff_alpha(coincidences(two, 5)) == pytest.approx(0.692, abs=5e-4)
    four = letters(
        *("1 2 3 3 2 1 4 1 2 . . .", "1 2 3 3 2 2 4 1 2 5 . 3"),
        *(". 3 3 3 2 3 4 2 2 5 1 .", "1 2 3 3 2 4 4 1 2 5 1 ."),
    )
    assert krippendorff_alpha(coincidences(four, 5)) == pytest.approx(0.743, abs=5e-4)


def test_what_chance_alone_agrees_on_has_no_figure() -> None:
    same = np.zeros((2, 10), int)
    assert np.isnan(cohen_kappa(confusion_counts(*same, 2)))
    assert np.isnan(fleiss_kappa(fleiss_counts(same, 2)))
    assert np.isnan(krippendorff_alpha(coincidences(same, 2)))
    nothing = np.full((2, 10), -1)
    assert np.isnan(cohen_kappa(confusion_counts(*nothing, 2)))
    assert np.isnan(krippendorff_alpha(coincidences(nothing, 2)))


def test_an_interval_is_of_people_not_of_moments() -> None:
    ratings = random_ratings(2)
    one = confusion_counts(*ratings, 4)
    assert np.isnan(interval(cohen_kappa, one[None]).low)
    alike = interval(cohen_kappa, np.stack([one] * 5))
    assert alike.low == pytest.approx(alike.high)  # people who are all the same
    better = interval(cohen_kappa, np.stack([one, np.diag([30.0] * 4), one, np.diag([50.0] * 4)]))
    assert better.low < better.value < better.high
    again = interval(cohen_kappa, np.stack([one, np.diag([30.0] * 4), one, np.diag([50.0] * 4)]))
    assert better == again


def test_the_interval_covers_what_is_true_of_people() -> None:
    """People differ in how often a coder agrees; the mean over all people is 0.7."""
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(30):
        people = []
        for share in np.clip(rng.normal(0.7, 0.1, 25), 0, 1):
            right = rng.binomial(100, share)
            people.append(np.array([[right, 0.0], [100 - right, 0.0]]))
        low, high = interval(agreement, np.stack(people), draws=200)[1:]
        inside += low <= 0.7 <= high
    assert 25 <= inside <= 30


def test_events_pair_one_to_one_within_the_tolerance() -> None:
    at = np.array
    assert common_events(at([1.0, 5.0]), at([1.4, 5.6]), 0.5) == 1
    assert common_events(at([1.0, 1.2]), at([1.1]), 0.5) == 1
    assert common_events(at([1.0, 1.4]), at([1.5, 0.7 + 1.2]), 0.5) == 2
    assert common_events(at([]), at([1.0]), 0.5) == 0
    assert np.isnan(f1(at([0.0, 0.0, 0.0])))
