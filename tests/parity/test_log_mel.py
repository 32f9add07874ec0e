"""The spectrogram has Kaldi's numbers; a sound net keeps its record, and its file its answers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from fills import official, uniform
from safetensors.torch import load_file, save_file

from mien.core.errors import ConfigError, WeightsError
from mien.core.labels import LabelSpace
from mien.models.late_fusion import LateFusion
from mien.models.record import read_record
from mien.models.sound import LEAST_ENERGY, SoundConfig, SoundRecord, log_mel, triangles
from mien.models.sound_net import SoundModel, SoundNet, load_sound, save_sound

LABELS = LabelSpace("two", ("neutral", "happiness"))
RECORD = SoundRecord(
    "ears", LABELS, SoundConfig(2, 0.5, 32, 4), "eyes", "a" * 64, "trained",
    LateFusion("product", (1.0, 1.0), (0.5, 0.2), (0.0, 0.1)), scores={"x": 0.5},
)  # fmt: skip


def wave() -> np.ndarray:
    t = np.arange(16_000) / 16_000
    noise = 0.1 * (2 * uniform("fbank.a", (16_000,)) - 1)
    return (0.4 * np.sin(2 * np.pi * 220 * t) + 0.2 * np.sin(2 * np.pi * (800 + 600 * t) * t) + noise).astype(
        np.float32
    )


@pytest.mark.parametrize("bins", [80, 128])
def test_the_numbers_are_the_reference_s(bins: int) -> None:
    wanted, found = official("fbank")[f"bins{bins}"], log_mel(wave(), bins)
    assert found.shape == (98, bins)
    assert found.mean() == pytest.approx(wanted["mean"], abs=1e-3)
    assert found.std() == pytest.approx(wanted["std"], abs=1e-3)
    for row, values in wanted["rows_every_8th_bin"].items():
        np.testing.assert_allclose(found[int(row), ::8], values, atol=1e-3)
    empty = np.flatnonzero(triangles(bins).sum(1) == 0).tolist()
    assert empty == wanted.get("empty_bins", [])
    np.testing.assert_allclose(found[:, empty], np.log(LEAST_ENERGY), rtol=1e-6)


def test_silence_is_the_floor_and_too_little_is_refused() -> None:
    np.testing.assert_allclose(log_mel(np.full(400, 0.3), 80), np.log(LEAST_ENERGY), rtol=1e-6)
    with pytest.raises(ConfigError, match="400"):
        log_mel(np.zeros(399), 80)


def test_a_file_holds_the_record_and_the_same_answers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = SoundNet(RECORD.config)
    net(torch.from_numpy(log_mel(wave()[:8000], 32))[None].repeat(4, 1, 1))  # the norms' running figures move
    path = tmp_path / "ears.safetensors"
    kept = save_sound(net, RECORD, path)
    model = load_sound(path)
    assert dataclasses.replace(kept, sha256="", source="") == RECORD
    assert len(model.record.sha256) == 64
    waves = np.stack([wave()[:8000], wave()[8000:]])
    answer = model.probabilities(waves)
    np.testing.assert_array_equal(answer, SoundModel(net.eval(), RECORD).probabilities(waves))
    np.testing.assert_allclose(answer.sum(1), 1)
    assert np.abs(answer[0] - answer[1]).max() > 1e-6


def test_other_files_are_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "ears.safetensors"
    save_sound(SoundNet(RECORD.config), RECORD, path)
    with pytest.raises(WeightsError, match="--sound"):
        read_record(path)
    state, text = load_file(path), RECORD.to_json()
    cases = {
        "no.safetensors": (state, {}, "which is none"),
        "torn.safetensors": (state, {"mien-sound": text.replace('"classes": 2', '"classes": 3')}, "one an output"),
        "old.safetensors": (state, {"mien-sound": text.replace('"format": 1', '"format": 9')}, "format"),
        "odd.safetensors": ({"x": torch.zeros(1)}, {"mien-sound": text}, "fit the record"),
    }
    for name, (tensors, metadata, words) in cases.items():
        save_file(tensors, tmp_path / name, metadata)
        with pytest.raises(WeightsError, match=words):
            load_sound(tmp_path / name)
    with pytest.raises(WeightsError, match="no file"):
        load_sound(tmp_path / "nowhere.safetensors")
