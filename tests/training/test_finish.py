"""Calibration at a run's end: what the weights file then says is what was measured."""

from __future__ import annotations

import numpy as np
import pytest

from mien.training.finish import ABSTAIN_PRECISION, calibrate, figures, uncalibrated


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_a_bias_is_kept_where_it_helps(shift: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2.5, (3000, 4))
    labels = (logits + rng.gumbel(size=logits.shape) + shift * np.array([1, -1, 0, 0])).argmax(1)
    found = calibrate(2 * logits, labels)
    assert bool(found.reading.bias) is (shift > 0)
    answers = found.reading.probabilities(2 * logits)
    assert figures(answers, labels) == pytest.approx(found.figures)
    sure = answers.max(1) >= found.reading.threshold
    assert (answers.argmax(1) == labels)[sure].mean() == pytest.approx(ABSTAIN_PRECISION, abs=5e-3)


def test_items_that_measure_do_not_calibrate() -> None:
    found = uncalibrated(3 * np.eye(4), np.arange(4))
    assert (found.reading.temperature, found.reading.threshold, found.reading.bias) == (1, 0, ())
    assert found.figures["war"] == 1
