"""From films with sound to an answer that heard them: ``prepare --sound``, ``train sound``, ``analyze --sound``."""

from __future__ import annotations

import csv
import json
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from mien.core.labels import LabelSpace
from mien.data.manifest import load_manifest
from mien.data.sounds import read_sound, sound_file
from mien.models.cnn import Cnn, CnnConfig
from mien.models.record import ModelRecord, Preprocessing
from mien.models.sound_net import load_sound
from mien.models.weights import Recognizer, save_weights
from sounding import RATE, film_of, tone

TONES = {"happiness": 600.0, "neutral": 1800.0}
SHORT = ("--fit.epochs", "12", "--fit.batch", "4", "--recipe.model.seconds", "0.4")


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture model of two labels that knows nothing."""
    torch.manual_seed(0)
    config = CnnConfig.tiny(2)
    pixels = Preprocessing(32, config.input_size)
    record = ModelRecord("eyes", LabelSpace("two", ("neutral", "happiness")), pixels, {}, frames=2)
    path = tmp_path_factory.mktemp("eyes") / "eyes.safetensors"
    save_weights(Recognizer(Cnn(config).eval(), None, pixels), record, path)
    return path


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory, portrait: np.ndarray) -> Path:
    """One face in every film; its class can be heard, and not seen. One film has no sound."""
    folder = tmp_path_factory.mktemp("films")
    face = cv2.resize(portrait, (160, 160), interpolation=cv2.INTER_AREA)
    for split, count in (("train", 10), ("test", 1)):
        for label, hertz in TONES.items():
            (folder / split / label).mkdir(parents=True)
            for number in range(count):
                seed = 100 * number + int(hertz) + len(split)
                frames = np.roll(np.stack([face] * 3), (seed % 7 - 3, seed % 5 - 2), (1, 2))
                sound = tone(0.3 + 0.1 * (number % 5), hertz * (1 + 0.02 * (number % 3)), seed=seed)
                film_of(folder / split / label / f"{number}.mkv", frames, sound, start=0.04)
    film_of(folder / "train" / "neutral" / "silent.mkv", np.stack([face[:, ::-1]] * 3))
    return folder


@pytest.fixture(scope="module")
def prepared(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from mien.cli.main import main

    out = tmp_path_factory.mktemp("prepared")
    for _ in range(2):  # the second run finds all done
        assert main(["prepare", "folder", str(films), "-o", str(out), "--sound", "--size", "32", "--workers", "1"]) == 0
    return out


@pytest.fixture(scope="module")
def ears(prepared: Path, eyes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from mien.cli.main import main

    out = tmp_path_factory.mktemp("run")
    args = ("train", "sound", "--data", str(prepared), "--picture", str(eyes), "--out", str(out), *SHORT)
    assert main(list(args)) == 0
    return out / "sound.safetensors"


def test_sound_is_kept_beside_the_crops_where_it_was_asked_for(prepared: Path, films: Path, tmp_path: Path) -> None:
    manifest = load_manifest(prepared)
    there = {row.id for row in manifest.rows if sound_file(manifest, row).is_file()}
    assert {row.id for row in manifest.rows} - there == {"train/neutral/silent.mkv"}
    assert "the sound of 22 of 23 items is kept in sound/" in manifest.notes
    row = next(row for row in manifest.rows if row.id == "train/happiness/0.mkv")
    heard = read_sound(sound_file(manifest, row))
    assert len(heard) == pytest.approx(0.34 * RATE, abs=2)
    assert not heard[: round(0.039 * RATE)].any(), "from the film's 0.0 on"
    assert np.abs(np.fft.rfft(heard[1000:])).argmax() * RATE / len(heard[1000:]) == pytest.approx(600, rel=0.01)
    with wave.open(str(sound_file(manifest, row))) as file:
        assert file.getparams()[:3] == (1, 2, RATE)
    from mien.cli.main import main

    assert main(["prepare", "folder", str(films), "-o", str(tmp_path), "--size", "32", "--workers", "1"]) == 0
    assert not (tmp_path / "sound").exists(), "unasked, nothing of a voice is stored"


def test_what_only_the_sound_tells_is_learnt_and_said(
    mien: Callable[..., Any], ears: Path, eyes: Path, films: Path, tmp_path: Path
) -> None:
    record = load_sound(ears).record
    assert record.scores[f"{films.name}_valid_sound_war"] == 1
    assert record.scores[f"{films.name}_valid_both_war"] == 1
    assert (record.picture, record.dataset) == ("eyes", films.name)
    for label in TONES:
        film = films / "test" / label / "0.mkv"
        ran = mien("analyze", film, "-o", tmp_path / label, "--model", eyes, "--sound", ears, "--min-size", "8")
        assert ran.code == 0, ran.err
        result = json.loads(next((tmp_path / label).glob("*/result.json")).read_text())
        assert [span["label"] for span in result["spans"]] == [label]
        assert result["provenance"]["sound"]["answer"] == "picture and sound"


def test_a_silent_film_has_the_picture_s_answer_and_says_so(
    mien: Callable[..., Any], ears: Path, eyes: Path, films: Path, tmp_path: Path
) -> None:
    film = films / "train" / "neutral" / "silent.mkv"
    rows = []
    for name, asked in (("with", ("--sound", ears)), ("without", ())):
        ran = mien("analyze", film, "-o", tmp_path / name, "--model", eyes, "--min-size", "8", *asked)
        assert ran.code == 0, ran.err
        assert ("the picture alone answers: no sound stream" in ran.err) == bool(asked)
        rows.append([next((tmp_path / name).glob(f"*/{part}.csv")).read_bytes() for part in ("frames", "spans")])
    assert rows[0] == rows[1]
    assert list(csv.reader(rows[0][0].decode().splitlines()))[1:], "there is something to compare"


def test_the_same_run_gives_the_same_file_and_a_pull_to_the_picture_another(
    prepared: Path, eyes: Path, mien: Callable[..., Any], tmp_path: Path
) -> None:
    files = []
    for name, more in (("a", ()), ("b", ("--recipe.paired", "0")), ("c", ("--recipe.paired", "0.5"))):
        args = ("train", "sound", "--data", prepared, "--picture", eyes, "--out", tmp_path / name, *SHORT)
        ran = mien(*args, "--fit.max-steps", "3", "--recipe.fusion", "sum", *more)
        assert ran.code == 0, ran.err
        files.append((tmp_path / name / "sound.safetensors").read_bytes())
    assert files[0] == files[1] != files[2]
    assert load_sound(tmp_path / "c" / "sound.safetensors").record.fusion.way == "sum"


def test_what_cannot_be_is_refused_in_words(
    mien: Callable[..., Any], ears: Path, eyes: Path, tiny: Path, films: Path, prepared: Path, tmp_path: Path
) -> None:
    film, out = films / "test" / "neutral" / "0.mkv", ("-o", tmp_path)
    (tmp_path / "mute").mkdir()
    for name in ("manifest.csv", "set.json"):
        (tmp_path / "mute" / name).write_bytes((prepared / name).read_bytes())
    cases = {
        ("analyze", film, *out, "--sound", ears): "fitted to: eyes",
        ("analyze", film, *out, "--sound", eyes): "weights of a sound net",
        ("analyze", film, *out, "--model", ears): "--sound of `mien analyze`",
        ("export", ears, *out): "weights that look at faces",
        ("train", "sound", "--data", prepared, "--picture", tiny, "--out", tmp_path / "x"): "labels of",
        ("train", "sound", "--data", tmp_path / "mute", "--out", tmp_path / "x"): "mien prepare ... --sound",
        ("prepare", "folder", films, *out, "--sound", "--no-crop"): "beside which sound is kept",
    }
    for args, words in cases.items():
        ran = mien(*args)
        assert (ran.code, words in ran.err) == (1, True), f"{args}: {ran.err}"
