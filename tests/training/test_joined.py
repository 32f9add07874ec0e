"""Sound joined to a picture model by commands: what neither shows alone is learnt, kept, and read from films."""

from __future__ import annotations

import json
import pickle
import wave
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mien import load
from mien.analysis.joined import KEPT, _Along
from mien.analysis.settings import AnalysisSettings
from mien.cli.main import main
from mien.core.errors import ConfigError, WeightsError
from mien.core.labels import LabelSpace
from mien.core.types import Face
from mien.data.manifest import Manifest, Row
from mien.data.sounds import sound_file
from mien.faces import FaceSettings
from mien.faces.align import points_in_box
from mien.media.listen import Window
from mien.models.joined import Joined, load_joined, readable_picture
from mien.models.record import ModelRecord, Preprocessing
from mien.models.s2d import S2D, S2DConfig
from mien.models.sound import SoundConfig, TrunkConfig, log_mel, read_sound_record
from mien.models.sound_net import load_sound
from mien.models.weights import Recognizer, save_weights
from shape_checks import unchecked
from sounding import RATE, film_of, tone

LABELS = ("happiness", "neutral")
BOX = (20, 20, 76, 76)
LENIENT = AnalysisSettings(faces=FaceSettings(min_sharpness=0.0, min_size=10.0, max_yaw=90.0))


class TheBox:
    """A face, wherever it is not black."""

    name = "box"

    def detect(self, image: np.ndarray) -> list[Face]:
        box = np.array(BOX, np.float32)
        return [Face(box, 0.99, points_in_box(box))] if image.mean() > 5 else []


def crop(bright: bool, rng: np.random.Generator, side: int = 24) -> np.ndarray:
    """What stands for a face: RGB (s, s, 3)."""
    pixels = (170 if bright else 80) + rng.normal(0, 25, (side, side, 1))
    return np.repeat(pixels, 3, 2).clip(20, 255).astype(np.uint8)


def said(sounds: bool, rng: np.random.Generator, seconds: float = 0.4) -> np.ndarray:
    """A tone in noise, or the noise alone."""
    return tone(seconds, rng.uniform(500, 1500), 0.3 * sounds, int(rng.integers(1 << 30)))


def label_of(bright: bool, sounds: bool) -> str:
    return LABELS[int(bright == sounds)]


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture model that knows bright from dark; its labels lie in another order than the set's."""
    torch.manual_seed(0)
    pixels = Preprocessing(24, 24, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    network = Recognizer(S2D(S2DConfig(24, 8, 32, 2, 2, classes=2, prompts=False, dropout=0.0)), None, pixels)
    optimizer, rng = torch.optim.Adam(network.parameters(), 2e-3), np.random.default_rng(0)
    for _ in range(40):
        bright = rng.integers(0, 2, 16)
        images = torch.from_numpy(np.stack([crop(bool(one), rng).transpose(2, 0, 1) for one in bright]))
        loss = F.cross_entropy(network(images[:, None]), torch.from_numpy(bright))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1
    path = tmp_path_factory.mktemp("eyes") / "eyes.safetensors"
    record = ModelRecord("eyes", LabelSpace("two", ("neutral", "happiness")), pixels, {}, frames=2)
    save_weights(network.eval(), record, path)
    return path


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Faces with sound, as `mien prepare --sound` keeps them; the label is (bright) XOR (sounds)."""
    out, rng = tmp_path_factory.mktemp("prepared"), np.random.default_rng(1)
    rows = []
    for number in range(288):
        bright, sounds = bool(number % 2), bool(number // 2 % 2)
        path = f"crops/{number}.png"
        rows.append(Row(str(number), path, "image", label_of(bright, sounds), "valid" if number >= 256 else "train"))
        (out / path).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(out / path), crop(bright, rng))
        (out / "sound").mkdir(exist_ok=True)
        with wave.open(str(out / "sound" / f"{number}.png.wav"), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes((said(sounds, rng).clip(-1, 1) * 32767).astype("<i2").tobytes())
    manifest = Manifest("xor", LabelSpace("two", LABELS), tuple(rows), out, 24)
    manifest.save(out)
    assert sound_file(manifest, rows[0]).is_file()
    return out


def train(prepared: Path, eyes: Path, out: Path, *more: str) -> Path:
    args = ["train", "sound", "--data", str(prepared), "--picture", str(eyes), "--out", str(out)]
    shape = ["--recipe.model.seconds", "0.4", "--recipe.model.bins", "32", "--recipe.trunk.dim", "32"]
    narrow = ["--recipe.trunk.narrow", "32", "--recipe.fusion", "bottleneck"]
    assert main([*args, *shape, *narrow, *more]) == 0
    return out / "sound.safetensors"


@pytest.fixture(scope="module")
def ears(prepared: Path, eyes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    with unchecked():  # shapes are, in the other tests: checks are half of these small steps
        return train(prepared, eyes, out, "--fit.epochs", "10", "--fit.lr", "5e-3", "--fit.batch", "32")


def test_what_neither_tells_alone_is_learnt_and_read_from_films(ears: Path, eyes: Path, tmp_path: Path) -> None:
    scores = read_sound_record(ears).scores
    assert scores["xor_valid_picture_war"] < 0.6
    assert scores["xor_valid_both_war"] > 0.95
    model, rng = load(eyes, "torch", sound=ears), np.random.default_rng(2)
    assert pickle.loads(pickle.dumps(model)).ears.sha256 == read_sound_record(ears).sha256
    for bright in (False, True):
        for sounds in (False, True):
            frames = np.zeros((12, 96, 96, 3), np.uint8)
            frames[:, BOX[1] : BOX[3], BOX[0] : BOX[2]] = cv2.resize(crop(bright, rng), (56, 56))
            film = film_of(tmp_path / f"{bright:d}{sounds:d}.mkv", frames, said(sounds, rng, 0.48))
            result = model.analyze(film, LENIENT, detector=TheBox())
            assert [span.label for span in result.spans] == [label_of(bright, sounds)]
            facts = result.provenance["sound"]
            assert (facts["way"], facts["answer"]) == ("bottleneck", "picture and sound")
    silent = film_of(tmp_path / "silent.mkv", frames)
    with_sound, alone = (one.analyze(silent, LENIENT, detector=TheBox()) for one in (model, load(eyes, "torch")))
    assert with_sound.spans == alone.spans
    assert with_sound.frames.column("probabilities").tobytes() == alone.frames.column("probabilities").tobytes(), (
        "to the bit"
    )


def test_before_the_first_step_it_is_the_picture_model(eyes: Path) -> None:
    model = readable_picture(str(eyes))
    net = Joined(model.network, SoundConfig(2, 0.4, 32), TrunkConfig(32, 32, 4)).eval()
    rng = np.random.default_rng(3)
    clips = np.stack([np.stack([crop(bool(one), rng).transpose(2, 0, 1)] * 2) for one in (0, 1, 1)])
    mel = torch.from_numpy(np.stack([log_mel(said(bool(one), rng), 32) for one in (0, 1, 0)]))
    with torch.no_grad():
        joined = net(mel, torch.from_numpy(clips)).logits.double().numpy()
    np.testing.assert_array_equal(joined, model.logits(clips))
    assert sum(part.requires_grad for part in net.picture.parameters()) == 2, "of the picture's half its head alone"


def test_the_file_says_what_it_is_and_goes_with_its_picture_model_alone(
    ears: Path, eyes: Path, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert read_sound_record(ears).trunk == TrunkConfig(32, 32, 4)
    learnt = load_joined(ears, str(eyes)).net.learnt()
    assert {"ears.cls_token", "eyes.head.weight", "bottlenecks.0.picture_gate"} <= learnt.keys()
    assert "eyes.backbone.cls_token" not in learnt, "the picture's half is in its own file"
    with pytest.raises(ConfigError, match="fitted to: eyes"):
        load("s2d-small", "torch", sound=ears)
    with pytest.raises(WeightsError, match="joined to a picture model"):
        load_sound(ears)
    assert main(["export", str(ears), "-o", str(tmp_path)]) == 1
    assert "weights that look at faces" in capsys.readouterr().err
    args = ["train", "sound", "--data", str(prepared), "--out", str(tmp_path), "--recipe.fusion", "bottleneck"]
    assert main([*args, "--recipe.paired", "1"]) == 1
    assert "leave the others out" in capsys.readouterr().err


def test_a_file_of_late_fusion_has_no_word_of_it(ears: Path) -> None:
    record = read_sound_record(ears)
    assert "trunk" in json.loads(record.to_json())
    assert "trunk" not in json.loads(replace(record, trunk=None).to_json()), "an older mien reads it"


def test_sound_is_found_beside_the_pictures_and_forgotten_behind_them() -> None:
    def sounds(count: int):
        for number in range(count):
            yield Window(0.1 * number, np.full(4, number, np.float32), 1.0)

    along = _Along(sounds(KEPT + 100))
    assert [int(along.at(time).wave[0]) for time in (0.52, 0.0, 3.0, 2.1)] == [5, 0, 30, 21]
    assert along.at(0.1 * (KEPT + 50)).wave[0] == KEPT + 50
    assert along.at(1.0) is None
    assert along.at(0.1 * (KEPT + 200)) is None
    assert len(along.audible) == KEPT + 100
