"""Faces that the network itself finds turned are left unread, where that is asked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from brightness import BRIGHT, DARK, LEFT, RIGHT, BrightnessNetwork, one_face, picture, write_video

from mien.analysis.expressions import ExpressionModel
from mien.analysis.settings import AnalysisSettings
from mien.cli.main import main
from mien.core.errors import ConfigError
from mien.core.facial import POSE
from mien.core.types import Frame
from mien.models.network import own_values
from mien.report.tables import read_json


class TurningNetwork(BrightnessNetwork):
    """Dark faces look ahead, bright ones 60 degrees to the picture's left."""

    record = replace(BrightnessNetwork.record, signals=(POSE,), heads={"pose": "linear"})

    def outputs(self, clips: np.ndarray) -> np.ndarray:
        bright = np.clip((clips.mean(axis=(1, 2, 3, 4)) - DARK) / (BRIGHT - DARK), 0, 1)
        pose = np.stack([-60 * bright, np.zeros_like(bright), np.zeros_like(bright)], 1)
        return np.hstack([self.logits(clips), pose])

    def values(self, outputs: np.ndarray) -> np.ndarray:
        return own_values(self.record, outputs)


FILM = [DARK] * 20 + [BRIGHT] * 20 + [DARK] * 20


@pytest.fixture
def turning() -> ExpressionModel:
    return ExpressionModel(TurningNetwork())


def test_a_turned_stretch_is_unclear_and_has_no_numbers(turning: ExpressionModel, lenient: AnalysisSettings) -> None:
    usual, gated = (turning.analyze(one_face(FILM), replace(lenient, most_yaw=most)) for most in (None, 30))
    assert [span.label for span in usual.spans] == ["neutral", "happiness", "neutral"]
    assert [(span.label, span.reason) for span in gated.spans] == [
        ("neutral", None),
        ("unclear", "turned away"),
        ("neutral", None),
    ]
    yaw = usual.frames.signal("pose")[:, 0]
    away = np.abs(yaw) > 30
    assert 15 <= away.sum() <= 25
    rows = list(gated.frames)
    assert [row.quality.reason == "turned away" for row in rows] == away.tolist()
    assert [row.probabilities is None and row.signals is None for row in rows] == away.tolist()
    for name in ("probabilities", "signals"):
        np.testing.assert_array_equal(gated.frames.column(name)[~away], usual.frames.column(name)[~away])


def test_each_face_is_judged_by_itself_and_one_that_is_always_turned_has_no_expression(
    turning: ExpressionModel, lenient: AnalysisSettings
) -> None:
    film = np.stack([picture((LEFT, DARK), (RIGHT, BRIGHT)) for _ in range(20)])
    result = turning.analyze(film, replace(lenient, most_yaw=30))
    assert [(span.label, span.reason, span.score > 0) for span in result.spans] == [
        ("neutral", None, True),
        ("unclear", "turned away", False),
    ]


def test_a_wide_gate_leaves_everything_to_the_bit(turning: ExpressionModel, lenient: AnalysisSettings) -> None:
    usual, wide = (turning.analyze(one_face(FILM), replace(lenient, most_yaw=most)) for most in (None, 90))
    assert usual.spans == wide.spans
    for name in ("probabilities", "signals", "reason"):
        assert usual.frames.column(name).tobytes() == wide.frames.column(name).tobytes()


def test_it_is_refused_where_it_cannot_be_done(
    turning: ExpressionModel, model: ExpressionModel, lenient: AnalysisSettings
) -> None:
    gated = replace(lenient, most_yaw=30)
    with pytest.raises(ConfigError, match="pose"):
        model.analyze(one_face(FILM), gated)
    with pytest.raises(ConfigError, match="--most-yaw"):
        next(turning.live([Frame(0, 0.0, one_face([DARK])[0])], gated))
    for most in (-1, 91, float("nan")):
        with pytest.raises(ConfigError, match="most_yaw"):
            replace(lenient, most_yaw=most)


def test_the_command_with_the_shipped_weights(tmp_path: Path) -> None:
    film = write_video(tmp_path / "film.mp4", one_face([DARK] * 8))
    gates = ("--min-sharpness", "0", "--min-size", "10", "--max-yaw", "90")
    for most, unread in (("0", True), ("90", False)):
        out = tmp_path / most
        assert main(["analyze", str(film), "-o", str(out), "--model", "s2d-tiny", *gates, "--most-yaw", most]) == 0
        spans = read_json(out / "film" / "result.json")["spans"]
        assert spans
        assert all((span["reason"] == "turned away") == unread for span in spans)
    assert main(["analyze", str(film), "-o", str(tmp_path / "x"), "--signals", "expression", "--most-yaw", "30"]) != 0
