"""Weights that know what is covered: a face is abstained from, a line warns, and without a limit nothing moves."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from brightness import BRIGHT, DARK, BrightnessNetwork, one_face

from mien.analysis.expressions import ExpressionModel
from mien.analysis.settings import AnalysisSettings
from mien.core.errors import ConfigError
from mien.core.facial import COVERED
from mien.models.network import own_values

FRAMES = [DARK] * 15 + [BRIGHT] * 15


class Covers(BrightnessNetwork):
    """Holds dark faces to be covered by half, and bright ones not at all."""

    record = dataclasses.replace(
        BrightnessNetwork.record, signals=(COVERED,), heads={"covered": "covered"}, config={"frames": None}
    )

    def outputs(self, clips: np.ndarray) -> np.ndarray:
        dark = clips.mean(axis=(1, 2, 3, 4)) < (DARK + BRIGHT) / 2
        return np.hstack([self.logits(clips), np.repeat(0.5 * dark[:, None], 7, 1)])

    def values(self, outputs: np.ndarray) -> np.ndarray:
        return own_values(self.record, outputs)


def test_a_face_covered_too_far_is_abstained_from(lenient: AnalysisSettings) -> None:
    model = ExpressionModel(Covers())
    told = [(span.label, span.reason) for span in model.analyze(one_face(FRAMES), lenient).spans]
    assert told == [("neutral", None), ("happiness", None)]
    strict = dataclasses.replace(lenient, covered=0.3)
    result = model.analyze(one_face(FRAMES), strict)
    assert [(span.label, span.reason) for span in result.spans] == [("unclear", "covered"), ("happiness", None)]
    assert [row.quality.reason for row in result.frames] == ["covered"] * 15 + [None] * 15
    assert result.frames[0].probabilities is None


def test_without_a_limit_nothing_moves_and_a_line_warns(lenient: AnalysisSettings) -> None:
    model, lenient = ExpressionModel(Covers()), dataclasses.replace(lenient, sparse=False)  # half of the frames is half
    one, other = (model.analyze(one_face(FRAMES), dataclasses.replace(lenient, covered=limit)) for limit in (None, 1.0))
    assert one.spans == other.spans
    np.testing.assert_array_equal(one.frames.column("probabilities"), other.frames.column("probabilities"))
    assert ExpressionModel(BrightnessNetwork()).analyze(one_face(FRAMES), lenient).provenance["problems"] == []
    (line,) = one.provenance["problems"]
    assert "25%" in line
    assert model.analyze(one_face([BRIGHT] * 10), lenient).provenance["problems"] == []


def test_who_cannot_know_is_not_asked(lenient: AnalysisSettings) -> None:
    limit = dataclasses.replace(lenient, covered=0.3)
    with pytest.raises(ConfigError, match="mien train covered"):
        ExpressionModel(BrightnessNetwork()).analyze(one_face(FRAMES), limit)
    with pytest.raises(ConfigError, match="--covered"):
        next(ExpressionModel(Covers()).live(iter(()), limit))
    with pytest.raises(ConfigError, match="0 to 1"):
        AnalysisSettings(covered=1.5)
