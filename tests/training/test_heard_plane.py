"""Valence and arousal from sound by the commands: planted as pitch and loudness, weighed with the picture's."""

from __future__ import annotations

import json
import wave
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mien import load
from mien.analysis.settings import AnalysisSettings
from mien.cli.main import main
from mien.core.errors import ConfigError
from mien.core.labels import LabelSpace
from mien.core.signals import Signal
from mien.core.types import Face
from mien.data.manifest import Manifest, Row
from mien.evaluation.signal_metrics import ccc
from mien.faces import FaceSettings
from mien.faces.align import points_in_box
from mien.models.cnn import Cnn, CnnConfig
from mien.models.heads import Plane
from mien.models.record import ModelRecord, Preprocessing
from mien.models.sound import SoundPlane, read_sound_record
from mien.models.weights import Recognizer, save_weights
from mien.training.sound import convex_weights
from shape_checks import unchecked
from sounding import RATE, film_of, tone

LABELS = ("neutral", "happiness")
AFFECT = Signal("affect", ("valence", "arousal"), "scale", -1.0, 1.0)
LENIENT = AnalysisSettings(faces=FaceSettings(min_sharpness=0.0, min_size=10.0, max_yaw=90.0))


class TheBox:
    """A face in every picture."""

    name = "box"

    def detect(self, image: np.ndarray) -> list[Face]:
        box = np.array((20, 20, 76, 76), np.float32)
        return [Face(box, 0.99, points_in_box(box))]


def said(valence: float, arousal: float, seed: int, seconds: float = 0.4) -> np.ndarray:
    """Pitch is the valence, 500 to 2000 Hz; loudness the arousal, over 26 dB."""
    return tone(seconds, 1000 * 2**valence, 0.2 * 10 ** (0.65 * arousal), seed)


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture model that says some valence and arousal, whatever it sees."""
    torch.manual_seed(0)
    config = CnnConfig.tiny(2)
    pixels = Preprocessing(32, config.input_size)
    record = ModelRecord(
        "eyes", LabelSpace("two", LABELS), pixels, {}, frames=2, signals=(AFFECT,), heads={"affect": "plane"}
    )
    net = Cnn(config)
    network = Recognizer(net, None, pixels, {"affect": Plane(net.config.dim, AFFECT)}, ["affect"]).eval()
    path = tmp_path_factory.mktemp("eyes") / "eyes.safetensors"
    save_weights(network, record, path)
    return path


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a face shows has nothing to do with it; a tenth of the numbers are not known."""
    out, rng = tmp_path_factory.mktemp("prepared"), np.random.default_rng(1)
    (out / "crops").mkdir()
    (out / "sound").mkdir()
    rows = []
    for number in range(280):
        valence, arousal = rng.uniform(-1, 1, 2)
        known = tuple(float(one) if rng.random() > 0.1 else np.nan for one in (valence, arousal))
        split = "valid" if number >= 240 else "train"
        rows.append(Row(str(number), f"crops/{number}.png", "image", LABELS[int(valence > 0)], split, beside=known))
        cv2.imwrite(str(out / "crops" / f"{number}.png"), rng.integers(0, 255, (32, 32, 3), np.uint8))
        with wave.open(str(out / "sound" / f"{number}.png.wav"), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            heard = said(valence, arousal, number).clip(-1, 1)
            file.writeframes((heard * 32767).astype("<i2").tobytes())
    Manifest("tones", LabelSpace("two", LABELS), tuple(rows), out, 32, signals=(AFFECT,)).save(out)
    return out


@pytest.fixture(scope="module")
def ears(prepared: Path, eyes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    args = ["train", "sound", "--data", str(prepared), "--picture", str(eyes), "--out", str(out), "--recipe.gain", "0"]
    shape = ["--recipe.plane", "affect", "--recipe.model.seconds", "0.4", "--recipe.model.dropout", "0"]
    with unchecked():
        assert main([*args, *shape, "--fit.epochs", "16", "--fit.batch", "24"]) == 0
    return out / "sound.safetensors"


def test_pitch_and_loudness_are_told_and_the_weights_follow_who_knows(ears: Path) -> None:
    record = read_sound_record(ears)
    scores = {name: record.scores[f"tones_valid_{name}_affect_ccc"] for name in ("picture", "sound", "both")}
    assert scores["sound"] >= 0.9
    assert scores["both"] >= max(scores["picture"], scores["sound"]) - 0.01
    assert record.plane is not None
    assert min(record.plane.weights) > 0.8


def test_a_film_has_both_and_a_silent_one_the_picture_s_to_the_bit(ears: Path, eyes: Path, tmp_path: Path) -> None:
    hears, sees = load(eyes, "torch", sound=ears), load(eyes, "torch")
    one = np.random.default_rng(0).integers(40, 220, (24, 24, 3)).astype(np.uint8)
    frames = np.repeat(cv2.resize(one, (96, 96))[None], 12, 0)

    def affect(film: Path, model: object) -> np.ndarray:
        table = model.analyze(film, LENIENT, detector=TheBox()).frames  # type: ignore[attr-defined]
        return table.column("signals")[len(table) // 2]

    corners = [(-0.7, -0.7), (-0.7, 0.7), (0.7, -0.7), (0.7, 0.7), (0.0, 0.0)]
    films = [film_of(tmp_path / f"{n}.mkv", frames, said(*one, n, 0.48)) for n, one in enumerate(corners)]
    found, wanted = np.stack([affect(film, hears) for film in films]), np.array(corners)
    assert min(ccc(found[:, one], wanted[:, one]) for one in range(2)) > 0.8
    silent = film_of(tmp_path / "silent.mkv", frames)
    assert affect(silent, hears).tobytes() == affect(silent, sees).tobytes()


def test_what_cannot_be_is_refused(
    prepared: Path, eyes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["train", "sound", "--data", str(prepared), "--picture", str(eyes), "--out", str(tmp_path)]
    cases = {
        ("--recipe.plane", "mood"): "a scale of tones: affect",
        ("--recipe.plane", "affect", "--recipe.fusion", "bottleneck"): "leave the others out",
    }
    for more, words in cases.items():
        assert main([*args, *more]) == 1
        assert words in capsys.readouterr().err.replace("\n", " ")


def test_each_column_goes_with_who_knows_it() -> None:
    rng = np.random.default_rng(0)
    picture, sound = rng.uniform(-1, 1, (2, 50, 4))
    known = np.stack([picture[:, 0], sound[:, 1], 0.7 * picture[:, 2] + 0.3 * sound[:, 2], -sound[:, 3]], 1)
    known[::7] = np.nan
    found = convex_weights(picture, sound, known)
    np.testing.assert_allclose(found[:3], [0, 1, 0.3], atol=1e-12)
    assert found[3] < 0.3, "what says the opposite is hardly heard"
    assert not convex_weights(picture, sound, np.full_like(known, np.nan)).any()


def test_weights_are_convex_and_the_record_without_a_plane_is_what_it_was(ears: Path) -> None:
    plane = SoundPlane(AFFECT, (0.0, 0.25))
    np.testing.assert_array_equal(plane(np.array([[0.3, -1.0]]), np.array([[0.9, 1.0]])), [[0.3, -0.5]])
    for wrong in ((0.5,), (0.5, 1.1)):
        with unchecked(), pytest.raises(ConfigError):
            SoundPlane(AFFECT, wrong)
    record = read_sound_record(ears)
    assert "plane" not in json.loads(replace(record, plane=None).to_json())
