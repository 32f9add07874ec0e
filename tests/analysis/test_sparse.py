"""Looking at faces as often as windows need, against looking at every frame."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from brightness import BRIGHT, DARK, BrightnessNetwork, one_face, write_video

from mien import media
from mien.analysis.expressions import ExpressionModel
from mien.analysis.settings import AnalysisSettings
from mien.media import video

FRAMES = [DARK] * 30 + [BRIGHT] * 30


@pytest.fixture
def film(tmp_path):
    return write_video(tmp_path / "film.mp4", one_face(FRAMES))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one with every picture that is turned into pixels."""
    made: list[int] = []
    real = video._VideoReader._pixels
    monkeypatch.setattr(video._VideoReader, "_pixels", lambda *given: made.append(1) or real(*given))
    return made


def test_half_the_pictures_give_the_same_answer(
    model: ExpressionModel, lenient: AnalysisSettings, film, made: list[int]
) -> None:
    sparse = model.analyze(film, lenient)
    assert 30 <= len(made) <= 34
    made.clear()
    every = model.analyze(film, dataclasses.replace(lenient, sparse=False))
    assert len(made) == 60
    assert len(sparse.frames) == len(every.frames) == 60
    assert [(span.label, span.track) for span in sparse.spans] == [(span.label, span.track) for span in every.spans]
    assert [span.start for span in sparse.spans] == pytest.approx([span.start for span in every.spans], abs=0.081)
    boxes = (result.frames.column("box") for result in (sparse, every))
    np.testing.assert_allclose(*boxes, atol=1.0)
    assert (sparse.source.width, sparse.source.sizes) == (every.source.width, every.source.sizes)


def test_more_places_in_a_window_ask_for_more_looks(lenient: AnalysisSettings, film, made: list[int]) -> None:
    network = BrightnessNetwork()
    network.record = dataclasses.replace(network.record, frames=16)
    ExpressionModel(network).analyze(film, lenient)
    assert len(made) == 60, "16 in 0.4 s are more than a film of 25 frames a second has"


def test_what_is_watched_is_looked_at_in_every_frame(model: ExpressionModel, lenient: AnalysisSettings, film) -> None:
    with media.open(film) as frames:
        seen = [now for now in model.live(frames, lenient) if now.frame is not None]
    assert len(seen) == 60
    assert all(now.frame.image.size for now in seen)


def test_two_threads_and_one_say_the_same(
    model: ExpressionModel, lenient: AnalysisSettings, film, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = []
    for threads in ("1", "2"):
        monkeypatch.setenv("MIEN_THREADS", threads)
        results.append(model.analyze(film, lenient))
    one, other = results
    assert one.spans == other.spans
    np.testing.assert_array_equal(one.frames.column("box"), other.frames.column("box"))
    np.testing.assert_array_equal(one.frames.column("probabilities"), other.frames.column("probabilities"))
