"""Each statistic beside SciPy's, or beside a case done by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mien.studies.contrasts import DRAWS, false_discovery, groups, holm, paired
from mien.studies.curves import mean_interval


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_paired_by_hand() -> None:
    one = paired(np.array([3.0, 5.0, 4.0]), np.array([1.0, 2.0, 3.0]))
    # Differences 2, 3, 1. Of the eight sign patterns only +++ and --- reach a sum of 6.
    assert (one.n_a, one.difference, one.p, one.permutation) == (3, 2.0, 0.25, "exact")
    assert one.effect == pytest.approx(2.0)
    half = stats.t.ppf(0.975, 2) / np.sqrt(3)
    assert (one.low, one.high, one.interval) == (
        pytest.approx(2 - half),
        pytest.approx(2 + half),
        "Student's t",
    )


def test_paired_permutation_is_scipys(rng: np.random.Generator) -> None:
    a, b = rng.normal(0.5, 1, 9), rng.normal(0, 1, 9)
    theirs = stats.permutation_test((a - b,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert paired(a, b).p == pytest.approx(theirs.pvalue)


def _welch(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    errors = a.var(axis, ddof=1) / a.shape[axis] + b.var(axis, ddof=1) / b.shape[axis]
    return np.abs((a.mean(axis) - b.mean(axis)) / np.sqrt(errors))


def test_group_permutation_is_scipys(rng: np.random.Generator) -> None:
    a, b = rng.normal(1, 1, 5), rng.normal(0, 2, 7)
    theirs = stats.permutation_test((a, b), _welch, alternative="greater", vectorized=True, n_resamples=np.inf)
    found = groups(a, b)
    assert (found.p, found.permutation) == (pytest.approx(theirs.pvalue), "exact")


def test_few_people_have_students_and_welchs_interval(rng: np.random.Generator) -> None:
    a, b = rng.normal(1, 1, 5), rng.normal(0, 2, 7)
    theirs = stats.ttest_ind(a, b, equal_var=False).confidence_interval()
    found = groups(a, b)
    assert (found.low, found.high) == (pytest.approx(theirs.low), pytest.approx(theirs.high))
    theirs = stats.ttest_rel(a, b[:5]).confidence_interval()
    found = paired(a, b[:5])
    assert (found.low, found.high) == (pytest.approx(theirs.low), pytest.approx(theirs.high))


def test_many_draws_come_near_the_t_test(rng: np.random.Generator) -> None:
    a, b = rng.normal(0.4, 1, 60), rng.normal(0, 1, 60)
    one, theirs = paired(a, b), stats.ttest_rel(a, b)
    assert one.permutation == f"{DRAWS} draws"
    assert one.p == pytest.approx(theirs.pvalue, abs=0.01)
    interval = theirs.confidence_interval()
    assert (one.low, one.high) == (pytest.approx(interval.low, abs=0.05), pytest.approx(interval.high, abs=0.05))
    two, theirs = groups(a, b), stats.ttest_ind(a, b, equal_var=False)
    assert two.p == pytest.approx(theirs.pvalue, abs=0.01)
    interval = theirs.confidence_interval()
    assert (two.low, two.high) == (pytest.approx(interval.low, abs=0.05), pytest.approx(interval.high, abs=0.05))


def test_an_interval_leans_where_the_numbers_do(rng: np.random.Generator) -> None:
    skewed = rng.exponential(1, 40)
    one = paired(skewed, np.zeros(40))
    assert one.high - one.difference > one.difference - one.low


def test_hedges_g_by_hand() -> None:
    found = groups(np.array([2.0, 4.0, 6.0]), np.array([1.0, 3.0]))
    # Pooled variance (2 * 4 + 1 * 2) / 3 = 10/3; small-sample factor 1 - 3 / (4 * 3 - 1) = 8/11.
    assert (found.effect, found.effect_size) == (pytest.approx(2 / np.sqrt(10 / 3) * 8 / 11), "g")


def test_people_without_a_number_are_left_out() -> None:
    a, b = np.array([1.0, np.nan, 3.0, 2.0]), np.array([0.0, 1.0, np.nan, 1.0])
    assert (paired(a, b).n_a, groups(a, b).n_a, groups(a, b).n_b) == (2, 3, 3)


def test_too_few_and_all_alike_have_no_answer() -> None:
    one = paired(np.array([1.0]), np.array([0.0]))
    assert (one.difference, np.isnan(one.p), np.isnan(one.low)) == (1.0, True, True)
    assert groups(np.array([1.0]), np.array([0.0, 1.0])).n_a == 1
    same = paired(np.zeros(12), np.zeros(12))
    assert (same.p, same.low, same.high, np.isnan(same.effect)) == (1.0, 0.0, 0.0, True)
    flat = groups(np.ones(5), np.ones(5))
    assert (flat.p, flat.difference) == (1.0, 0.0)
    apart = groups(np.ones(5), np.zeros(5))
    assert apart.p == pytest.approx(2 / 252), "only the deal itself and its mirror are as far apart"


def test_holm_and_false_discovery() -> None:
    p = np.array([0.01, 0.04, 0.03, np.nan, 0.005])
    np.testing.assert_allclose(holm(p), [0.03, 0.06, 0.06, np.nan, 0.02])
    known = ~np.isnan(p)
    np.testing.assert_allclose(false_discovery(p)[known], stats.false_discovery_control(p[known]))
    assert np.isnan(false_discovery(p)[3])
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]
    assert np.isnan(holm(np.array([np.nan]))).all()


def test_the_interval_of_a_bin_is_students(rng: np.random.Generator) -> None:
    values = rng.normal(size=(7, 1, 2))
    values[0, 0, 1] = np.nan
    n, mean, low, high = mean_interval(values)
    assert n.tolist() == [[7.0, 6.0]]
    theirs = stats.ttest_1samp(values[1:, 0, 1], 0).confidence_interval()
    assert (low[0, 1], high[0, 1]) == (pytest.approx(theirs.low), pytest.approx(theirs.high))
    assert mean[0, 0] == pytest.approx(values[:, 0, 0].mean())
    n, mean, low, _ = mean_interval(values[:1])
    assert (n[0, 0], mean[0, 0] == values[0, 0, 0], np.isnan(low[0, 0]), np.isnan(mean[0, 1])) == (1, True, True, True)
