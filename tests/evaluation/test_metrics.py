"""Metrics against scikit-learn, intervals that hold, calibration that calibrates."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score, recall_score

from mien.core.softmax import softmax
from mien.evaluation.calibration import bias_helps, coverage, fit_bias, fit_temperature, risk_coverage, threshold_for
from mien.evaluation.metrics import (
    bootstrap,
    calibration_interval,
    confusion,
    expected_calibration_error,
    f1_scores,
    macro_f1,
    recalls,
    reliability,
    uar,
    war,
)

RNG = np.random.default_rng(0)
LABELS = RNG.choice(5, 600, p=[0.5, 0.2, 0.15, 0.1, 0.05])
LOGITS = RNG.normal(size=(600, 5)) + 1.5 * np.eye(5)[LABELS]
GUESSES = LOGITS.argmax(1)
pairs = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


@settings(max_examples=40, deadline=None)
@given(pairs)
def test_figures_equal_sklearns(items: list[tuple[int, int]]) -> None:
    labels, guesses = np.array(items).T
    there = np.unique(labels)
    matrix = confusion(labels, guesses, 4)
    np.testing.assert_array_equal(matrix, confusion_matrix(labels, guesses, labels=range(4)))
    expected = recall_score(labels, guesses, labels=there, average=None, zero_division=0)
    np.testing.assert_allclose(recalls(matrix)[there], expected)
    assert np.isnan(np.delete(recalls(matrix), there)).all()
    assert war(matrix) == pytest.approx(accuracy_score(labels, guesses))
    assert uar(matrix) == pytest.approx(expected.mean())
    assert macro_f1(matrix) == pytest.approx(f1_score(labels, guesses, average="macro", zero_division=0))


def test_uar_is_sklearns_balanced_accuracy() -> None:
    matrix = confusion(LABELS, GUESSES, 5)
    assert uar(matrix) == pytest.approx(balanced_accuracy_score(LABELS, GUESSES))
    np.testing.assert_allclose(f1_scores(matrix), f1_score(LABELS, GUESSES, average=None))


def test_a_class_without_items_does_not_count() -> None:
    matrix = confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 3)
    assert np.isnan(recalls(matrix)[2])
    assert uar(matrix) == pytest.approx(0.75)
    assert macro_f1(matrix) == pytest.approx(2 / 3)


def test_bootstrap_interval_has_the_binomials_width() -> None:
    low, high = bootstrap(war, LABELS, GUESSES, 5)
    rate = (LABELS == GUESSES).mean()
    assert low < rate < high
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(rate * (1 - rate) / 600), rel=0.1)
    assert bootstrap(war, LABELS, GUESSES, 5) == (low, high)


def test_bootstrap_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    shares, found = np.array([0.6, 0.3, 0.1]), np.array([0.9, 0.6, 0.5])
    held = {war: 0, uar: 0}
    for _ in range(100):
        labels = rng.choice(3, 400, p=shares)
        guesses = np.where(rng.random(400) < found[labels], labels, (labels + 1) % 3)
        for figure, truth in ((war, shares @ found), (uar, found.mean())):
            low, high = bootstrap(figure, labels, guesses, 3, draws=200)
            held[figure] += low <= truth <= high
    # A right interval holds it in 95 of 100 tries, give or take 2.2; one of half the width in 67.
    assert all(87 <= times < 100 for times in held.values()), held


def test_calibration_error_of_known_cases() -> None:
    sure = np.tile([[1.0, 0.0]], (10, 1))
    assert expected_calibration_error(sure, np.zeros(10, int)) == pytest.approx(0)
    assert expected_calibration_error(sure, np.array([0] * 6 + [1] * 4)) == pytest.approx(0.4)


def test_reliability_bins_add_up_to_the_error() -> None:
    probabilities = softmax(LOGITS)
    bins = reliability(probabilities, LABELS)
    assert bins.items.sum() == 600
    gaps = np.nan_to_num(np.abs(bins.confidence - bins.accuracy)) * bins.items / 600
    assert gaps.sum() == pytest.approx(expected_calibration_error(probabilities, LABELS))
    assert np.isnan(bins.accuracy[bins.items == 0]).all()


def test_the_interval_of_the_calibration_error_takes_off_what_a_small_sample_adds() -> None:
    rng, excess = np.random.default_rng(2), 0.02
    held, overstated = 0, 0
    for _ in range(40):
        confidence = rng.uniform(0.55, 1, 300)
        labels = (rng.random(300) > confidence - excess).astype(int)
        found = calibration_interval(np.stack([confidence, 1 - confidence], 1), labels, draws=200)
        held += found.low <= excess <= found.high
        overstated += found.value > excess
    assert overstated >= 36
    assert held >= 28


def test_temperature_undoes_overconfidence() -> None:
    labels = np.array([RNG.choice(5, p=p) for p in softmax(LOGITS)])
    assert fit_temperature(LOGITS, labels) == pytest.approx(1, abs=0.2)
    assert fit_temperature(LOGITS * 4, labels) == pytest.approx(4, rel=0.2)
    hot, fitted = softmax(LOGITS * 4), softmax(LOGITS * 4, fit_temperature(LOGITS * 4, labels))
    assert expected_calibration_error(fitted, labels) < 0.5 * expected_calibration_error(hot, labels)


def test_a_bias_is_found_where_there_is_one_and_only_there() -> None:
    rng = np.random.default_rng(3)
    shift = np.array([0.8, -0.8, 0.0, 0.0])
    logits = rng.normal(0, 1.5, (4000, 4))
    labels = (logits + rng.gumbel(size=logits.shape)).argmax(1)
    shifted = (logits + rng.gumbel(size=logits.shape) + shift).argmax(1)
    temperature, bias = fit_bias(logits * 2, shifted)
    assert temperature == pytest.approx(2, rel=0.1)
    assert bias - bias.mean() == pytest.approx(shift, abs=0.15)
    assert bias_helps(logits * 2, shifted)
    assert not bias_helps(logits * 2, labels)
    assert not bias_helps(logits[:60], shifted[:60])  # too few to say


def test_a_class_without_items_gets_no_bias_beyond_bounds() -> None:
    rng = np.random.default_rng(4)
    logits = rng.normal(size=(300, 3))
    temperature, bias = fit_bias(logits, rng.integers(0, 2, 300))
    assert np.isfinite([temperature, *bias]).all()
    assert abs(bias).max() <= 5


def test_threshold_keeps_the_promised_precision_with_the_most_coverage() -> None:
    probabilities = softmax(LOGITS)
    threshold = threshold_for(0.9, probabilities, LABELS)
    share, precision = coverage(threshold, probabilities, LABELS)
    assert precision >= 0.9
    assert 0 < share < 1
    lower = np.sort(probabilities.max(1)[probabilities.max(1) < threshold])[-1]
    assert coverage(lower, probabilities, LABELS)[1] < 0.9
    assert threshold_for(1.1, probabilities, LABELS) == 1.0


def test_risk_and_coverage_by_hand() -> None:
    # Confidence 0.9 (right), 0.8 twice (one right), 0.6 (wrong): the twins are answered together.
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.8, 0.2], [0.6, 0.4]])
    covered, risk = risk_coverage(probabilities, np.array([0, 0, 1, 1]))
    np.testing.assert_allclose(covered, [0.25, 0.75, 1])
    np.testing.assert_allclose(risk, [0, 1 / 3, 0.5])


@given(st.integers(0, 1000))
def test_every_point_of_the_curve_is_what_its_threshold_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(3), 12).round(1)
    labels = rng.integers(3, size=12)
    points = [coverage(level, probabilities, labels) for level in np.unique(probabilities.max(1))[::-1]]
    np.testing.assert_allclose(
        np.stack(risk_coverage(probabilities, labels), 1), [(c, 1 - p) for c, p in points], atol=1e-12
    )
