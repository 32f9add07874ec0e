"""Metrics against scikit-learn, intervals that hold, calibration that calibrates."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, recall_score

from mien.core.labels import LABEL_SPACES
from mien.evaluation.calibration import coverage, fit_temperature, softmax, threshold_for
from mien.evaluation.metrics import bootstrap, confusion, expected_calibration_error, recalls, uar, war
from mien.evaluation.report import evaluate_predictions

RNG = np.random.default_rng(0)
LABELS = RNG.choice(5, 600, p=[0.5, 0.2, 0.15, 0.1, 0.05])
LOGITS = RNG.normal(size=(600, 5)) + 1.5 * np.eye(5)[LABELS]
GUESSES = LOGITS.argmax(1)


def test_confusion_and_recalls_equal_sklearns() -> None:
    matrix = confusion(LABELS, GUESSES, 5)
    np.testing.assert_array_equal(matrix, confusion_matrix(LABELS, GUESSES))
    np.testing.assert_allclose(recalls(matrix), recall_score(LABELS, GUESSES, average=None))
    assert war(matrix) == pytest.approx(accuracy_score(LABELS, GUESSES))
    assert uar(matrix) == pytest.approx(balanced_accuracy_score(LABELS, GUESSES))


def test_a_class_without_items_does_not_count() -> None:
    matrix = confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 3)
    assert np.isnan(recalls(matrix)[2])
    assert uar(matrix) == pytest.approx(0.75)


def test_bootstrap_interval_has_the_binomials_width() -> None:
    low, high = bootstrap(war, LABELS, GUESSES, 5)
    rate = (LABELS == GUESSES).mean()
    assert low < rate < high
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(rate * (1 - rate) / 600), rel=0.1)
    assert bootstrap(war, LABELS, GUESSES, 5) == (low, high)


def test_calibration_error_of_known_cases() -> None:
    sure = np.tile([[1.0, 0.0]], (10, 1))
    assert expected_calibration_error(sure, np.zeros(10, int)) == pytest.approx(0)
    assert expected_calibration_error(sure, np.array([0] * 6 + [1] * 4)) == pytest.approx(0.4)


def test_temperature_undoes_overconfidence() -> None:
    labels = np.array([RNG.choice(5, p=p) for p in softmax(LOGITS)])
    assert fit_temperature(LOGITS, labels) == pytest.approx(1, abs=0.2)
    assert fit_temperature(LOGITS * 4, labels) == pytest.approx(4, rel=0.2)
    hot, fitted = softmax(LOGITS * 4), softmax(LOGITS * 4, fit_temperature(LOGITS * 4, labels))
    assert expected_calibration_error(fitted, labels) < 0.5 * expected_calibration_error(hot, labels)


def test_threshold_keeps_the_promised_precision_with_the_most_coverage() -> None:
    probabilities = softmax(LOGITS)
    threshold = threshold_for(0.9, probabilities, LABELS)
    share, precision = coverage(threshold, probabilities, LABELS)
    assert precision >= 0.9
    assert 0 < share < 1
    lower = np.sort(probabilities.max(1)[probabilities.max(1) < threshold])[-1]
    assert coverage(lower, probabilities, LABELS)[1] < 0.9
    assert threshold_for(1.1, probabilities, LABELS) == 1.0


def test_report_says_what_the_metrics_say() -> None:
    space, labels = LABEL_SPACES["ferplus"], np.arange(80) % 8
    probabilities = softmax(4 * np.eye(8)[np.where(np.arange(80) < 60, labels, (labels + 1) % 8)])
    report = evaluate_predictions(probabilities, labels, space, threshold=0.0)
    assert report.war[0] == pytest.approx(0.75)
    assert report.recall["neutral"] == pytest.approx(0.8)
    assert report.to_dict()["confusion"][0][:2] == [8, 2]
    assert "| WAR | 75.00 % |" in report.to_markdown()
