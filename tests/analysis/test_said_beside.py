"""What a model says beside the expression comes out of an analysis, smoothed as the expression is."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path

import numpy as np
import pytest
from brightness import BRIGHT, DARK, BrightnessNetwork, one_face, write_video

from mien.analysis.batch import analyze_many
from mien.analysis.expressions import ExpressionModel
from mien.analysis.settings import AnalysisSettings
from mien.core.types import Frame
from mien.models.affect import places_of
from mien.models.network import with_signals

FRAMES = [DARK] * 15 + [BRIGHT] * 15


@pytest.fixture
def affected(network: BrightnessNetwork) -> ExpressionModel:
    return ExpressionModel(with_signals(network, ("affect",)))


def test_a_frame_has_the_affect_of_its_smoothed_probabilities(
    affected: ExpressionModel, lenient: AnalysisSettings
) -> None:
    result = affected.analyze(one_face(FRAMES), lenient)
    places = places_of(affected.record.labels)
    probabilities, affect = result.frames.column("probabilities"), result.frames.signal("affect")
    np.testing.assert_allclose(affect, probabilities @ places, atol=1e-5)
    assert affect[-1, 0] > 0.5 > affect[0, 0]


def test_the_rest_is_what_it_was(
    model: ExpressionModel, affected: ExpressionModel, lenient: AnalysisSettings, tmp_path: Path
) -> None:
    without, with_affect = (one.analyze(one_face(FRAMES), lenient) for one in (model, affected))
    told = [[(one.track, one.start, one.end, one.label) for one in some.spans] for some in (without, with_affect)]
    assert told[0] == told[1]
    assert told[0]
    np.testing.assert_allclose(without.frames.column("probabilities"), with_affect.frames.column("probabilities"))
    assert "signals" not in without.to_dict()
    assert without.frames.column("signals").shape == (30, 0)
    assert with_affect.to_dict().keys() - without.to_dict().keys() == {"signals"}


def test_an_unreadable_face_has_none(affected: ExpressionModel) -> None:
    settings = AnalysisSettings()
    settings = dataclasses.replace(settings, faces=dataclasses.replace(settings.faces, min_size=500.0))
    result = affected.analyze(one_face([DARK] * 10), settings)
    assert np.isnan(result.frames.signal("affect")).all()
    assert all(row.signals is None for row in result.frames)
    assert result.to_dict()["tracks"][0]["signals"] == {"affect": {"valence": None, "arousal": None}}


def test_it_is_said_while_the_frames_still_come(affected: ExpressionModel, lenient: AnalysisSettings) -> None:
    frames = [Frame(number, number / 25, image) for number, image in enumerate(one_face(FRAMES))]
    faces = [face for now in affected.live(frames, lenient) for face in now.faces]
    labels, signals = affected.record.labels.labels, affected.record.signals
    told = [face.to_dict(labels, signals) for face in faces]
    assert told[0]["signals"] is None
    assert told[0]["reason"] == "not read yet"
    last = np.array(list(told[-1]["probabilities"].values())) @ places_of(affected.record.labels)
    assert list(told[-1]["signals"]["affect"].values()) == pytest.approx(last, abs=1e-3)
    assert "signals" not in faces[-1].to_dict(labels)


def test_it_goes_to_other_processes(affected: ExpressionModel, lenient: AnalysisSettings) -> None:
    again = pickle.loads(pickle.dumps(affected))
    one, other = (model.analyze(one_face(FRAMES), lenient).frames.signal("affect") for model in (affected, again))
    np.testing.assert_array_equal(one, other)


def test_a_result_without_it_is_no_answer_to_who_asks_for_it(
    model: ExpressionModel, affected: ExpressionModel, lenient: AnalysisSettings, tmp_path: Path
) -> None:
    source = str(write_video(tmp_path / "v.mp4", one_face([DARK] * 5)))

    def status(of: ExpressionModel) -> str:
        return next(iter(analyze_many(of, [source], tmp_path / "out", lenient, skip_existing=True))).status

    assert [status(one) for one in (model, model, affected, affected, model)] == [
        *("done", "skipped", "done", "skipped", "done")
    ]
