"""Calibration at a run's end: what the weights file then says is what was measured."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mien.core.softmax import softmax
from mien.models.s2d import S2D, S2DConfig
from mien.training.finish import ABSTAIN_PRECISION, calibrate, figures


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_bias_goes_into_the_head(shift: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2.5, (3000, 4))
    labels = (logits + rng.gumbel(size=logits.shape) + shift * np.array([1, -1, 0, 0])).argmax(1)
    found = calibrate(2 * logits, labels)
    assert bool(found.bias.any()) is (shift > 0)
    s2d = S2D(S2DConfig(28, 14, 32, 1, 2, classes=4, prompts=False))
    before = s2d.head.bias.detach().numpy().astype(np.float64).copy()
    found.put_into(s2d)
    added = s2d.head.bias.detach().numpy() - before
    answers = softmax(2 * logits + added, found.temperature)
    assert figures(answers, labels) == pytest.approx(found.figures, abs=1e-3)
    sure = answers.max(1) >= found.threshold
    assert (answers.argmax(1) == labels)[sure].mean() == pytest.approx(ABSTAIN_PRECISION, abs=5e-3)
    assert torch.isfinite(s2d.head.bias).all()
