"""``mien export``: the file that was asked for, its parity in print, and refusals in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mien.engines import quantize
from mien.engines.crops import sample_clips
from mien.engines.export import Parity
from mien.engines.onnx import OnnxNetwork
from mien.models.zoo import load_model
from shape_checks import unchecked


@pytest.fixture(autouse=True)
def exporting():
    with unchecked():
        yield


def test_a_file_its_size_and_its_parity(mien, tiny: Path, tmp_path: Path) -> None:
    ran = mien("export", tiny, "-o", tmp_path / "out", "--json")
    ((made,),) = ran.lines
    path = tmp_path / "out" / "tiny.onnx"
    assert (ran.code, made["file"], made["bytes"]) == (0, str(path), path.stat().st_size)
    assert 0 <= made["parity"]["logits"] <= 1e-4
    assert made["parity"]["labels"] == 1
    clips = sample_clips(2, 3, 32, seed=3)
    np.testing.assert_allclose(OnnxNetwork(path).probabilities(clips), load_model(tiny).probabilities(clips), atol=1e-4)


def test_the_table_for_people(mien, tiny: Path, tmp_path: Path) -> None:
    ran = mien("export", tiny, "--to", "pt2", "-o", tmp_path)
    assert ran.code == 0
    assert "tiny.pt2" in ran.out
    assert "logits within" in ran.out
    assert "comparing it with PyTorch" in ran.err


@pytest.fixture
def faces(monkeypatch) -> None:
    """Clips that need no video."""
    clips = [clip[None] for clip in sample_clips(6, 4, 32, seed=2)]
    monkeypatch.setattr(quantize, "face_clips", lambda *args: clips)


def test_int8_beside_float32(mien, tiny: Path, tmp_path: Path, faces, picture) -> None:
    ran = mien("export", tiny, "-o", tmp_path, "--int8", "--calibrate", picture, "--force", "--json")
    (made,) = ran.lines
    assert [Path(one["file"]).name for one in made] == ["tiny.onnx", "tiny-int8.onnx"]
    network = OnnxNetwork(tmp_path / "tiny-int8.onnx")
    assert network.precision == "int8"
    clips = sample_clips(2, 3, 32, seed=3)
    difference = np.abs(network.probabilities(clips) - load_model(tiny).probabilities(clips)).max()
    assert 0 < difference < 0.05


def test_int8_with_other_labels_is_not_kept(mien, tiny: Path, tmp_path: Path, faces, picture, monkeypatch) -> None:
    monkeypatch.setattr(quantize, "compare", lambda *args: Parity(0.1, 0.1, 0.98))
    ran = mien("export", tiny, "-o", tmp_path, "--int8", "--calibrate", picture)
    assert ran.code == 1
    assert "98.0%" in ran.err
    assert "--force" in ran.err
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".onnx"] == ["tiny.onnx"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--int8"], "--calibrate"),
        (["--int8", "--to", "pt2"], "pt2"),
        (["--force"], "--int8"),
        (["--to", "onx"], "onnx"),
    ],
)
def test_options_that_do_not_go_together(mien, tiny: Path, tmp_path: Path, args, words) -> None:
    ran = mien("export", tiny, "-o", tmp_path, *args)
    assert ran.code == 1
    assert words in ran.err


def test_too_few_faces(mien, tiny: Path, tmp_path: Path, picture) -> None:
    ran = mien("export", tiny, "-o", tmp_path, "--int8", "--calibrate", picture)
    assert ran.code == 1
    assert "windows with a face" in ran.err
