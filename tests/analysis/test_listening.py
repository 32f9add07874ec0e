"""A film is listened to where that was asked for: the answer moves with the sound, and with nothing else."""

from __future__ import annotations

import dataclasses
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from brightness import BRIGHT, DARK, LEFT, RIGHT, BrightnessNetwork, one_face, picture
from PIL import Image

from mien.analysis.batch import analyze_many
from mien.analysis.expressions import ExpressionModel
from mien.analysis.settings import AnalysisSettings
from mien.analysis.sound import Ears
from mien.core.errors import ConfigError, WeightsError
from mien.core.labels import LabelSpace
from mien.models.late_fusion import LateFusion
from mien.models.sound import SoundConfig, SoundRecord
from mien.models.sound_net import SoundModel, SoundNet, load_sound, save_sound
from mien.report.result import Result
from sounding import film_of, tone

RECORD = SoundRecord(
    name="loud",
    labels=LabelSpace("theirs", ("happiness", "sadness", "neutral")),
    config=SoundConfig(3, 0.4, 16, 2),
    picture="brightness",
    picture_sha256="f" * 64,
    picture_prior="trained",
    fusion=LateFusion("product", (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)),
)


class Loudness(SoundModel):
    """Sure of happiness where it is loud; else of nothing."""

    def probabilities(self, waves: np.ndarray) -> np.ndarray:
        assert len(waves)
        assert all(len(wave) == RECORD.config.samples for wave in waves)
        loud = np.sqrt((waves**2).mean(1)) > 0.1
        return np.where(loud[:, None], [0.98, 0.01, 0.01], [1 / 3, 1 / 3, 1 / 3])


@pytest.fixture
def hearing(network: BrightnessNetwork) -> ExpressionModel:
    return ExpressionModel(network, Ears(Loudness(SoundNet(RECORD.config), RECORD), network.record))


def animation(path: Path, frames: np.ndarray) -> Path:
    first, *more = (Image.fromarray(frame) for frame in frames)
    first.save(path, save_all=True, append_images=more, duration=40, lossless=True)
    return path


def same(one: Result, other: Result) -> bool:
    """To the bit, spans and every frame's numbers."""
    rows = [result.frames.column("probabilities").tobytes() for result in (one, other)]
    return one.spans == other.spans and rows[0] == rows[1]


def test_a_laugh_in_the_dark_is_happiness_when_it_is_heard(
    model: ExpressionModel, hearing: ExpressionModel, lenient: AnalysisSettings, tmp_path: Path
) -> None:
    wave = np.concatenate([tone(1.0, 440, 0.005), tone(1.0, 440)])
    path = film_of(tmp_path / "a.mkv", one_face([DARK] * 60), wave, start=0.4)
    assert [span.label for span in model.analyze(path, lenient).spans] == ["neutral"]
    result = hearing.analyze(path, lenient)
    assert [span.label for span in result.spans] == ["neutral", "happiness"]
    assert result.spans[0].end == pytest.approx(1.4, abs=0.15), "on the film's clock, though the sound starts late"
    facts = result.provenance["sound"]
    assert (facts["model"], facts["answer"], facts["stream"]) == ("loud", "picture and sound", 0)
    assert facts["heard"] == pytest.approx(2.1, abs=0.11)
    assert facts["windows"]["fused"] > 5
    assert "sound" not in model.analyze(path, lenient).provenance
    np.testing.assert_allclose(result.frames.column("probabilities").sum(1), 1, atol=1e-5)


def test_even_noise_that_says_nothing_leaves_the_order_of_the_labels(
    model: ExpressionModel, hearing: ExpressionModel, lenient: AnalysisSettings, tmp_path: Path
) -> None:
    """Weights 1 and a flat answer: the picture's probabilities, though the sound net's labels come in another order."""
    path = film_of(tmp_path / "a.mkv", one_face([DARK] * 15 + [BRIGHT] * 15), tone(1.2, 440, 0.01))
    rows = [one.analyze(path, lenient).frames.column("probabilities") for one in (model, hearing)]
    np.testing.assert_allclose(*rows, atol=1e-6)


@pytest.mark.parametrize("kind", ["no stream", "silence", "numbers", "picture", "webp", "nobody"])
def test_where_nothing_is_heard_the_picture_answers_to_the_bit(
    kind: str, model: ExpressionModel, hearing: ExpressionModel, lenient: AnalysisSettings, tmp_path: Path
) -> None:
    frames = one_face([DARK] * 15 + [BRIGHT] * 15)
    source = {
        "no stream": lambda: film_of(tmp_path / "a.mkv", frames),
        "silence": lambda: film_of(tmp_path / "a.mkv", frames, np.zeros(19_200)),
        "numbers": lambda: frames,
        "picture": lambda: frames[:1],
        "webp": lambda: animation(tmp_path / "a.webp", frames),
        "nobody": lambda: film_of(tmp_path / "a.mkv", one_face([None] * 10), tone(0.4, 440)),
    }[kind]()
    result = hearing.analyze(source, lenient)
    assert same(result, model.analyze(source, lenient))
    facts = result.provenance["sound"]
    why = {
        "no stream": "no sound stream",
        "silence": "nothing but silence",
        "webp": "no sound stream",
        "nobody": "no face that can be read",
    }.get(kind, "not a film in a file")
    assert facts["answer"] == "picture alone"
    assert facts["why"].startswith(why)
    assert any(why in problem for problem in result.provenance["problems"])


def test_nobody_knows_whose_voice_it_is_where_two_faces_are_read(
    model: ExpressionModel, hearing: ExpressionModel, lenient: AnalysisSettings, tmp_path: Path
) -> None:
    both, alone = picture((LEFT, DARK), (RIGHT, DARK)), picture((LEFT, DARK))
    wave = tone(2.4, 440)
    path = film_of(tmp_path / "two.mkv", np.stack([both] * 60), wave)
    never = hearing.analyze(path, lenient)
    assert same(never, model.analyze(path, lenient))
    assert "the picture alone answers: no window with a single face and a sound" in never.provenance["problems"]
    result = hearing.analyze(film_of(tmp_path / "then.mkv", np.stack([both] * 30 + [alone] * 30), wave), lenient)
    assert {(span.track, span.label) for span in result.spans} == {(1, "neutral"), (2, "neutral"), (1, "happiness")}
    assert result.provenance["sound"]["windows"]["several_faces"] > 3


def test_a_part_of_a_film_is_heard_where_it_is_looked_at(
    hearing: ExpressionModel, lenient: AnalysisSettings, tmp_path: Path
) -> None:
    wave = np.concatenate([tone(2.0, 440), tone(2.0, 440, 0.005)])
    path = film_of(tmp_path / "a.mkv", one_face([DARK] * 100), wave)
    late = hearing.analyze(path, dataclasses.replace(lenient, start=2.6, end=3.4))
    assert [span.label for span in late.spans] == ["neutral"]
    early = hearing.analyze(path, dataclasses.replace(lenient, start=0.4, end=1.4))
    assert [span.label for span in early.spans] == ["happiness"]
    assert early.provenance["sound"]["heard"] < 2.5, "no more than what is looked at"


def test_another_picture_model_or_other_labels_are_refused(network: BrightnessNetwork) -> None:
    model = SoundModel(SoundNet(RECORD.config), RECORD)
    with pytest.raises(ConfigError, match="fitted to: brightness"):
        Ears(model, dataclasses.replace(network.record, sha256="e" * 64))
    other = dataclasses.replace(network.record, labels=LabelSpace("x", ("neutral", "happiness", "anger")))
    with pytest.raises(ConfigError, match="a sound net of the labels"):
        Ears(model, other)


def test_what_is_watched_while_it_runs_is_not_listened_to(hearing: ExpressionModel, lenient: AnalysisSettings) -> None:
    with pytest.raises(ConfigError, match="--sound"):
        next(hearing.watch(one_face([DARK] * 5), lenient))


def test_it_goes_to_other_processes_and_a_finished_result_knows_it(
    network: BrightnessNetwork, lenient: AnalysisSettings, tmp_path: Path
) -> None:
    save_sound(SoundNet(RECORD.config).eval(), RECORD, tmp_path / "loud.safetensors")
    hearing = ExpressionModel(network, Ears(load_sound(tmp_path / "loud.safetensors"), network.record))
    path = film_of(tmp_path / "a.mkv", one_face([DARK] * 20), tone(0.8, 440))

    def status(one: ExpressionModel) -> str:
        (outcome,) = analyze_many(one, [str(path)], tmp_path / "out", lenient, skip_existing=True)
        return outcome.status

    assert [status(one) for one in (hearing, hearing, ExpressionModel(network), hearing)] == [
        "done",
        "skipped",
        "done",
        "done",
    ]
    written = json.loads((tmp_path / "out" / "a" / "result.json").read_text())
    assert written["provenance"]["sound"]["sha256"] == hearing.ears.sha256
    again = pickle.loads(pickle.dumps(hearing))
    assert same(again.analyze(path, lenient), hearing.analyze(path, lenient))
    assert len(pickle.dumps(hearing.ears)) < 2000, "the path, not the net"
    (tmp_path / "loud.safetensors").write_bytes(b"")
    with pytest.raises(WeightsError):
        _ = pickle.loads(pickle.dumps(hearing)).ears
